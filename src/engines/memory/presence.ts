import type { InstanceInfo } from '../../store/port.ts'
import { frozen } from './frozen.ts'

/** Who has the store open. Waits for no turn: a beat comes before all other work. */
export class PresenceTable {
  readonly #rows = new Map<string, { readonly info: InstanceInfo; beat: number }>()

  join(info: InstanceInfo): void {
    this.#rows.set(info.id, { info: frozen(info), beat: 0 })
  }

  beat(id: string): { alive: boolean; beats: ReadonlyMap<string, number> } {
    const row = this.#rows.get(id)
    if (row !== undefined) row.beat++
    return { alive: row !== undefined, beats: new Map([...this.#rows].map(([each, { beat }]) => [each, beat])) }
  }

  leave(id: string, beat?: number): boolean {
    const row = this.#rows.get(id)
    return row !== undefined && (beat === undefined || row.beat === beat) && this.#rows.delete(id)
  }

  list(): readonly InstanceInfo[] {
    return [...this.#rows.values()].map(({ info }) => info)
  }
}
