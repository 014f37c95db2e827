import { CALIBRATION_VERSION } from '../../../../bench/micro/calibration.ts'
import type { MicroFile } from '../../../../bench/micro/micro-file.ts'
import { summarizeSuite } from '../../../../bench/micro/summarize-suite.ts'
import type { Measurement, ScenarioResult } from '../../../../src/bench/results/scenario-result.ts'

type RoundsByCase = Readonly<Record<string, readonly Measurement[]>>

/** A suite whose cases showed that, round by round. */
export function microResult(suite: string, byCase: RoundsByCase): ScenarioResult {
  const answers = Object.entries(byCase).flatMap(([name, rounds]) =>
    rounds.map(measurement => ({ operation: 'request', cases: [{ name, measurement }] })),
  )
  return summarizeSuite(suite, answers, [])
}

export function microFile(suites: Readonly<Record<string, RoundsByCase>>): MicroFile {
  const results = Object.entries(suites).map(([suite, byCase]) => microResult(suite, byCase))
  return {
    startedAt: '2026-01-02T03:04:05.000Z',
    arguments: [],
    settings: {
      rounds: 6,
      suiteWarmUpMs: 500,
      warmUpMs: 30,
      measureMs: 40,
      calibration: CALIBRATION_VERSION,
    },
    machine: {
      cores: 2,
      cpuModel: 'Test CPU',
      memoryGiB: 4,
      kernel: '6.1',
      distribution: 'unknown',
      congestionControl: 'cubic',
      loadAtStart: 0.1,
      versions: { node: '20.20.2' },
      revision: 'abc',
    },
    results,
  }
}
