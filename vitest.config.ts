import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/contained-faults.ts'],
    // Patience, not measure: what takes 200 ms on a quiet machine has taken 20 times as long on one with other work.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 15_000 } },
    // Servers and children are started by many files: two workers keep a two-core machine honest.
    maxWorkers: 2,
    pool: 'forks',
    // Real servers and real clocks on a machine that may be busy: one more attempt, and the end of the run names who needed it.
    retry: 1,
  },
})
