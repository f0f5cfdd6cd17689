import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: './src/testing/postgres/fixtures/global-setup.ts',
    // Tests of processes and leases mostly wait.
    maxWorkers: Math.max(4, availableParallelism()),
    // One that passes only the second time is printed as such.
    retry: process.env.CI === 'true' ? 1 : 0,
    // What hangs is ended; what is slow on a busy machine is not at fault.
    testTimeout: 150_000,
    hookTimeout: 150_000,
  },
})
