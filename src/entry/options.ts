/**
 * `middlemile/options`: the groups of options by themselves, with their defaults and ranges, for programs that build or check
 * configurations. A name that ends in `Ms` is milliseconds, one in `Bytes` is bytes.
 *
 * ```ts
 * import { DEFAULT_POOL_OPTIONS, type PoolOptions } from 'middlemile/options'
 * const pool: PoolOptions = { ...DEFAULT_POOL_OPTIONS, maxConnections: 2 * DEFAULT_POOL_OPTIONS.maxConnections }
 * ```
 */

export { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from '../global-limits.ts'
export type {
  Http2Options,
  Http3Options,
  LivenessOptions,
  PoolOptions,
  QuicCongestionControl,
  QuicOptions,
  ResponseLimits,
  RetryOptions,
  SocketOptions,
  TicketStoreOptions,
  TimeoutOptions,
  TlsOptions,
} from '../options.ts'
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
} from '../options.ts'
export { DEFAULT_HEADROOM } from '../pool/sizing.ts'
export { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../resolver-options.ts'
export { DEFAULT_SELECT_OPTIONS, type SelectOptions } from '../select-options.ts'
export { HTTP2_RANGES } from '../transport/http2-ranges.ts'
export { HTTP3_RANGES } from '../transport/http3-ranges.ts'
export { LIVENESS_RANGES } from '../transport/liveness-ranges.ts'
export type { NumberRange, OptionRanges } from '../transport/option-ranges.ts'
export { QUIC_RANGES } from '../transport/quic-ranges.ts'
export { SELECT_RANGES, SELECT_WORDS } from '../transport/select-ranges.ts'
export { CONGESTION_CONTROL_NAME, SOCKET_RANGES } from '../transport/socket-ranges.ts'
