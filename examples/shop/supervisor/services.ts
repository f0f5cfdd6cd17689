/** What runs in the shop, and in how many processes. Add a line to add a service. */
export const SERVICES = [
  { name: 'order', instances: 1 },
  { name: 'inventory', instances: 1 },
  { name: 'email', instances: 10 },
  { name: 'analytics', instances: 5 },
  { name: 'notification', instances: 1 },
] as const

export type ServiceName = (typeof SERVICES)[number]['name']

export function isServiceName(name: string): name is ServiceName {
  return SERVICES.some((service) => service.name === name)
}
