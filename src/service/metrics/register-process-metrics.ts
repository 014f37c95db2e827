import type { Registry } from 'prom-client'
import type { FaultCause, FaultKind } from '../lifecycle/process-faults.ts'
import type { CounterSet } from './counter-set.ts'
import { registerScraped } from './scraped-metric.ts'

/** What the process has lived through. */
export function registerProcessMetrics(
  registry: Registry,
  faults: CounterSet<`${FaultKind} ${FaultCause}`>,
  returnedMemoryBytes: () => number,
  dropped: () => Readonly<Record<'log' | 'qlog', number>>,
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_faults_total',
    'Errors in timers, events and callbacks that did not end the process: contained by a guard or caught by nobody, of the system or a defect',
    () =>
      (['contained system', 'contained defect', 'uncaught system', 'uncaught defect'] as const).map(words => {
        const [kind = '', cause = ''] = words.split(' ')
        return { labels: { kind, cause }, value: faults.get(words) }
      }),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_memory_returned_bytes_total',
    'Memory that was given back to the system since nothing used it any more (memory.maxUnusedBytes), in bytes',
    () => [{ labels: {}, value: returnedMemoryBytes() }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_log_dropped_total',
    'Lines of the log, and events of the qlog trace, that were dropped, since they were read or written too slowly',
    () => Object.entries(dropped()).map(([to, value]) => ({ labels: { to }, value })),
  )
}
