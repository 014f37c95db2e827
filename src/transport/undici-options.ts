import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'
import { TransportError } from '../errors.ts'
import type { DispatchRequest } from './api.ts'
import type { BodyInput } from './request-body.ts'
import type { HeaderInput } from './request-headers.ts'
import { prepareMessage } from './request-message.ts'

/** What undici's callers pass to dispatch(), as a request of ours. Throws MM_INVALID_ARGUMENT. */
export function fromUndiciOptions(options: Dispatcher.DispatchOptions): DispatchRequest {
  // undici's types are wider and narrower in places; the shapes are checked one by one in there.
  const message = prepareMessage(options.headers as HeaderInput, options.body as BodyInput) // see above
  return {
    ...message,
    method: options.method,
    path: withQuery(options.path, options.query),
    upgrade: typeof options.upgrade === 'string' ? options.upgrade.toLowerCase() : undefined,
    headersTimeoutMs: options.headersTimeout ?? undefined,
    bodyTimeoutMs: options.bodyTimeout ?? undefined,
  }
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
