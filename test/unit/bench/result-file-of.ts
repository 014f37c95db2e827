import type { ResultFile } from '../../../src/bench/results/result-file.ts'
import type { CaseResult, Metric } from '../../../src/bench/results/scenario-result.ts'

const METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'connections', title: 'connections' },
]

/** A file of one scenario with one table. */
export function resultFileOf(table: CaseResult, changes: Partial<ResultFile> = {}): ResultFile {
  return {
    startedAt: '2026-11-22T17:34:21.154Z',
    arguments: ['load', '--rounds', '7'],
    settings: { rounds: 7, seed: 1 },
    machine: {
      cores: 2,
      cpuModel: 'Some CPU',
      memoryGiB: 24,
      kernel: '6.18.44',
      distribution: 'Debian GNU/Linux 12 (bookworm)',
      congestionControl: 'cubic',
      loadAtStart: 0.34,
      versions: { node: '20.20.2', nginx: '1.22.1' },
      revision: 'bcc4bf2',
    },
    results: [{ scenario: 'load', description: 'a load', metrics: METRICS, cases: [table], unavailable: [] }],
    ...changes,
  }
}
