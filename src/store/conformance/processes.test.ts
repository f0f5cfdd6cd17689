import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'
import { eachSharedEngine } from '../../delivery/fixtures/shared-store.ts'
import { processConformance } from './index.ts'

const STORES = fileURLToPath(new URL('../../delivery/fixtures/store-at.ts', import.meta.url))

eachSharedEngine((open, engine) => {
  processConformance({
    name: engine,
    describe,
    test: (name, body) => test(name, body, 90_000),
    async open() {
      const { location, factory, dispose } = await open()
      return { module: { path: STORES, factory: 'storeAt', location }, connect: (host) => factory.open(host), dispose }
    },
  })
})
