/**
 * The entry point of the embedded module: what a program types that sends requests. The rest has entry points
 * of its own: `middlemile/options` (option groups, their defaults and ranges), `middlemile/dispatch` (push
 * style), `middlemile/events` (what a transport reports), `middlemile/service` and `middlemile/testing`. What
 * none of them exports is not API.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * await using transport = createTransport()
 * const response = await transport.request('https://origin.example/api')
 * ```
 */

export type { BodyInput } from './api/request-body.ts'
export type { HeaderInput } from './api/request-headers.ts'
export { createTransport } from './api/transport.ts'
export type {
  ConnectOptions,
  ConnectTarget,
  DispatcherOptions,
  ExchangeInfo,
  Explanation,
  FetchInit,
  RequestOptions,
  Transport,
  TransportDispatcher,
  TransportResponse,
  TransportStats,
  WebTransportOptions,
} from './api/types.ts'
export { fromUndiciAgentOptions, type UndiciAgentOptions } from './api/undici/undici-options.ts'
export type { ErrorCodeInfo, Fault, Processed } from './base/error-code-info.ts'
export type { ErrorCode } from './base/error-codes.ts'
export { ERROR_CODES } from './base/error-codes.ts'
export { asTransportError, TransportError } from './base/errors.ts'
export type { AttemptRecord } from './base/events/connection.ts'
export type { Decision } from './base/events/decision.ts'
export type { MigrationReport } from './base/events/migration-report.ts'
export type { Observer, TransportEvent } from './base/events/observer.ts'
export type { Finding, ProbeReport } from './base/events/probe-report.ts'
export type { Origin } from './base/http/origin.ts'
export { parseOrigin } from './base/http/origin.ts'
export type { Protocol } from './base/http/protocol.ts'
export type { AddressGuardOptions } from './base/options/address-guard-options.ts'
export type { OriginOptions } from './base/options/options.ts'
export type { StateOptions, TransportOptions } from './base/options/transport-options.ts'
export type { RawConnection } from './origin/connecting/raw-connect.ts'
export type { RawUdp } from './origin/connecting/raw-udp.ts'
export type { MigrateOptions, MigrationResult, OriginLoad, PathHealth, PoolStats } from './origin/stats.ts'
export { type Sizing, type SizingInput, sizePool } from './pool/rules/sizing.ts'
export type {
  WebTransportBidirectionalStream,
  WebTransportCloseInfo,
  WebTransportDatagrams,
  WebTransportReceiveStream,
  WebTransportSendStream,
  WebTransportSession,
  WebTransportStats,
} from './webtransport/types.ts'
export { WebTransportError } from './webtransport/web-transport-error.ts'
