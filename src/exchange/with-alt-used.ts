import type { ExchangeRequest } from '../base/http/exchange.ts'

/** RFC 7838 section 5: who uses an alternative says which one. */
export function withAltUsed(request: ExchangeRequest, altUsed: string): ExchangeRequest {
  return { ...request, headers: [...request.headers, 'alt-used', altUsed] }
}
