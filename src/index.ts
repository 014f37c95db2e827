/**
 * The entry point of the embedded module: what a program types that sends requests. The rest has entry points of its own:
 * `middlemile/options` (option groups, their defaults and ranges), `middlemile/dispatch` (push style), `middlemile/events` (what a
 * transport reports), `middlemile/service` and `middlemile/testing`. What none of them exports is not API.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * await using transport = createTransport()
 * const response = await transport.request('https://origin.example/api')
 * ```
 */

export type { AttemptRecord } from './connection.ts'
export type { Decision } from './decision.ts'
export type { ErrorCode, ErrorCodeInfo, Fault, Processed } from './errors.ts'
export { asTransportError, ERROR_CODES, TransportError } from './errors.ts'
export type { MigrationReport } from './migration-report.ts'
export type { Observer, TransportEvent } from './observer.ts'
export type { OriginOptions } from './options.ts'
export type { Origin } from './origin.ts'
export { parseOrigin } from './origin.ts'
export { type Sizing, type SizingInput, sizePool } from './pool/sizing.ts'
export type { Protocol } from './protocol.ts'
export type { Finding, ProbeReport } from './select/probe/probe-report.ts'
export type {
  DispatcherOptions,
  ExchangeInfo,
  Explanation,
  FetchInit,
  MigrateOptions,
  MigrationResult,
  OriginLoad,
  PathHealth,
  PoolStats,
  RequestOptions,
  StateOptions,
  Transport,
  TransportOptions,
  TransportResponse,
  TransportStats,
} from './transport/api.ts'
export type { BodyInput } from './transport/request-body.ts'
export type { HeaderInput } from './transport/request-headers.ts'
export { fromUndiciAgentOptions, type UndiciAgentOptions } from './transport/undici-agent-options.ts'
export { createTransport } from './transport.ts'
