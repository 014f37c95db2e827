import { describe, expect, it } from 'vitest'
import { headerValue } from '../../../../src/entry/dispatch.ts'
import { ERROR_CODES, type ErrorCode, TransportError } from '../../../../src/index.ts'
import { OwnName, ownResponse } from '../../../../src/service/forwarding/own-response.ts'

const DATE = 'Sun, 01 Mar 2026 12:00:00 GMT'
const NAME = new OwnName('middlemile', 'id')

const detailed = (error: TransportError, name = NAME) =>
  ownResponse(error, { name, detail: 'detail', dateHeader: DATE })

describe('an own response', () => {
  it('names the failure in status, Proxy-Status and body', () => {
    const error = new TransportError('MM_CONNECT_REFUSED', '192.0.2.1:443 refused')
    const { status, headers, body } = detailed(error)
    expect(status).toBe(502)
    expect(JSON.parse(body.toString())).toEqual({
      error: { code: 'MM_CONNECT_REFUSED', message: '192.0.2.1:443 refused' },
    })
    expect(headerValue(headers, 'proxy-status')).toBe(
      'middlemile; error=connection_refused; details="MM_CONNECT_REFUSED: 192.0.2.1:443 refused"',
    )
    expect(headerValue(headers, 'content-type')).toBe('application/json')
    expect(headerValue(headers, 'content-length')).toBe(String(body.length))
    expect(headerValue(headers, 'cache-control')).toBe('no-store')
    expect(headerValue(headers, 'date')).toBe(DATE)
  })

  it('names no address unless details are configured', () => {
    const error = new TransportError('MM_CONNECT_REFUSED', '192.0.2.1:443 refused')
    const { headers, body } = ownResponse(error, { name: NAME, detail: 'brief', dateHeader: DATE })
    expect(JSON.parse(body.toString())).toEqual({
      error: { code: 'MM_CONNECT_REFUSED', message: 'connection refused' },
    })
    expect(headerValue(headers, 'proxy-status')).toBe(
      'middlemile; error=connection_refused; details="MM_CONNECT_REFUSED"',
    )
  })

  it.each([
    ['MM_HEADERS_TIMEOUT', 504, 'http_response_timeout'],
    ['MM_CONNECT_TIMEOUT', 504, 'connection_timeout'],
    ['MM_QUEUE_FULL', 503, 'connection_limit_reached'],
    ['MM_TLS_CERTIFICATE', 502, 'tls_certificate_error'],
    ['MM_NO_ROUTE', 404, 'destination_not_found'],
    ['MM_LOOP_DETECTED', 502, 'proxy_loop_detected'],
  ] as const)('answers %s with %d and %s', (code, status, type) => {
    const response = detailed(new TransportError(code, 'x'))
    expect(response.status).toBe(status)
    expect(headerValue(response.headers, 'proxy-status')).toContain(`; error=${type};`)
  })

  it.each([
    ['MM_QUEUE_FULL', '1'],
    ['MM_QUEUE_TIMEOUT', '1'],
    ['MM_QUEUE_OVERLOADED', '1'],
    ['MM_ORIGIN_PROTECTED', '1'],
    ['MM_CONNECT_REFUSED', undefined],
  ] as const)('sets for %s when to retry: %s', (code, seconds) => {
    const { headers } = detailed(new TransportError(code, 'x'))
    expect(headerValue(headers, 'retry-after')).toBe(seconds)
  })

  it('keeps every code within the limits of RFC 9209 and of a header field', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const { headers } = detailed(new TransportError(code, 'a "quoted" \\ ü\r\nx: y'))
      const value = headerValue(headers, 'proxy-status')
      expect(value).toMatch(/^middlemile; error=[a-z_]+; details="[\x20-\x7e]*"$/)
      expect(value).toContain(String.raw`a \"quoted\" \\ ???x: y`)
    }
  })

  it('quotes a name that is no token', () => {
    const { headers } = detailed(new TransportError('MM_INTERNAL', 'x'), new OwnName('1st', 'id'))
    expect(headerValue(headers, 'proxy-status')).toMatch(/^"1st"; error=/)
  })
})
