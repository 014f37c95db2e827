/**
 * `middlemile/options`: the groups of options by themselves, with their defaults and ranges, for programs
 * that build or check configurations. A name that ends in `Ms` is milliseconds, one in `Bytes` is bytes.
 *
 * ```ts
 * import { DEFAULT_POOL_OPTIONS, type PoolOptions } from 'middlemile/options'
 * const pool: PoolOptions = { ...DEFAULT_POOL_OPTIONS, maxConnections: 2 * DEFAULT_POOL_OPTIONS.maxConnections }
 * ```
 */

export { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from '../base/options/global-limits.ts'
export { HTTP2_RANGES } from '../base/options/http2-ranges.ts'
export { HTTP3_RANGES } from '../base/options/http3-ranges.ts'
export { LIVENESS_RANGES } from '../base/options/liveness-ranges.ts'
export type { NumberRange, OptionRanges } from '../base/options/option-ranges.ts'
export type {
  PoolOptions,
  ResponseLimits,
  RetryOptions,
  SocketOptions,
  TicketStoreOptions,
  TimeoutOptions,
  TlsOptions,
} from '../base/options/options.ts'
export {
  DEFAULT_POOL_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_TICKET_STORE_OPTIONS,
  DEFAULT_TIMEOUTS,
} from '../base/options/options.ts'
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
  QUIC_CONGESTION_CONTROLS,
} from '../base/options/protocol-options.ts'
export { QUIC_RANGES } from '../base/options/quic-ranges.ts'
export { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../base/options/resolver-options.ts'
export { DEFAULT_SELECT_OPTIONS, type SelectOptions } from '../base/options/select-options.ts'
export { SELECT_RANGES, SELECT_WORDS } from '../base/options/select-ranges.ts'
export { CONGESTION_CONTROL_NAME, SOCKET_RANGES } from '../base/options/socket-ranges.ts'
export { DEFAULT_HEADROOM } from '../pool/rules/sizing.ts'
