/**
 * `middlemile/dispatch`: the push style on which request(), fetch() and the undici dispatcher stand. For
 * proxies and adapters that take every piece of a response as it comes, without a stream between.
 *
 * ```ts
 * import { parseOrigin } from 'middlemile'
 * import { type ExchangeHandler, headerValue, NO_HEADERS } from 'middlemile/dispatch'
 * const handler: ExchangeHandler = {
 *   onRequestStart() {},
 *   onInformational() {},
 *   onResponseStart: (_controller, status, headers) => console.log(status, headerValue(headers, 'date')),
 *   onResponseData: (_controller, chunk) => console.log(chunk.length),
 *   onResponseEnd: () => console.log('complete'),
 *   onUpgrade: (_controller, _status, _headers, tunnel) => tunnel.destroy(),
 *   onResponseError: (_controller, error) => console.error(error.code),
 * }
 * const request = { method: 'GET', path: '/', headers: NO_HEADERS, body: null }
 * transport.dispatch(parseOrigin('https://origin.example'), request, handler)
 * ```
 */

export { sessionFailure, sessionOverTunnel } from '../api/web-transport.ts'
export type {
  BodySink,
  BodySource,
  ExchangeController,
  ExchangeHandler,
  ExchangeRequest,
  RequestBody,
} from '../base/http/exchange.ts'
export { isIdempotentMethod, isSafeMethod } from '../base/http/exchange.ts'
export type { HeaderList } from '../base/http/headers.ts'
export {
  combinedHeaderValue,
  hasHeader,
  headersToRecord,
  headerValue,
  NO_HEADERS,
} from '../base/http/headers.ts'
export { originUrl, throughEgress } from '../base/http/origin.ts'
export type { DispatchHandle, DispatchRequest } from '../exchange/dispatch.ts'
export type { CarriedSession } from '../webtransport/types.ts'
