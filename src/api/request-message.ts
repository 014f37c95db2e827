import type { RequestBody } from '../base/http/exchange.ts'
import { type HeaderList, hasHeader, headerValue } from '../base/http/headers.ts'
import { type BodyInput, prepareBody } from './request-body.ts'
import { type HeaderInput, prepareHeaders } from './request-headers.ts'

/** Headers and body of one request, ready for dispatch(). */
export interface PreparedMessage {
  readonly headers: HeaderList
  readonly body: RequestBody
  readonly authority: string | undefined
}

/**
 * Reads a caller's headers and body together, since each says something about the other. Throws
 * MM_INVALID_ARGUMENT.
 */
export function prepareMessage(headerInput: HeaderInput, bodyInput: BodyInput): PreparedMessage {
  const { headers, authority } = prepareHeaders(headerInput)
  const declared = headerValue(headers, 'content-length')
  const declaredLength = declared !== undefined && /^\d{1,15}$/.test(declared) ? Number(declared) : undefined
  const { body, contentType } = prepareBody(bodyInput, declaredLength)
  if (contentType !== undefined && !hasHeader(headers, 'content-type'))
    headers.push('content-type', contentType)
  return { headers, body, authority }
}
