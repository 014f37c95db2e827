import type { Registry } from 'prom-client'
import type { StallStats } from '../forwarding/stalled-readers.ts'
import { registerScraped } from './scraped-metric.ts'

/** What slow clients cost, and what became of them. */
export function registerForwardingMetrics(registry: Registry, stats: () => StallStats): void {
  const register = (type: 'counter' | 'gauge', name: string, help: string, value: () => number) =>
    registerScraped(registry, type, name, help, () => [{ labels: {}, value: value() }])
  register(
    'gauge',
    'middlemile_buffered_response_bytes',
    'Memory that holds responses for clients that stall, in bytes',
    () => stats().bufferedBytes,
  )
  register(
    'counter',
    'middlemile_buffered_responses_total',
    'Responses that were buffered because their client stalled',
    () => stats().bufferedResponses,
  )
  register(
    'gauge',
    'middlemile_stalled_readers',
    'Clients that stall now, with a response that is not buffered to its end',
    () => stats().stalledReaders,
  )
  register(
    'counter',
    'middlemile_stalled_readers_ended_total',
    'Clients that stalled and were ended, since others waited for their connection to the origin',
    () => stats().endedReaders,
  )
}
