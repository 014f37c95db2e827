import type { HeaderInput } from './request-headers.ts'

/**
 * How a session of WebTransport is opened.
 *
 * @example
 * ```ts
 * const session = transport.webTransport('https://origin.example/app', {
 *   headers: { authorization: 'Bearer …' },
 *   protocols: ['chat-2', 'chat-1'],
 *   signal: AbortSignal.timeout(5_000),
 * })
 * ```
 */
export interface WebTransportOptions {
  /** As those of a request. Default: none. */
  headers?: HeaderInput
  /** Protocols that the application can speak, best first; the origin chooses one. Default: none. */
  protocols?: readonly string[] | undefined
  /** Sessions run over HTTP/3 only, which has datagrams: true and false are the same here. Default true. */
  requireUnreliable?: boolean | undefined
  /** Gives the session up while it is being opened. Default: none. */
  signal?: AbortSignal | undefined
  /** From the CONNECT to its answer, in ms; 0 = no limit. Default: `timeouts.headersMs` of the origin. */
  headersTimeoutMs?: number | undefined
}
