import { expect, test } from 'vitest'
import { Registry } from '../event/registry.ts'
import type { StoredEvent } from '../store/events.ts'
import { Decoder } from './decode.ts'

const stored: StoredEvent = {
  ...{ id: 'evt_1', type: 'order.created', version: 1, kind: 'domain', position: 7, bucket: 0, data: '{"a":1}' },
  ...{ timestamp: 0, recordedAt: 0, stream: null, revision: null, key: null, source: 'test', correlationId: 'evt_1' },
  ...{ causationId: null, metadata: null, tenant: null, subject: null, tags: null, encoding: null, expiresAt: null },
}

test('timestamps are ISO 8601, whatever second was decoded before', () => {
  const decoder = new Decoder(new Registry(), undefined)
  const times = [
    0, 1, 999, 1_000, 1_705_314_600_007, 1_705_314_600_123, 1_705_314_599_999, -1, -1_000, 253_402_300_800_000,
  ]
  for (const timestamp of times) {
    expect(decoder.decode({ ...stored, timestamp })).toMatchObject({ timestamp: new Date(timestamp).toISOString() })
  }
})

test('stream and revision are absent where an event belongs to no stream', () => {
  const decoder = new Decoder(new Registry(), undefined)
  expect(decoder.decode(stored)).not.toHaveProperty('stream')
  expect(decoder.decode({ ...stored, stream: 'order-1', revision: 3 })).toMatchObject({
    stream: 'order-1',
    revision: 3,
  })
})
