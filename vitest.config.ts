import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Servers and children are started by many files: two workers keep a two-core machine honest.
    maxWorkers: 2,
    pool: 'forks',
    // Real servers and real clocks on a machine that may be busy: one more attempt, and the end of the run names who needed it.
    retry: 1,
  },
})
