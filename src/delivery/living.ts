import type { InstanceInfo, Store } from '../store/port.ts'
import { machineName, processExists } from './machine.ts'

/** The instances that are there, without those of this machine whose process is gone, which nobody may be left to take over. */
export async function livingInstances({ presence }: Pick<Store, 'presence'>): Promise<readonly InstanceInfo[]> {
  const here = machineName()
  return (await presence.list()).filter(({ machine, pid }) => machine !== here || processExists(pid))
}

export async function livingIds(store: Pick<Store, 'presence'>): Promise<ReadonlySet<string>> {
  return new Set((await livingInstances(store)).map(({ id }) => id))
}
