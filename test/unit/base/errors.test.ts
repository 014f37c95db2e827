import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../../../src/base/error-codes.ts'
import {
  abortError,
  asTransportError,
  callersError,
  TransportError,
  withProcessed,
} from '../../../src/base/errors.ts'

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
  it('is resendable only when the peer failed before it could process', () => {
    expect(new TransportError('MM_CONNECT_REFUSED', 'x').resendable).toBe(true)
    expect(new TransportError('MM_CONNECTION_RESET', 'x', { processed: 'unknown' }).resendable).toBe(false)
    expect(new TransportError('MM_ABORTED', 'x').resendable).toBe(false)
  })

  it('is retryable where what went wrong can pass, whether or not the request was processed', () => {
    const retryable = (code: ErrorCode): boolean =>
      new TransportError(code, 'x', { processed: 'unknown' }).retryable
    expect(
      (['MM_CONNECT_REFUSED', 'MM_CONNECTION_RESET', 'MM_QUEUE_FULL', 'MM_DNS_TIMEOUT'] as const).map(code =>
        retryable(code),
      ),
    ).toEqual([true, true, true, true])
    expect(
      (['MM_TLS_CERTIFICATE', 'MM_INVALID_ARGUMENT', 'MM_ABORTED', 'MM_PROTOCOL_ERROR'] as const).map(code =>
        retryable(code),
      ),
    ).toEqual([false, false, false, false])
  })

  it('prefers the verdict that it was given over that of its code, and keeps it in a copy with another verdict', () => {
    const error = new TransportError('MM_DNS_FAILED', 'no such name', {
      retryable: false,
      hint: 'check the name',
    })
    expect([error.retryable, error.hint]).toEqual([false, 'check the name'])
    expect(withProcessed(error, 'unknown')).toMatchObject({
      processed: 'unknown',
      retryable: false,
      hint: 'check the name',
    })
    expect(new TransportError('MM_DNS_FAILED', 'x')).toMatchObject({ retryable: true })
  })

  it('is shown with its fields as data', () => {
    expect(new TransportError('MM_CONNECTION_RESET', 'broke', { processed: 'unknown' }).toJSON()).toEqual({
      code: 'MM_CONNECTION_RESET',
      message: 'broke',
      fault: 'remote',
      processed: 'unknown',
      retryable: true,
      resendable: false,
      hint: ERROR_CODES.MM_CONNECTION_RESET.hint,
    })
  })

  it('wraps an error of another kind once', () => {
    const inner = new TypeError('bad')
    const wrapped = asTransportError(inner, 'MM_BODY_FAILED')
    expect(wrapped).toMatchObject({ code: 'MM_BODY_FAILED', message: 'bad', cause: inner })
    expect(asTransportError(wrapped)).toBe(wrapped)
  })
})

describe('callersError(), the reason of a rejection', () => {
  const rejection = (reason?: unknown): unknown =>
    callersError(abortError(AbortSignal.abort(reason), 'the request'))

  it('is the reason of the signal itself, with our code on an error that has none', () => {
    const reason = new Error('why')
    expect(rejection(reason)).toBe(reason)
    expect(reason).toMatchObject({ code: 'MM_ABORTED' })
    expect(Object.keys(reason)).toEqual([])
  })

  it('leaves the code of a DOMException alone: asTransportError() has ours', () => {
    const reason = rejection()
    expect(reason).toBeInstanceOf(DOMException)
    expect(reason).toMatchObject({ name: 'AbortError', code: DOMException.ABORT_ERR })
    expect(asTransportError(reason)).toMatchObject({ code: 'MM_ABORTED', processed: 'no', cause: reason })
  })

  it.each([
    ['a code of its own', Object.assign(new Error('x'), { code: 'MINE' }), 'MINE'],
    ['no room', Object.freeze(new Error('x')), undefined],
  ])('leaves an error with %s as it is', (_what, reason, code) => {
    expect(rejection(reason)).toBe(reason)
    expect((reason as { code?: string }).code).toBe(code)
    expect(asTransportError(reason).code).toBe('MM_ABORTED')
  })

  it('keeps a reason that is not an error, and every other error, as it is', () => {
    expect(rejection('enough')).toBe('enough')
    const error = new TransportError('MM_CONNECT_REFUSED', 'x', { cause: new Error('y') })
    expect(callersError(error)).toBe(error)
    const own = new TransportError('MM_ABORTED', 'the response body was destroyed')
    expect(callersError(own)).toBe(own)
  })
})
