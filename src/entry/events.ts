/**
 * `middlemile/events`: what a transport reports. The events of an observer one by one, and the parts of connections, decisions, probes and
 * statistics. Times are milliseconds on `systemClock` unless they say otherwise.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * import type { ConnectionClosed } from 'middlemile/events'
 * const log = ({ connection, reason }: ConnectionClosed) => console.log(`${connection}: ${reason}`)
 * createTransport({ observer: event => event.type === 'connection-closed' && log(event) })
 * ```
 */

export type { Clock, Timer } from '../clock.ts'
export { systemClock } from '../clock.ts'
export type { CloseReason, Connection, HandshakeInfo, KeepAliveHint } from '../connection.ts'
export type { DecisionCandidate, DecisionRule } from '../decision.ts'
export { type Endpoint, formatEndpoint } from '../endpoint.ts'
export { type ContainedFault, isSystemError, onContainedFault } from '../guard.ts'
export { LANE_NAMES, type LaneName } from '../lane.ts'
export type { MigrationCause, MigrationOutcome, PathEnd } from '../migration-report.ts'
export { formatPathEnd } from '../migration-report.ts'
export type {
  ConnectionClosed,
  ConnectionMigrated,
  EarlierTry,
  ExchangeEnded,
  Http3StatusName,
  PathSampled,
  RaceEvent,
  RetryReason,
  SelectionEvent,
  SocketOptionRefused,
  StateFault,
} from '../observer.ts'
export type { PathStats } from '../path-stats.ts'
export type { ProtocolCount, ProtocolCounts } from '../pool/protocol-counts.ts'
export { type QlogObserver, type QlogOptions, qlogObserver } from '../qlog/qlog-observer.ts'
export type {
  ProbedAddress,
  ProbedAlternative,
  ProbedCertificate,
  ProbedFastOpen,
  ProbedHandshake,
  ProbedQuic,
  ProbedServiceRecord,
  ProbedTarget,
  ProbedTickets,
  ProbeFault,
  QuicFault,
  QuicFinding,
} from '../select/probe/probe-report.ts'
export type { MigrationFigures, PathsByProtocol } from '../transport/api.ts'
export type {
  ConnectionHandshake,
  HandshakeAmount,
  HandshakeFigures,
} from '../transport/ledger/handshake-figures.ts'
