/** Times that do not count, which may overlap. All in ms. */
export class Silences {
  /** In order, none touching another. */
  #all: { readonly from: number; readonly to: number }[] = []

  add(from: number, to: number): void {
    const touching = this.#all.filter((one) => one.from <= to && one.to >= from)
    const apart = this.#all.filter((one) => !touching.includes(one))
    apart.push({
      from: Math.min(from, ...touching.map((one) => one.from)),
      to: Math.max(to, ...touching.map((one) => one.to)),
    })
    this.#all = apart.sort((one, other) => one.from - other.from)
  }

  /** How much of a time they take. */
  within(from: number, to: number): number {
    const shares = this.#all.map((one) => Math.max(0, Math.min(one.to, to) - Math.max(one.from, from)))
    return shares.reduce((sum, ms) => sum + ms, 0)
  }
}
