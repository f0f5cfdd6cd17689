/** Pounds are counted in whole thousandths: prices have up to three decimals, and floats would lose some of them. */
const SCALE = 1000
const AMOUNT = /^(-?)(\d+)(?:\.(\d{1,3})0*)?$/

/** `'2.55'` → 2550; undefined for what is no amount of at most three decimals. */
export function parsePounds(text: string): number | undefined {
  const [, sign, whole, decimals = ''] = AMOUNT.exec(text) ?? []
  if (whole === undefined) return undefined
  const thousandths = Number(whole) * SCALE + Number(decimals.padEnd(3, '0'))
  if (!Number.isSafeInteger(thousandths)) return undefined
  return sign === '-' && thousandths !== 0 ? -thousandths : thousandths
}

/** 2550 → `'2.55'`, 2555 → `'2.555'`: exact, with two decimals or three. */
export function formatPounds(thousandths: number): string {
  if (!Number.isSafeInteger(thousandths)) throw new RangeError(`${thousandths} is no exact amount`)
  const digits = String(Math.abs(thousandths)).padStart(4, '0')
  const decimals = digits.slice(-3).replace(/0$/, '')
  return `${thousandths < 0 ? '-' : ''}${digits.slice(0, -3)}.${decimals}`
}

/** What the lines cost together, in thousandths of a pound. */
export function totalOf(lines: readonly { readonly quantity: number; readonly price: number }[]): number {
  return lines.reduce((sum, line) => sum + line.quantity * line.price, 0)
}
