import { describe, expect, it } from 'vitest'
import { completeMessages, decodeRequests, decodeResponse } from './decoding.ts'

const HEAD = 'POST /a HTTP/1.1\r\nHost: a\r\n'
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const chunkedWith = (lines: string): string => `${HEAD}Transfer-Encoding: chunked\r\n\r\n${lines}`

/**
 * The shapes by which one parser has been led to see a request that another took for a body (CL.TE, TE.CL,
 * TE.TE, CL.0, 0.CL and their relatives). Each must be refused, not repaired.
 */
const REFUSED: [shape: string, bytes: string][] = [
  // Two lengths
  ['CL.TE', `${HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`],
  ['TE.CL', `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${SMUGGLED}\r\n0\r\n\r\n`],
  ['two equal content-lengths', `${HEAD}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
  ['two different content-lengths', `${HEAD}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${SMUGGLED}`],
  ['a list of equal content-lengths', `${HEAD}Content-Length: 5, 5\r\n\r\nhello`],
  ['a content-length with a sign', `${HEAD}Content-Length: +5\r\n\r\nhello`],
  ['a negative content-length', `${HEAD}Content-Length: -1\r\n\r\n`],
  ['a hexadecimal content-length', `${HEAD}Content-Length: 0x5\r\n\r\nhello`],
  ['a content-length with a decimal point', `${HEAD}Content-Length: 5.0\r\n\r\nhello`],
  ['an empty content-length', `${HEAD}Content-Length: \r\n\r\n${SMUGGLED}`],
  ['a content-length with a space in it', `${HEAD}Content-Length: 5 5\r\n\r\nhello`],
  ['a content-length past 2^64', `${HEAD}Content-Length: 18446744073709551621\r\n\r\nhello`],
  ['a content-length in quotes', `${HEAD}Content-Length: "5"\r\n\r\nhello`],
  ['a content-length in full-width digits', `${HEAD}Content-Length: \xef\xbc\x95\r\n\r\nhello`],
  // TE.TE
  ['an unknown coding', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['chunked before another coding', `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  [
    'chunked twice, after another coding',
    `${HEAD}Transfer-Encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['a coding that is no token', `${HEAD}Transfer-Encoding: g zip, chunked\r\n\r\n0\r\n\r\n`],
  [
    'gzip, chunked with a length',
    `${HEAD}Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\nhello`,
  ],
  ['chunked twice', `${HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  [
    'chunked in two fields',
    `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'two fields that disagree',
    `${HEAD}Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n`,
  ],
  ['identity', `${HEAD}Transfer-Encoding: identity\r\n\r\n`],
  ['an empty coding', `${HEAD}Transfer-Encoding:\r\n\r\n`],
  ['a coding in quotes', `${HEAD}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
  ['a coding with a parameter', `${HEAD}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n`],
  ['a coding with a trailing comma', `${HEAD}Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n`],
  ['a coding behind a vertical tab', `${HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['a coding before a NUL', `${HEAD}Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n`],
  ['a coding before a no-break space', `${HEAD}Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n`],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['chunked on CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a length on CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello'],
  // Names and lines
  ['a space before the colon', `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['a tab before the colon', `${HEAD}Content-Length\t: 5\r\n\r\nhello`],
  ['a space before the name', `${HEAD} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['a folded coding', `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['a folded line after a field', `${HEAD}X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n`],
  ['whitespace before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['a field name with a NUL', `${HEAD}Transfer-Encoding\0: chunked\r\n\r\n`],
  ['a field name with a byte above ASCII', `${HEAD}Transfer-Encod\xedng: chunked\r\n\r\n`],
  ['an empty field name', `${HEAD}: chunked\r\n\r\n`],
  ['a line without a colon', `${HEAD}Transfer-Encoding chunked\r\n\r\n`],
  ['a bare LF behind a field', `${HEAD}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['a bare CR within a value', `${HEAD}X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['CR CR LF', `${HEAD}X: y\r\r\n\r\n`],
  ['a bare LF behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  ['a head that ends with LF LF', 'GET / HTTP/1.1\r\nHost: a\n\n'],
  ['a head that ends with LF CR LF', 'GET / HTTP/1.1\r\nHost: a\n\r\n'],
  ['a NUL in a value', `${HEAD}X: a\0b\r\n\r\n`],
  // Chunks
  ['a chunk size with 0x', chunkedWith('0x5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with a sign', chunkedWith('+5\r\nhello\r\n0\r\n\r\n')],
  ['a negative chunk size', chunkedWith('-5\r\nhello\r\n0\r\n\r\n')],
  ['an empty chunk size', chunkedWith('\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size past 2^64', chunkedWith('10000000000000005\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size past 2^53', chunkedWith('20000000000000\r\nhello\r\n')],
  ['a chunk size with many zeros', chunkedWith('00000000000005\r\nhello\r\n0\r\n\r\n')],
  ['a space before a chunk size', chunkedWith(' 5\r\nhello\r\n0\r\n\r\n')],
  ['a space behind a chunk size', chunkedWith('5 \r\nhello\r\n0\r\n\r\n')],
  ['a tab behind a chunk size', chunkedWith('5\t\r\nhello\r\n0\r\n\r\n')],
  ['a space before an extension', chunkedWith('5 ;a\r\nhello\r\n0\r\n\r\n')],
  ['an underscore in a chunk size', chunkedWith('1_0\r\nhello\r\n0\r\n\r\n')],
  ['a bare LF behind a chunk size', chunkedWith('5\nhello\r\n0\r\n\r\n')],
  ['a bare CR behind a chunk size', chunkedWith('5\rhello\r\n0\r\n\r\n')],
  ['a CR and some byte behind a chunk size', chunkedWith('5\rXhello\r\n0\r\n\r\n')],
  ['a bare LF behind a chunk', chunkedWith('5\r\nhello\n0\r\n\r\n')],
  ['nothing behind a chunk', chunkedWith('5\r\nhello0\r\n\r\n')],
  ['two bytes too many in a chunk', chunkedWith('5\r\nhelloXX0\r\n\r\n')],
  ['a bare LF in an extension (TERM.EXT)', chunkedWith(`5;\nxx\r\nhello\r\n0\r\n\r\n`)],
  ['a bare CR in an extension', chunkedWith('5;a\rb\r\nhello\r\n0\r\n\r\n')],
  ['a LF within a quoted extension', chunkedWith('5;a="\n"\r\nhello\r\n0\r\n\r\n')],
  ['an extension without a name', chunkedWith('5;\r\nhello\r\n0\r\n\r\n')],
  ['an extension with an open quote', chunkedWith('5;a="b\r\nhello\r\n0\r\n\r\n')],
  ['a last chunk that ends with LF', chunkedWith('0\n\r\n')],
  ['trailers that end with LF', chunkedWith('0\r\n\n')],
  ['a length in the trailers', chunkedWith('0\r\nContent-Length: 5\r\n\r\n')],
  ['a coding in the trailers', chunkedWith('0\r\nTransfer-Encoding: chunked\r\n\r\n')],
  ['a host in the trailers', chunkedWith('0\r\nHost: b\r\n\r\n')],
  ['a folded trailer', chunkedWith('0\r\nX: a\r\n b\r\n\r\n')],
  // Who is meant
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['two equal hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['an empty host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['a host with userinfo', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n'],
  ['a host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a host list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a target that disagrees with the host', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with userinfo', 'GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n'],
  ['a CONNECT that disagrees with the host', 'CONNECT b:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'],
  ['a target with a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a control character', 'GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a byte above ASCII', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['two spaces before the target', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['two spaces before the version', 'GET /  HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a tab before the target', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a space behind the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
  ['a request without a version', 'GET /\r\nHost: a\r\n\r\n'],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n'],
  ['HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n'],
  ['a version in lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  // What Connection must not take away
  ['Connection: content-length', `${HEAD}Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello`],
  [
    'Connection: transfer-encoding',
    `${HEAD}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['Connection: host', `${HEAD}Connection: close, Host\r\n\r\n`],
  ['Connection: authorization', `${HEAD}Connection: Authorization\r\nAuthorization: x\r\n\r\n`],
  ['Connection: x-forwarded-for', `${HEAD}Connection: X-Forwarded-For\r\n\r\n`],
  ['a no-break space in Connection', `${HEAD}Connection: \xa0close\r\n\r\n`],
]

describe('a request that two parsers could read differently', () => {
  it.each(REFUSED)('is refused: %s', (_shape, bytes) => {
    const whole = decodeRequests(bytes)
    expect(whole.error?.code).toBe('MM_BAD_REQUEST')
    expect(completeMessages(whole)).toEqual([])
    const cuts = Array.from({ length: bytes.length }, (_, index) => index)
    expect(decodeRequests(bytes, { cuts }).error?.code).toBe('MM_BAD_REQUEST')
  })

  it('is refused before the peer has to close', () => {
    for (const [shape, bytes] of REFUSED) {
      expect(decodeRequests(bytes, { ends: false }).error?.code, shape).toBe('MM_BAD_REQUEST')
    }
  })
})

describe('a request whose body has another transfer coding', () => {
  it.each(['gzip, chunked', 'GZIP ,\tChunked', 'identity, chunked', 'gzip,br, chunked'])(
    'is answered with 501, whatever else is right with it: %s',
    coding => {
      const { error } = decodeRequests(`${HEAD}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`)
      expect(error?.code).toBe('MM_TRANSFER_CODING')
    },
  )
})

describe('a tab as whitespace around a value (RFC 9110 5.6.3)', () => {
  it.each([
    ['a length', 'Content-Length:\t5\t\r\n\r\nhello'],
    ['a coding', 'Transfer-Encoding:\t chunked \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ])('is skipped: %s', (_what, rest) => {
    const head = 'POST /a HTTP/1.1\r\nHost:\ta\t\r\n'
    const [message] = completeMessages(decodeRequests(head + rest))
    expect([message?.head.authority, message?.body]).toEqual(['a', 'hello'])
    const answer = decodeResponse(`HTTP/1.1 200 OK\r\n${rest}`)
    expect([answer.error, answer.messages[0]?.body]).toEqual([undefined, 'hello'])
  })
})

describe('a response that two parsers could read differently', () => {
  const OK = 'HTTP/1.1 200 OK\r\n'
  it.each([
    ['both lengths', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two equal content-lengths', `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`],
    ['a list of content-lengths', `${OK}Content-Length: 2, 2\r\n\r\nok`],
    ['an unknown coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['chunked with 204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a length with 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'],
    ['a length with 103', `HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nhello${OK}\r\n`],
    ['a 1xx that closes', `HTTP/1.1 103 Hints\r\nConnection: close\r\n\r\n${OK}\r\n`],
    ['a 1xx of HTTP/1.0', `HTTP/1.0 100 Continue\r\n\r\n${OK}\r\n`],
    ['a folded field', `${OK}X: a\r\n b\r\n\r\n`],
    ['a bare LF behind the status line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['a bare LF behind a field', `${OK}Content-Length: 0\n\r\n`],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status of 099', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a status with a letter', 'HTTP/1.1 2O0 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
    ['a CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n'],
    ['an empty line first', `\r\n${OK}\r\n`],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['ICY', 'ICY 200 OK\r\n\r\n'],
  ])('is refused: %s', (_shape, bytes) => {
    const whole = decodeResponse(bytes, { ends: false })
    expect([whole.error?.code, whole.error?.processed]).toEqual(['MM_PROTOCOL_ERROR', 'unknown'])
    expect(whole.messages.filter(({ head }) => head.status >= 200)).toEqual([])
  })
})
