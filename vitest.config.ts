import { defineConfig } from 'vitest/config'

// Three kinds of tests, one after the other: what is quick and certain comes first.
export default defineConfig({
  test: {
    setupFiles: ['test/support/contained-faults.ts'],
    // Servers and children are started by many files: few workers keep a two-core machine honest.
    maxWorkers: 2,
    pool: 'forks',
    projects: [
      {
        // No sockets, no sleeps: what fails has a reason.
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // A unit test takes milliseconds; a quarter of a minute is for a machine with other work.
          testTimeout: 15_000,
          // These files change nothing that another file reads: a new module graph for each of them took four times as long.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole exchanges on a virtual clock and network, or in memory; properties over many cases.
        extends: true,
        test: {
          name: 'sim',
          include: ['test/{sim,contract,property}/**/*.test.ts'],
          testTimeout: 60_000,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Real servers and real clocks on a machine that may be busy: patience, and one more attempt, which the end of the run names.
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // What takes 200 ms on a quiet machine has taken 20 times as long on one with other work.
          testTimeout: 90_000,
          hookTimeout: 90_000,
          expect: { poll: { timeout: 15_000 } },
          retry: 1,
          // Much of their time is waiting: a third worker uses what two leave.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
