import { HodisaError } from '../../errors.ts'

export function missing(capability: string, why: string): HodisaError {
  return new HodisaError('capability-missing', `${capability} is not possible here: ${why}`, {
    engine: 'memory',
    capability,
  })
}
