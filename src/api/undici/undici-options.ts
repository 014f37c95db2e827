import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'
import { TransportError } from '../../base/errors.ts'
import { checkNumber } from '../../base/options/check-options.ts'
import type { DispatchRequest } from '../../exchange/dispatch.ts'
import type { BodyInput } from '../request-body.ts'
import type { HeaderInput } from '../request-headers.ts'
import { prepareMessage } from '../request-headers.ts'
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
