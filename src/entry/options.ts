/**
 * `middlemile/options`: the groups of options by themselves, with their defaults and ranges, for programs
 * that build or check configurations. A name that ends in `Ms` is milliseconds, one in `Bytes` is bytes.
 *
 * ```ts
 * import { DEFAULT_POOL_OPTIONS, type PoolOptions } from 'middlemile/options'
 * const { maxConnections } = DEFAULT_POOL_OPTIONS
 * const pool: PoolOptions = { ...DEFAULT_POOL_OPTIONS, maxConnections: 2 * maxConnections }
 * ```
 */

export {
  BREAKER_RANGES,
  type BreakerOptions,
  CONCURRENCY_LIMITS,
  CONCURRENCY_RANGES,
  type ConcurrencyOptions,
  DEFAULT_BREAKER_OPTIONS,
  DEFAULT_CONCURRENCY_OPTIONS,
} from '../base/options/admission-options.ts'
export {
  BALANCE_POLICIES,
  type BalanceOptions,
  type BalancePolicy,
  DEFAULT_BALANCE_OPTIONS,
  type EndpointOptions,
  HASH_BY,
  MAX_BALANCED_ENDPOINTS,
  MAX_TIER,
  MAX_WEIGHT,
  parseEndpointName,
} from '../base/options/balance-options.ts'
export type { NumberRange, OptionRanges } from '../base/options/check-options.ts'
export {
  DEFAULT_STICKY_MS,
  type EgressOptions,
  MAX_LOCAL_ADDRESSES,
  MAX_PROXIES,
  type ProxyServer,
  parseProxyUrl,
} from '../base/options/egress-options.ts'
export {
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
  HEALTH_RANGES,
  HEALTH_TEXTS,
  HEALTH_WORDS,
  type HealthOptions,
  isHealthStatus,
  OUTLIER_RANGES,
  type OutlierOptions,
} from '../base/options/health-options.ts'
export { DEFAULT_HEDGE_OPTIONS, HEDGE_RANGES, type HedgeOptions } from '../base/options/hedge-options.ts'
export { type LocalRange, parseLocalRange } from '../base/options/local-range.ts'
export {
  DEFAULT_OBJECTIVE_OPTIONS,
  OBJECTIVE_RANGES,
  type ObjectiveOptions,
} from '../base/options/objective-options.ts'
export type {
  PoolOptions,
  ResponseLimits,
  RetryOptions,
  ReuseMode,
  TicketStoreOptions,
  TimeoutOptions,
  TlsOptions,
} from '../base/options/options.ts'
export {
  CERTIFICATE_NAME,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_TICKET_STORE_OPTIONS,
  DEFAULT_TIMEOUTS,
  isRetryableStatus,
  REUSE_MODES,
} from '../base/options/options.ts'
export {
  DEFAULT_PROTECTION_OPTIONS,
  FAIR_BY,
  type FairBy,
  type ProtectionOptions,
} from '../base/options/protection-options.ts'
export type {
  Http2Options,
  Http3Options,
  LivenessOptions,
  QuicCongestionControl,
  QuicOptions,
} from '../base/options/protocol-options.ts'
export {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  HTTP2_RANGES,
  HTTP3_RANGES,
  LIVENESS_RANGES,
  QUIC_CONGESTION_CONTROLS,
  QUIC_RANGES,
} from '../base/options/protocol-options.ts'
export { type OnlyLane, onlyLaneOf, type RequestRetry } from '../base/options/request-options.ts'
export { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../base/options/resolver-options.ts'
export {
  DEFAULT_SELECT_OPTIONS,
  SELECT_RANGES,
  SELECT_WORDS,
  type SelectOptions,
} from '../base/options/select-options.ts'
export type { SocketOptions } from '../base/options/socket-options.ts'
export {
  CONGESTION_CONTROL_NAME,
  DEFAULT_SOCKET_OPTIONS,
  DSCP_NAMES,
  type DscpName,
  SOCKET_RANGES,
} from '../base/options/socket-options.ts'
export { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from '../base/options/transport-options.ts'
export { DEFAULT_HEADROOM } from '../pool/rules/sizing.ts'
