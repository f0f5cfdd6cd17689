import assert from 'node:assert/strict'
// #region lab
import { lab, summary } from 'hodisa/testing'

const worker = new URL('./laboratory-worker.ts', import.meta.url)
const result = await lab({ worker, seed: 7, minutes: 0.1 })
assert.deepEqual(result.violations, [], summary(result, 'lab({ worker, seed: 7 })'))
// #endregion
