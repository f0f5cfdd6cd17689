import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: './src/testing/postgres/fixtures/global-setup.ts',
    // Tests of processes and leases mostly wait.
    maxWorkers: Math.max(4, availableParallelism()),
    // What hangs is ended; what is slow on a busy machine is not at fault.
    testTimeout: 150_000,
    hookTimeout: 150_000,
  },
})
