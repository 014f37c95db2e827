import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'
import { TransportError } from '../errors.ts'
import type { DispatcherOptions, DispatchRequest } from './api.ts'
import { checkNumber } from './check-options.ts'
import type { BodyInput } from './request-body.ts'
import type { HeaderInput } from './request-headers.ts'
import { prepareMessage } from './request-message.ts'

/** What undici's callers pass to dispatch(), as a request of ours. `earlyData` holds where they say nothing of it. Throws MM_INVALID_ARGUMENT. */
export function fromUndiciOptions(
  options: Dispatcher.DispatchOptions & DispatcherOptions,
  earlyData?: boolean,
): DispatchRequest {
  // undici's types are wider and narrower in places; the shapes are checked one by one in there.
  const message = prepareMessage(options.headers as HeaderInput, options.body as BodyInput) // see above
  const path = withQuery(options.path, options.query)
  // The path of undici's connect() is where the tunnel leads, which is the authority of the request (RFC 9110 9.3.6).
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
