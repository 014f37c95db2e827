import { stringify } from 'node:querystring'
import type { Agent, Dispatcher } from 'undici'
import { TransportError } from '../../base/errors.ts'
import { checkNumber } from '../../base/options/check-options.ts'
import type { OriginOptions, TlsOptions } from '../../base/options/options.ts'
import type { DispatchRequest } from '../../exchange/dispatch.ts'
import type { BodyInput } from '../request-body.ts'
import { type HeaderInput, prepareMessage } from '../request-headers.ts'
import type { DispatcherOptions } from '../types.ts'

/**
 * What undici's callers pass to dispatch(), as a request of ours. `earlyData` holds where they say nothing of
 * it. Throws MM_INVALID_ARGUMENT.
 */
export function fromUndiciOptions(
  options: Dispatcher.DispatchOptions & DispatcherOptions,
  earlyData?: boolean,
): DispatchRequest {
  checkUndiciNames(options)
  // undici's types are wider and narrower in places; the shapes are checked one by one in there.
  const message = prepareMessage(options.headers as HeaderInput, options.body as BodyInput) // see above
  const path = withQuery(options.path, options.query)
  // The path of undici's connect() is where the tunnel leads, which is the authority of the request (RFC 9110
  // 9.3.6).
  const target = options.method === 'CONNECT' ? { path: '', authority: path } : { path }
  return {
    ...message,
    ...target,
    method: options.method,
    earlyData: options.earlyData ?? earlyData,
    upgrade: typeof options.upgrade === 'string' ? options.upgrade.toLowerCase() : undefined,
    headersTimeoutMs: timeout('headersTimeout', options.headersTimeout),
    bodyTimeoutMs: timeout('bodyTimeout', options.bodyTimeout),
  }
}

/**
 * What undici 7 and its interceptors pass along: options that mean something here, those that undici has
 * handled by now (`signal`, `opaque`), those of interceptors, which go down to whoever is below them, and
 * hints about pipelining, which we do not do.
 */
const KNOWN = new Set([
  'origin',
  'path',
  'method',
  'headers',
  'body',
  'query',
  'upgrade',
  'headersTimeout',
  'bodyTimeout',
  'earlyData',
  // undici.request, stream, pipeline, connect, upgrade
  'dispatcher',
  'highWaterMark',
  'objectMode',
  'onInfo',
  'opaque',
  'protocol',
  'responseHeaders',
  'signal',
  // of an object with the parts of a URL, which may stand for the URL
  'host',
  'hostname',
  'pathname',
  'port',
  'search',
  // interceptors: retry, redirect, dump, dns
  'retryOptions',
  'throwOnMaxRedirect',
  'dumpMaxSize',
  'dns',
  'servername',
  // pipelining
  'blocking',
  'idempotent',
])

/**
 * What undici has, and we do not do: refused where it asks for something, as undici itself refuses the first
 * two.
 */
const REFUSED: Readonly<Record<string, string>> = {
  maxRedirections: "compose undici's redirect interceptor",
  throwOnError: "compose undici's responseError interceptor",
  expectContinue: 'bodies are sent at once; an answer that comes first ends the upload',
  reset: 'pool.maxRequests: 1 ends connections after one request',
  typeOfService: 'no socket has an option for it',
  maxResponseSize: "compose undici's dump interceptor, or abort in onResponseData",
}

/** Throws MM_INVALID_ARGUMENT. */
function checkUndiciNames(options: object): void {
  for (const name in options) {
    if (KNOWN.has(name)) continue
    const value: unknown = options[name as keyof typeof options] // it is one of its keys
    if (value === undefined) continue
    const instead = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
    // null, false and 0 ask for nothing: fetch says maxRedirections: 0.
    if (instead !== undefined && (value === null || value === false || value === 0)) continue
    const message = `the option ${JSON.stringify(name)} is not supported: ${instead ?? 'undici 7 has no such option'}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
}

function timeout(name: string, value: number | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : checkNumber(name, value)
}

function withQuery(path: string, query: Dispatcher.DispatchOptions['query']): string {
  if (query === undefined || query === null) return path
  if (path.includes('?') || path.includes('#')) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'query cannot be given when the path has a query or a fragment already',
    )
  }
  const text = stringify(query)
  return text === '' ? path : `${path}?${text}`
}

/**
 * What of undici's Agent options means something here. The types are undici's own.
 *
 * @example
 * ```ts
 * const options: UndiciAgentOptions = { connections: 8, headersTimeout: 10_000 }
 * const transport = createTransport({ defaults: fromUndiciAgentOptions(options) })
 * ```
 */
export type UndiciAgentOptions = Pick<
  Agent.Options,
  | 'allowH2'
  | 'bodyTimeout'
  | 'connect'
  | 'connections'
  | 'headersTimeout'
  | 'keepAliveTimeout'
  | 'maxConcurrentStreams'
  | 'maxHeaderSize'
  | 'maxRequestsPerClient'
>

/**
 * The options of an undici Agent as options for origins, so that `new Agent(options)` becomes
 * `createTransport({ defaults: fromUndiciAgentOptions(options) }).dispatcher()`. What is left out stays at
 * our default, but `allowH2` means what it means there: HTTP/2 only where it is true. `connect` counts as far
 * as it is an object.
 *
 * @example
 * ```ts
 * const transport = createTransport({ defaults: fromUndiciAgentOptions({ connections: 8, allowH2: true }) })
 * setGlobalDispatcher(transport.dispatcher())
 * ```
 */
export function fromUndiciAgentOptions(options: UndiciAgentOptions): OriginOptions {
  const connect = typeof options.connect === 'object' ? options.connect : {}
  return {
    // undici keeps allowH2 off by default, and takes it in `connect` as well.
    protocols: (options.allowH2 ?? connect.allowH2) === true ? ['h2', 'http/1.1'] : ['http/1.1'],
    pool: numbers({
      maxConnections: options.connections,
      maxStreamsPerConnection: options.maxConcurrentStreams,
      idleTimeoutMs: options.keepAliveTimeout,
      maxRequests: options.maxRequestsPerClient,
    }),
    timeouts: numbers({
      headersMs: options.headersTimeout,
      bodyMs: options.bodyTimeout,
      connectMs: connect.timeout,
    }),
    limits: numbers({ maxHeaderBytes: options.maxHeaderSize }),
    tls: tlsOptions(connect),
  }
}

/** Those that were given. null is undici's word for "no limit", which is left to our default. */
function numbers<Name extends string>(
  values: Readonly<Record<Name, number | null | undefined>>,
): Partial<Record<Name, number>> {
  const given: Partial<Record<Name, number>> = {}
  for (const name of Object.keys(values) as Name[] /* its keys */) {
    const value = values[name]
    if (typeof value === 'number') given[name] = value
  }
  return given
}

/** PEM only: what is not text, or lists of texts, is Node's own business and not ours. */
function tlsOptions(connect: object): TlsOptions {
  const given = connect as Readonly<Record<string, unknown>> // looked at one by one
  const tls: TlsOptions = {}
  const { ca, cert, key, passphrase, servername, rejectUnauthorized, ciphers } = given
  if (typeof ca === 'string') tls.ca = ca
  else if (Array.isArray(ca)) tls.ca = ca.map(String)
  else if (ca instanceof Uint8Array) tls.ca = Buffer.from(ca).toString()
  if (typeof cert === 'string' || cert instanceof Uint8Array) tls.cert = Buffer.from(cert).toString()
  if (typeof key === 'string' || key instanceof Uint8Array) tls.key = Buffer.from(key).toString()
  if (typeof passphrase === 'string') tls.passphrase = passphrase
  if (typeof servername === 'string') tls.serverName = servername
  if (typeof rejectUnauthorized === 'boolean') tls.rejectUnauthorized = rejectUnauthorized
  if (typeof ciphers === 'string') tls.ciphers = ciphers
  return tls
}
