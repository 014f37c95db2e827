import { describe, expect, it } from 'vitest'
import { DEFAULT_CODEC_LIMITS } from '../../../../../src/http/http1/codec/codec-failure.ts'
import { RequestDecoder } from '../../../../../src/http/http1/codec/request-decoder.ts'
import { decodeRequests } from './decoding.ts'

const headOf = (text: string) => decodeRequests(text).messages[0]?.head

describe('RequestDecoder', () => {
  it('reads a head: names in lower case, values without the whitespace around them', () => {
    const { messages, error } = decodeRequests(
      'GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\nACCEPT: */* \r\nX-Mine:\t a  b \r\nx-empty:\r\nX-High: caf\xe9\r\n\r\n',
    )
    expect(error).toBeUndefined()
    expect(messages).toEqual([
      {
        head: {
          method: 'GET',
          authority: 'a.example:8080',
          scheme: undefined,
          path: '/a?b=c',
          minorVersion: 1,
          headers: ['accept', '*/*', 'x-mine', 'a  b', 'x-empty', '', 'x-high', 'caf\xe9'],
          hasUnderscore: false,
          bodyLength: undefined,
          isChunked: false,
          keepAlive: true,
          upgrade: undefined,
          expectContinue: false,
          acceptsTrailers: false,
        },
        body: '',
        trailers: [],
      },
    ])
  })

  it('leaves fields of the connection out of the list, and keeps content-length and trailer in it', () => {
    const head = headOf(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-hop, te\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nTE: trailers\r\n' +
        'Proxy-Connection: x\r\nHTTP2-Settings: AA\r\nUpgrade: foo\r\nTrailer: x-sum\r\nContent-Length: 0\r\nX-Kept: 2\r\n\r\n',
    )
    expect(head?.headers).toEqual(['trailer', 'x-sum', 'content-length', '0', 'x-kept', '2'])
    expect(head?.acceptsTrailers).toBe(true)
    expect(head?.upgrade).toBeUndefined() // Connection does not list it
  })

  it.each([
    ['HTTP/1.1', '', true],
    ['HTTP/1.1', 'Connection: close\r\n', false],
    ['HTTP/1.1', 'Connection: Keep-Alive, Close\r\n', false],
    ['HTTP/1.0', '', false],
    ['HTTP/1.0', 'Connection: keep-alive\r\n', true],
    ['HTTP/1.0', 'Connection: keep-alive, close\r\n', false],
  ])('knows whether the connection persists: %s %j', (version, line, keepAlive) => {
    expect(headOf(`GET / ${version}\r\nHost: a\r\n${line}\r\n`)?.keepAlive).toBe(keepAlive)
  })

  it.each([
    ['GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'http', 'a', '/'],
    ['GET HTTP://A.Example HTTP/1.1\r\nHost: a.example\r\n\r\n', 'http', 'a.example', '/'],
    ['GET https://a:443/x?y HTTP/1.1\r\nHost: a\r\n\r\n', 'https', 'a', '/x?y'],
    ['GET http://a?y HTTP/1.0\r\n\r\n', 'http', 'a', '/?y'],
    ['OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n', 'http', 'a', '*'],
    ['OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', undefined, 'a', '*'],
    ['CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', undefined, 'a:443', ''],
    ['CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', undefined, 'a:443', ''],
    ['GET / HTTP/1.0\r\n\r\n', undefined, '', '/'],
  ])('splits the target into its parts: %j', (text, scheme, authority, path) => {
    expect(headOf(text)).toMatchObject({ scheme, authority, path })
  })

  it('reports an upgrade when Connection lists it, but never h2c or in HTTP/1.0', () => {
    const asking = (upgrade: string, version = '1.1') =>
      headOf(`GET / HTTP/${version}\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`)
        ?.upgrade
    expect(asking('WebSocket')).toBe('websocket')
    expect(asking('h2c')).toBeUndefined()
    expect(asking('h2c, websocket')).toBe('websocket')
    expect(asking('TLS/1.0')).toBe('tls/1.0')
    expect(asking('websocket', '1.0')).toBeUndefined()
  })

  it('reports that the client waits for a 100, but not in HTTP/1.0', () => {
    const waits = (version: string) =>
      headOf(`POST / HTTP/${version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n`)
    expect(waits('1.1')).toMatchObject({
      expectContinue: true,
      headers: ['expect', '100-Continue', 'content-length', '0'],
    })
    expect(waits('1.0')?.expectContinue).toBe(false)
  })

  it('stops behind each message and is called again for the next', () => {
    const seen: string[] = []
    const decoder = new RequestDecoder(DEFAULT_CODEC_LIMITS, {
      onHead: head => void seen.push(`head ${head.path}`),
      onData: chunk => void seen.push(`data ${chunk.toString()}`),
      onEnd: () => void seen.push('end'),
    })
    const first = 'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab'
    const bytes = Buffer.from(`xx${first}GET /2 HTTP/1.1\r\nHost: a\r\n\r\nrest`)
    const next = decoder.receive(bytes, 2, bytes.length)
    expect(next).toBe(2 + first.length)
    expect(seen).toEqual(['head /1', 'data ab', 'end'])
    expect(decoder.isIdle).toBe(true)
    expect(decoder.receive(bytes, next, bytes.length)).toBe(bytes.length - 4)
    expect(seen.slice(3)).toEqual(['head /2', 'end'])
  })

  it('lends views of the bytes that it was given', () => {
    const bytes = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    let lent: Buffer | undefined
    const decoder = new RequestDecoder(DEFAULT_CODEC_LIMITS, {
      onHead: () => undefined,
      onData: chunk => void (lent = chunk),
      onEnd: () => undefined,
    })
    decoder.receive(bytes, 0, bytes.length)
    expect(lent?.buffer).toBe(bytes.buffer)
    expect(lent?.byteOffset).toBe(bytes.byteOffset + bytes.length - 5)
  })

  it('accepts one empty line before a request, and no more', () => {
    expect(headOf('\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n')?.path).toBe('/')
    expect(decodeRequests('\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n').error?.code).toBe('MM_BAD_REQUEST')
    expect(decodeRequests('\r\n').error?.code).toBe('MM_CLIENT_GONE')
  })

  it('reads nothing after an error or a stop', () => {
    const seen: string[] = []
    const decoder = new RequestDecoder(DEFAULT_CODEC_LIMITS, {
      onHead: () => void seen.push('head'),
      onData: () => {
        seen.push('data')
        decoder.stop()
      },
      onEnd: () => void seen.push('end'),
    })
    const text =
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n'
    const bytes = Buffer.from(text + text)
    const next = decoder.receive(bytes, 0, bytes.length)
    expect(seen).toEqual(['head', 'data'])
    expect(decoder.receive(bytes, next, bytes.length)).toBe(next)
    decoder.receiveEnd()
    expect(seen).toEqual(['head', 'data'])

    const broken = new RequestDecoder(DEFAULT_CODEC_LIMITS, { onHead() {}, onData() {}, onEnd() {} })
    expect(() => broken.receive(Buffer.from(' '), 0, 1)).toThrow()
    expect(broken.receive(bytes, 0, bytes.length)).toBe(0)
  })

  it('accepts a close between messages, and no other', () => {
    expect(decodeRequests('').error).toBeUndefined()
    expect(decodeRequests('GET / HTTP/1.1\r\nHost: a\r\n\r\n').error).toBeUndefined()
    for (const part of [
      'G',
      'GET / HTTP/1.1\r\nHost: a\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na',
    ]) {
      expect(decodeRequests(part).error?.code).toBe('MM_CLIENT_GONE')
    }
  })

  describe('a limit of RequestDecoder', () => {
    const line = (length: number) =>
      `GET /${'a'.repeat(length - 'GET / HTTP/1.1'.length)} HTTP/1.1\r\nHost: a\r\n\r\n`
    const cutsFor = (text: string) => [[], Array.from({ length: text.length }, (_, i) => i), [1000]]

    it('bounds the bytes of the request line', () => {
      for (const cuts of cutsFor(line(101))) {
        expect(decodeRequests(line(100), { cuts, limits: { maxLineBytes: 100 } }).error).toBeUndefined()
        expect(decodeRequests(line(101), { cuts, limits: { maxLineBytes: 100 } }).error?.code).toBe(
          'MM_URI_TOO_LONG',
        )
      }
    })

    it('bounds the bytes of the head, without the empty line that may come first', () => {
      const text = line(100)
      for (const start of ['', '\r\n']) {
        for (const cuts of cutsFor(start + text)) {
          const limited = (maxHeaderBytes: number) =>
            decodeRequests(start + text, { cuts, limits: { maxHeaderBytes } })
          expect(limited(text.length).error).toBeUndefined()
          expect(limited(text.length - 1).error?.code).toBe('MM_REQUEST_HEADER_LIMIT')
        }
      }
    })

    it('bounds the number of fields of the head', () => {
      const text = `GET / HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(99)}\r\n`
      expect(
        decodeRequests(text, { limits: { maxHeaderCount: 100 } }).messages[0]?.head.headers,
      ).toHaveLength(198)
      expect(decodeRequests(text, { limits: { maxHeaderCount: 99 } }).error?.code).toBe(
        'MM_REQUEST_HEADER_LIMIT',
      )
    })

    it('ends a head that never ends, with bounded memory', () => {
      const decoder = new RequestDecoder(DEFAULT_CODEC_LIMITS, { onHead() {}, onData() {}, onEnd() {} })
      const piece = Buffer.from(`a: ${'b'.repeat(995)}\r\n`)
      decoder.receive(Buffer.from('GET / HTTP/1.1\r\n'), 0, 16)
      let pieces = 0
      expect(() => {
        for (; pieces < 1000; pieces++) decoder.receive(piece, 0, piece.length)
      }).toThrow('longer than its limit')
      expect(pieces).toBeLessThan(70)
    })
  })

  it('says which rule was broken and shows what broke it, escaped and cut', () => {
    const { error } = decodeRequests(
      `GET / HTTP/1.1\r\nHost: a\r\nX-Bad: ${'y'.repeat(30)}\x01"${'z'.repeat(100)}\r\n\r\n`,
    )
    expect(error?.message).toBe(
      'a field value has a control character: "yyyyyyyyyyyyyyyyyyyy\\x01\\"zzzzzzzzzzzzzzzzzz"',
    )
    expect(decodeRequests('\x16\x03\x01\x02').error?.message).toContain('a TLS handshake')
    expect(decodeRequests('PRI * HTTP/2.0\r\n\r\n').error?.message).toContain('HTTP/2 preface')
  })
})
