import { defineConfig } from 'vitest/config'

/**
 * End-to-end tests that need a process of their own: they put another module in a place of ours (vi.mock), look at what
 * keeps their process alive, or measure its memory and descriptors, in which what earlier files left would hide a leak.
 */
const OWN_PROCESS = [
  'test/e2e/connect/socket-options-absent.test.ts',
  'test/e2e/dispatcher/undici.test.ts',
  'test/e2e/dns/client-sharing.test.ts',
  'test/e2e/egress/absent-native.test.ts',
  'test/e2e/early-data/{early-socket-churn,ending}.test.ts',
  'test/e2e/fast-open/{abort,absent,bulk,churn,flush}.test.ts',
  'test/e2e/http2/stalled-reader.test.ts',
  'test/e2e/migration/{network-change,soak}.test.ts',
  'test/e2e/module/memory.test.ts',
  'test/e2e/probe/tls-faults.test.ts',
  'test/e2e/quic/{hostile,with-dgram}.test.ts',
]

/** Real servers and real clocks on a machine that may be busy: patience, and one more attempt, which the end of the run names. */
const END_TO_END = {
  // What takes 200 ms on a quiet machine has taken 20 times as long on one with other work.
  testTimeout: 90_000,
  hookTimeout: 90_000,
  expect: { poll: { timeout: 15_000 } },
  retry: 1,
  // A third of their time is waiting: further workers use what two leave.
  maxWorkers: 4,
  // One group: while the last files of one project run, those of the other fill the machine.
  sequence: { groupOrder: 2 },
}

// Kinds of tests, one after the other: what is quick and certain comes first.
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
        extends: true,
        test: {
          ...END_TO_END,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: OWN_PROCESS,
          // A new module graph and a new process for each file took a fifth of all CPU time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: { ...END_TO_END, name: 'e2e-own', include: OWN_PROCESS },
      },
    ],
  },
})
