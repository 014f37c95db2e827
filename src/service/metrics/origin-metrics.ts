import type { Registry } from 'prom-client'
import type {
  CloseReason,
  CoalescingRefusal,
  ConnectionMigrated,
  ExchangeEnded,
  HandshakeInfo,
  MigrationOutcome,
  RetryReason,
} from '../../entry/events.ts'
import type { ErrorCode } from '../../index.ts'
import { SessionCounts } from '../web-transport/session-counts.ts'
import { ClientMetrics } from './client-metrics.ts'
import {
  CounterSet,
  DurationHistogram,
  type ProtocolLabel,
  registerScraped,
  registerScrapedHistogram,
} from './metric-types.ts'
import { SelectionMetrics } from './selection-metrics.ts'

/** What is counted for one origin. */
export class OriginMetrics {
  /** The origin's name in the configuration: the label. */
  readonly name: string
  readonly retries = new CounterSet<RetryReason>()
  readonly connectFailures = new CounterSet<ErrorCode>()
  /** By the name of the limit that took effect. The names are those of options: the set is bounded. */
  readonly defences = new CounterSet<string>()
  readonly fastOpen = new CounterSet<'used' | 'fallback'>()
  /** Connections of other origins: joined, left, and refused by reason. */
  readonly coalesced = new CounterSet<'joined' | 'left' | CoalescingRefusal>()
  readonly migrations = new MigrationMetrics()
  readonly selection = new SelectionMetrics()
  readonly clients = new ClientMetrics()
  /** Of WebTransport. */
  readonly sessions = new SessionCounts()
  /** When the origin's certificate expires, as the last full handshake saw it, in ms since 1970. */
  certificateExpiresAt: number | undefined
  readonly #protocols = new Map<ProtocolLabel, ProtocolMetrics>()
  #lastLabel: ProtocolLabel | undefined
  #lastMetrics: ProtocolMetrics | undefined

  constructor(name: string) {
    this.name = name
  }

  onHandshake({ certificateExpiresAt }: HandshakeInfo): void {
    if (certificateExpiresAt !== undefined) this.certificateExpiresAt = certificateExpiresAt
  }

  /** An origin rarely changes its protocol, so that the last one is kept at hand. */
  of(protocol: ProtocolLabel): ProtocolMetrics {
    if (protocol === this.#lastLabel && this.#lastMetrics !== undefined) return this.#lastMetrics
    let metrics = this.#protocols.get(protocol)
    if (metrics === undefined) {
      metrics = new ProtocolMetrics()
      this.#protocols.set(protocol, metrics)
    }
    this.#lastLabel = protocol
    this.#lastMetrics = metrics
    return metrics
  }

  protocols(): IterableIterator<[ProtocolLabel, ProtocolMetrics]> {
    return this.#protocols.entries()
  }
}

/** Nobody knows yet what becomes of its early data. */
function isOpen({ kind, earlyData }: HandshakeInfo): boolean {
  return kind === 'early_data' && earlyData === 'none'
}

/** What is counted for one origin over one protocol. Reporting an exchange is a handful of additions. */
export class ProtocolMetrics {
  readonly requestDuration = new DurationHistogram()
  readonly ttfb = new DurationHistogram()
  readonly queue = new DurationHistogram()
  /** Of the data that a loss held up, in exchanges whose protocol can tell. */
  readonly stall = new DurationHistogram()
  /** Requests that left in early data, by what became of it. */
  readonly earlyData = new CounterSet<'accepted' | 'rejected'>()
  readonly opened = new CounterSet<HandshakeInfo['kind']>()
  readonly closed = new CounterSet<CloseReason>()
  reused = 0
  /** Of bodies and tunnels. */
  requestBytes = 0
  responseBytes = 0

  onExchangeEnded(event: ExchangeEnded): void {
    if (event.reused) this.reused++
    this.requestBytes += event.requestBytes ?? 0
    this.responseBytes += event.responseBytes
    this.requestDuration.observe(event.totalMs)
    this.queue.observe(event.queueMs)
    if (event.status !== 0) this.ttfb.observe(event.ttfbMs)
    if (event.stallMs !== undefined) this.stall.observe(event.stallMs)
    if (event.earlyData !== 'none') this.earlyData.add(event.earlyData)
  }

  onCarried(fromClient: number, fromOrigin: number): void {
    this.requestBytes += fromClient
    this.responseBytes += fromOrigin
  }

  /** What was opened in early data is counted when it is known what became of it. */
  onOpened(handshake: HandshakeInfo): void {
    if (!isOpen(handshake)) this.opened.add(handshake.kind)
  }

  /** What never came to a handshake counts as what it was to be. */
  onClosed(handshake: HandshakeInfo): void {
    if (isOpen(handshake)) this.opened.add(handshake.kind)
  }
}

/** What is counted of connections of one origin that moved to another path, or were to. */
export class MigrationMetrics {
  readonly outcomes = new CounterSet<MigrationOutcome>()
  /** Of those that moved while somebody waited for bytes. */
  readonly gap = new DurationHistogram()

  onMigration({ report: { outcome, gapMs } }: ConnectionMigrated): void {
    this.outcomes.add(outcome)
    if (outcome === 'moved' && gapMs !== undefined) this.gap.observe(gapMs)
  }
}

export function registerMigrationMetrics(
  registry: Registry,
  origins: () => readonly { readonly name: string; readonly migrations: MigrationMetrics }[],
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_migrations_total',
    'HTTP/3 connections that moved to another path, or were to, by what became of it',
    () =>
      origins().flatMap(({ name, migrations }) =>
        Array.from(migrations.outcomes.entries(), ([outcome, value]) => ({
          labels: { origin: name, outcome },
          value,
        })),
      ),
  )
  registerScrapedHistogram(
    registry,
    'middlemile_migration_gap_seconds',
    'The longest silence in the streams of a connection while it moved to another path',
    () =>
      origins().flatMap(({ name, migrations: { gap } }) =>
        gap.count > 0 ? [{ labels: { origin: name }, histogram: gap }] : [],
      ),
  )
}
