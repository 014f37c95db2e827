/**
 * `middlemile/events`: what a transport reports. The events of an observer one by one, and the parts of
 * connections, decisions, probes and statistics. Times are milliseconds on `systemClock` unless they say
 * otherwise.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * import type { ConnectionClosed } from 'middlemile/events'
 * const log = ({ connection, reason }: ConnectionClosed) => console.log(`${connection}: ${reason}`)
 * createTransport({ observer: event => event.type === 'connection-closed' && log(event) })
 * ```
 */

export { type QlogObserver, type QlogOptions, qlogObserver } from '../api/qlog/qlog-observer.ts'
export type { Clock, Timer } from '../base/clock.ts'
export { systemClock } from '../base/clock.ts'
export type {
  CloseReason,
  Connection,
  HandshakeInfo,
  KeepAliveHint,
  PathStats,
  SharedConnection,
  StreamShare,
} from '../base/events/connection.ts'
export type { DecisionCandidate, DecisionRule } from '../base/events/decision.ts'
export type { MigrationCause, MigrationOutcome, PathEnd } from '../base/events/migration-report.ts'
export { formatPathEnd } from '../base/events/migration-report.ts'
export {
  type ObjectiveMissed,
  type ObjectiveStatus,
  REUSE_CAUSES,
  type ReuseCause,
} from '../base/events/objective.ts'
export type {
  CoalescingRefusal,
  CoalescingRefused,
  ConnectionClosed,
  ConnectionMigrated,
  EarlierTry,
  EndpointHealthChanged,
  EndpointPanic,
  EndpointsChanged,
  ExchangeEnded,
  HintSource,
  Http3StatusName,
  ObjectiveChanged,
  PathSampled,
  PreconnectHinted,
  RaceEvent,
  RefusedBy,
  RequestsRefused,
  RetryReason,
  SelectionEvent,
  SocketOptionRefused,
  StateFault,
} from '../base/events/observer.ts'
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
} from '../base/events/probe-report.ts'
export { type ContainedFault, isSystemError, onContainedFault } from '../base/guard.ts'
export { type Endpoint, formatEndpoint } from '../base/http/endpoint.ts'
export { LANE_NAMES, type LaneName } from '../base/http/protocol.ts'
export type { PortFigures, PortPairFigures } from '../connect/local/port-budget.ts'
export type { BreakerFigures } from '../origin/admission/breaker.ts'
export type { ConcurrencyFigures } from '../origin/admission/gradient-limiter.ts'
export type { Economy, EconomyFigures } from '../origin/economy/economy-figures.ts'
export type { PoolSizing } from '../origin/economy/pool-sizing.ts'
export type { EgressFigures, EgressMember } from '../origin/egress/egress-counts.ts'
export type { HintFigures } from '../origin/hints/preconnect-hints.ts'
export type {
  ConnectionHandshake,
  HandshakeAmount,
  HandshakeFigures,
} from '../origin/ledger/handshake-figures.ts'
export type { RetryBudgetFigures } from '../origin/retry-budget.ts'
export type { MigrationFigures, PathsByProtocol, ProtectionStatus } from '../origin/stats.ts'
export type { ProtocolCount, ProtocolCounts } from '../pool/pool-counts.ts'
export type { IdleHorizonFigures } from '../pool/rules/idle-horizon.ts'
export type { ShareFigures } from '../state/shares/share-keeper.ts'
export type { ShareState } from '../state/shares/share-member.ts'
