import { describe, expect, it } from 'vitest'
import { asTransportError, ERROR_CODES, type ErrorCode, TransportError } from '../../../src/base/errors.ts'

/** The registered types, RFC 9209 section 2.3. */
const PROXY_ERROR_TYPES = new Set(
  `dns_timeout dns_error destination_not_found destination_unavailable destination_ip_prohibited destination_ip_unroutable
  connection_refused connection_terminated connection_timeout connection_read_timeout connection_write_timeout connection_limit_reached
  tls_protocol_error tls_certificate_error tls_alert_received http_request_error http_request_denied http_response_incomplete
  http_response_header_section_size http_response_header_size http_response_body_size http_response_trailer_section_size
  http_response_trailer_size http_response_transfer_coding http_response_content_coding http_response_timeout http_upgrade_failed
  http_protocol_error proxy_internal_response proxy_internal_error proxy_configuration_error proxy_loop_detected`.split(
    /\s+/,
  ),
)

describe('the error table', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])(
    '%s has a registered Proxy-Status type, a status and a hint',
    code => {
      expect(PROXY_ERROR_TYPES).toContain(ERROR_CODES[code].proxyStatus)
      expect(ERROR_CODES[code].status).toBeGreaterThanOrEqual(400)
      expect(ERROR_CODES[code].hint).not.toBe('')
    },
  )
})

describe('TransportError', () => {
  it('may be sent again only when the peer failed before it could process', () => {
    expect(new TransportError('MM_CONNECT_REFUSED', 'x').retryable).toBe(true)
    expect(new TransportError('MM_CONNECTION_RESET', 'x', { processed: 'unknown' }).retryable).toBe(false)
    expect(new TransportError('MM_ABORTED', 'x').retryable).toBe(false)
  })

  it('shows itself as data', () => {
    expect(new TransportError('MM_CONNECTION_RESET', 'broke', { processed: 'unknown' }).toJSON()).toEqual({
      code: 'MM_CONNECTION_RESET',
      message: 'broke',
      fault: 'remote',
      processed: 'unknown',
      retryable: false,
    })
  })

  it('wraps other errors once', () => {
    const inner = new TypeError('bad')
    const wrapped = asTransportError(inner, 'MM_BODY_FAILED')
    expect(wrapped).toMatchObject({ code: 'MM_BODY_FAILED', message: 'bad', cause: inner })
    expect(asTransportError(wrapped)).toBe(wrapped)
  })
})
