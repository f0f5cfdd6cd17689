import { HodisaError } from '../errors.ts'

/**
 * What a column holds as JSON.
 *
 * @throws {HodisaError} `store-corrupt`, naming the column and the row: somebody else wrote there.
 */
export function storedJson<Value>(text: string, column: string, row: string): Value {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HodisaError('store-corrupt', `${column} of ${row} holds text that is not JSON`, { column, row }, error)
  }
}
