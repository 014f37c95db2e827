import type { Clock } from '../../base/clock.ts'
import type { AttemptRecord, Connection } from '../../base/events/connection.ts'
import type { EarlyDataOutcome } from '../../base/events/observer.ts'
import type { Endpoint, Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { LaneName, Protocol } from '../../base/http/protocol.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { FastOpenReport } from '../../connect/fast-open/fast-open-report.ts'
import type { Dialer } from '../../connect/tcp/dial.ts'
import type { SocketSettings } from '../../connect/tcp/socket-settings.ts'
import type { AlternativeResolver } from '../../dns/alternative-resolver.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { QuicLink } from '../../quic/engine.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import type { Coalescing, CoalescingMissed } from '../coalescing/coalescing.ts'
import type { LocalRoute } from '../egress/local-route.ts'
import type { ProxiedRoute } from '../egress/proxied-route.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { DialTurns } from './dial-turns.ts'
import type { Http3Dialer } from './http3-dialer.ts'

/** What a connector makes connections for. `upgrades`: HTTP/1.1 only, beside the lanes. */
export type ConnectorPurpose = LaneName | 'upgrades'

/** Who is notified of what happens on the connections, and is asked. */
export interface ConnectorHooks {
  /** A limit towards the origin took effect. */
  readonly onDefence: (limit: string) => void
  /** A request waits that may leave in early data. */
  readonly wantsEarlyData: () => boolean
  /** What became of it. `connection.handshake` has been corrected. */
  readonly onEarlyData: (connection: Connection, outcome: EarlyDataOutcome) => void
  /** What became of TCP Fast Open where it was asked for. */
  readonly onFastOpen: (endpoint: Endpoint, report: FastOpenReport) => void
  /**
   * A connection was made over TCP, maybe in early data. `socket`: what it is spoken over; `tcp`: the one
   * below, or the same.
   */
  readonly onSocket: (connection: Connection, socket: StreamSocket, tcp: StreamSocket) => void
  /** An HTTP/3 connection was made over the link, maybe in early data. */
  readonly onLink: (connection: Connection, link: QuicLink) => void
  /** A dial has ended, however it ended. Times in it count from `atMs`, on the clock. */
  readonly onAttempts: (attempts: readonly AttemptRecord[], atMs: number) => void
  /** Something was learned that may change the choice: an advertisement, how HTTP/3 fares. */
  readonly onEvidence: (source?: string, fact?: string) => void
  /** An open connection of another origin was not to be had. */
  readonly onCoalescingMissed: (missed: CoalescingMissed) => void
  /** A connection of another origin may carry this one no more. */
  readonly onGuestDismissed: (guest: Connection) => void
  /** The ORIGIN frames of a connection have changed what it says that it is good for. */
  readonly onOrigins: (connection: MultiplexedConnection) => void
}

/** What a connector works with; all but the first are the same for every lane of an origin. */
export interface ConnectorConfig extends ConnectorHooks {
  readonly purpose: ConnectorPurpose
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  /** Of the proxies, where there are any. */
  readonly resolver: Resolver
  /** Undefined: connections go directly. */
  readonly route: ProxiedRoute | undefined
  /** Undefined: they leave from where the kernel lets them. */
  readonly locals: LocalRoute | undefined
  readonly alternativeResolver: AlternativeResolver
  readonly dialer: Dialer
  readonly dialTurns: DialTurns
  readonly socketSettings: SocketSettings
  readonly http3Dialer: Http3Dialer
  readonly coalescing: Coalescing
  readonly clock: Clock
}

/** What of the protocols that are allowed it may speak. */
export function allowedOn(purpose: ConnectorPurpose, allowed: readonly Protocol[]): readonly Protocol[] {
  if (purpose === 'upgrades' || purpose === 'http/1.1') return ['http/1.1']
  if (purpose === 'h2-spread') return ['h2']
  return allowed
}

/** What a connection of another origin may speak to be of use. Undefined: this lane has its own ones only. */
export function protocolToShare(
  purpose: ConnectorPurpose,
  offered: readonly Protocol[],
): Protocol | undefined {
  if (purpose === 'h3') return 'h3'
  return purpose === 'tcp' && offered[0] === 'h2' ? 'h2' : undefined
}
