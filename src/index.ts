/**
 * The public door of the embedded module. What is not exported here is not API.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * await using transport = createTransport()
 * const response = await transport.request('https://origin.example/api')
 * ```
 */

export type { Clock, Timer } from './clock.ts'
export { systemClock } from './clock.ts'
export type {
  AttemptRecord,
  CloseReason,
  Connection,
  HandshakeInfo,
  KeepAliveHint,
} from './connection.ts'
export type { Decision, DecisionCandidate, DecisionRule } from './decision.ts'
export { TransportDispatcher } from './dispatcher.ts'
export type { Endpoint } from './endpoint.ts'
export { formatEndpoint } from './endpoint.ts'
export type { ErrorCode, ErrorCodeInfo, Fault, Processed } from './errors.ts'
export { asTransportError, ERROR_CODES, TransportError } from './errors.ts'
export type {
  BodySink,
  BodySource,
  ExchangeController,
  ExchangeHandler,
  ExchangeRequest,
  RequestBody,
} from './exchange.ts'
export { isIdempotentMethod, isSafeMethod } from './exchange.ts'
export { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from './global-limits.ts'
export { type ContainedFault, isSystemError, onContainedFault } from './guard.ts'
export type { HeaderList } from './headers.ts'
export { combinedHeaderValue, hasHeader, headersToRecord, headerValue, NO_HEADERS } from './headers.ts'
export { LANE_NAMES, type LaneName } from './lane.ts'
export { LineQueue, type LineQueueLimits } from './line-queue.ts'
export type { MigrationCause, MigrationOutcome, MigrationReport, PathEnd } from './migration-report.ts'
export { formatPathEnd } from './migration-report.ts'
export type {
  ConnectionClosed,
  ConnectionMigrated,
  EarlierTry,
  ExchangeEnded,
  Http3StatusName,
  Observer,
  PathSampled,
  RaceEvent,
  RetryReason,
  SelectionEvent,
  SocketOptionRefused,
  StateFault,
  TransportEvent,
} from './observer.ts'
export type {
  Http2Options,
  Http3Options,
  LivenessOptions,
  OriginOptions,
  PoolOptions,
  QuicCongestionControl,
  QuicOptions,
  ResponseLimits,
  RetryOptions,
  SocketOptions,
  TicketStoreOptions,
  TimeoutOptions,
  TlsOptions,
} from './options.ts'
export {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_TICKET_STORE_OPTIONS,
  DEFAULT_TIMEOUTS,
  QUIC_CONGESTION_CONTROLS,
} from './options.ts'
export type { Origin } from './origin.ts'
export { parseOrigin } from './origin.ts'
export type { PathStats } from './path-stats.ts'
export type { ProtocolCount, ProtocolCounts } from './pool/protocol-counts.ts'
export * from './pool/sizing.ts'
export type { Protocol } from './protocol.ts'
export { type QlogObserver, type QlogOptions, qlogObserver } from './qlog/qlog-observer.ts'
export { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from './resolver-options.ts'
export type {
  Finding,
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
  ProbeReport,
  QuicFault,
  QuicFinding,
} from './select/probe/probe-report.ts'
export { DEFAULT_SELECT_OPTIONS, type SelectOptions } from './select-options.ts'
export type {
  DispatcherOptions,
  DispatchHandle,
  DispatchRequest,
  ExchangeInfo,
  Explanation,
  FetchInit,
  MigrateOptions,
  MigrationFigures,
  MigrationResult,
  OriginLoad,
  PathHealth,
  PathsByProtocol,
  PoolStats,
  RequestOptions,
  StateOptions,
  Transport,
  TransportOptions,
  TransportResponse,
  TransportStats,
} from './transport/api.ts'
export { BUILT_PROTOCOLS } from './transport/built-protocols.ts'
export { HTTP2_RANGES } from './transport/http2-ranges.ts'
export { HTTP3_RANGES } from './transport/http3-ranges.ts'
export type {
  ConnectionHandshake,
  HandshakeAmount,
  HandshakeFigures,
} from './transport/ledger/handshake-figures.ts'
export { LIVENESS_RANGES } from './transport/liveness-ranges.ts'
export type { NumberRange, OptionRanges } from './transport/option-ranges.ts'
export { QUIC_RANGES } from './transport/quic-ranges.ts'
export type { BodyInput } from './transport/request-body.ts'
export type { HeaderInput } from './transport/request-headers.ts'
export { SELECT_RANGES, SELECT_WORDS } from './transport/select-ranges.ts'
export { CONGESTION_CONTROL_NAME, SOCKET_RANGES } from './transport/socket-ranges.ts'
export type { UndiciAgentOptions } from './transport/undici-agent-options.ts'
export { fromUndiciAgentOptions } from './transport/undici-agent-options.ts'
export { createTransport } from './transport.ts'
