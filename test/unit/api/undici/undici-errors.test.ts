import { errors } from 'undici'
import { describe, expect, it } from 'vitest'
import { toUndiciError } from '../../../../src/api/undici/undici-errors.ts'
import type { ErrorCode } from '../../../../src/base/error-codes.ts'
import { TransportError } from '../../../../src/base/errors.ts'

describe('toUndiciError', () => {
  it.each<[ErrorCode, new (message?: string) => Error, string | undefined]>([
    ['MM_ABORTED', errors.RequestAbortedError, 'UND_ERR_ABORTED'],
    ['MM_CONNECTION_CLOSED', errors.SocketError, 'UND_ERR_SOCKET'],
    ['MM_CONNECTION_RESET', errors.SocketError, 'UND_ERR_SOCKET'],
    ['MM_CONNECT_TIMEOUT', errors.ConnectTimeoutError, 'UND_ERR_CONNECT_TIMEOUT'],
    ['MM_TLS_TIMEOUT', errors.ConnectTimeoutError, 'UND_ERR_CONNECT_TIMEOUT'],
    ['MM_HEADERS_TIMEOUT', errors.HeadersTimeoutError, 'UND_ERR_HEADERS_TIMEOUT'],
    ['MM_BODY_TIMEOUT', errors.BodyTimeoutError, 'UND_ERR_BODY_TIMEOUT'],
    ['MM_PROTOCOL_ERROR', errors.HTTPParserError, undefined],
    ['MM_HEADER_LIMIT', errors.HeadersOverflowError, 'UND_ERR_HEADERS_OVERFLOW'],
    ['MM_BODY_LENGTH', errors.RequestContentLengthMismatchError, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
    ['MM_INVALID_ARGUMENT', errors.InvalidArgumentError, 'UND_ERR_INVALID_ARG'],
    ['MM_TRANSPORT_CLOSED', errors.ClientClosedError, 'UND_ERR_CLOSED'],
  ])('turns %s into what undici throws, with ours as the cause', (code, type, undiciCode) => {
    const error = new TransportError(code, 'why')
    const theirs = toUndiciError(error)
    expect(theirs).toBeInstanceOf(type)
    expect(theirs).toMatchObject({ message: 'why', cause: error })
    expect((theirs as { code?: string }).code).toBe(undiciCode) // each has one but the parser's
  })

  it("carries the system's own code", () => {
    const cause = Object.assign(new Error('connect'), {
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
    })
    const error = new TransportError('MM_CONNECT_REFUSED', 'refused', { cause })
    expect(toUndiciError(error)).toMatchObject({
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
      cause: error,
    })
  })

  it("finds the system's code behind several attempts", () => {
    const cause = Object.assign(new Error('connect'), { code: 'EHOSTUNREACH' })
    const attempts = [
      new TransportError('MM_CONNECT_TIMEOUT', 'one timed out'),
      new TransportError('MM_CONNECT_FAILED', 'one was unreachable', { cause }),
    ]
    const error = new TransportError('MM_CONNECT_FAILED', 'none', { cause: new AggregateError(attempts) })
    expect(toUndiciError(error)).toMatchObject({ code: 'EHOSTUNREACH' })
    const unknown = new TransportError('MM_CONNECT_FAILED', 'none', { cause: new AggregateError([]) })
    expect(toUndiciError(unknown)).toBe(unknown)
  })

  it.each(['MM_ABORTED', 'MM_BODY_FAILED'] as const)("gives the caller's own error back: %s", code => {
    const mine = new RangeError('mine')
    expect(toUndiciError(new TransportError(code, 'why', { cause: mine }))).toBe(mine)
  })

  it.each(['MM_QUEUE_FULL', 'MM_REQUEST_TIMEOUT', 'MM_ALPN_MISMATCH', 'MM_BODY_FAILED'] as const)(
    'leaves an error alone that undici has no name for: %s',
    code => {
      const error = new TransportError(code, 'why')
      expect(toUndiciError(error)).toBe(error)
    },
  )
})
