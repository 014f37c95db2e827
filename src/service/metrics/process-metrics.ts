import { type Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import type { StallStats } from '../forwarding/stalled-readers.ts'
import type { FaultCause, FaultKind } from '../lifecycle/process-faults.ts'
import { type CounterSet, registerScraped } from './metric-types.ts'

/** What the process has lived through. */
export function registerProcessMetrics(
  registry: Registry,
  faults: CounterSet<`${FaultKind} ${FaultCause}`>,
  returnedMemoryBytes: () => number,
  dropped: () => Readonly<Record<'log' | 'access_log' | 'qlog', number>>,
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
    'Lines of the log and the access log, and events of the qlog trace, that were dropped, since they were read or written too slowly',
    () => Object.entries(dropped()).map(([to, value]) => ({ labels: { to }, value })),
  )
}

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

/** How the names of origins were resolved. */
export function registerResolverMetrics(registry: Registry, counts: () => TransportStats['resolver']): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_dns_lookups_total',
    'Lookups of addresses, by outcome; answered: with addresses, or that there are none',
    () => {
      const { answered, failed } = counts()
      return [
        { labels: { outcome: 'answered' }, value: answered },
        { labels: { outcome: 'failed' }, value: failed },
      ]
    },
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_dns_stale_answers_total',
    'Addresses that were used beyond their time, since no server gave an answer in time',
    () => [{ labels: {}, value: counts().stale }],
  )
}

/** What became of reloads. */
export interface ReloadReport {
  readonly outcomes: CounterSet<'taken' | 'refused'>
  /** In seconds since 1970: of the start, or of the last configuration that was taken since. */
  takenAtSeconds: number
  /** The configuration that was asked for last is the one that runs. */
  isCurrent: boolean
}

/** One certificate that others verify us by, or we others. */
export interface CertificateExpiry {
  readonly of: 'listener' | 'origin' | 'origin_client'
  /** The listener's address, or the origin's name. */
  readonly name: string
  /** What a certificate of a listener is for: its first name. Else empty. */
  readonly certificate: string
  readonly expiresAtSeconds: number
}

/** Which program runs, with which configuration, and until when its certificates are good. */
export function registerConfigurationMetrics(
  registry: Registry,
  sources: {
    readonly version: string
    readonly reloads: ReloadReport
    readonly certificates: () => readonly CertificateExpiry[]
    readonly certificateChanges: CounterSet<'loaded' | 'refused'>
  },
): void {
  const { version, reloads, certificates, certificateChanges } = sources
  registerScraped(registry, 'gauge', 'middlemile_build_info', 'Always 1; the labels say what runs', () => [
    { labels: { version, node: process.versions.node, openssl: process.versions.openssl }, value: 1 },
  ])
  registerScraped(
    registry,
    'counter',
    'middlemile_config_reloads_total',
    'Reloads by outcome; refused: the configuration was bad, and the old one stays',
    () =>
      (['taken', 'refused'] as const).map(outcome => ({
        labels: { outcome },
        value: reloads.outcomes.get(outcome),
      })),
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_config_last_reload_successful',
    '1 while the configuration that was asked for last is the one that runs, 0 after a refused reload',
    () => [{ labels: {}, value: reloads.isCurrent ? 1 : 0 }],
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_config_last_reload_success_timestamp_seconds',
    'When the configuration that runs was taken, in seconds since 1970',
    () => [{ labels: {}, value: reloads.takenAtSeconds }],
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_certificate_expiry_timestamp_seconds',
    'When a certificate expires, in seconds since 1970. of: listener, by its address and the first name of the certificate; origin, as it came in the last handshake; origin_client, that we show an origin',
    () =>
      certificates().map(({ of, name, certificate, expiresAtSeconds }) => ({
        labels: certificate === '' ? { of, name } : { of, name, certificate },
        value: expiresAtSeconds,
      })),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_certificate_changes_total',
    'Certificates of listeners whose files changed, by outcome; refused: it cannot be used, and the old one stays',
    () =>
      (['loaded', 'refused'] as const).map(outcome => ({
        labels: { outcome },
        value: certificateChanges.get(outcome),
      })),
  )
}

/** Copies of requests: see Mirror. */
export function registerMirrorMetrics(
  registry: Registry,
  routes: () => ReadonlyMap<string, { readonly counts: ReadonlyMap<string, number> }>,
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_mirrored_requests_total',
    'Requests that were to be copied for another origin (mirror of a route), by what became of the copy',
    () =>
      [...routes()].flatMap(([route, { counts }]) =>
        Array.from(counts, ([outcome, value]) => ({ labels: { route, outcome }, value })),
      ),
  )
}
