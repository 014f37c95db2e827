import { describe, expect, it } from 'vitest'
import { DEFAULT_CODEC_LIMITS } from '../../../../../src/http/http1/codec/codec-failure.ts'
import { ResponseDecoder } from '../../../../../src/http/http1/codec/response-decoder.ts'
import { decodeResponse } from './decoding.ts'

describe('ResponseDecoder', () => {
  it('reads a head into status, reason and fields', () => {
    const { messages, error } = decodeResponse(
      'HTTP/1.1 404 Not Found at all\r\nServer: x\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 3\r\n\r\nabc',
    )
    expect(error).toBeUndefined()
    expect(messages).toEqual([
      {
        head: {
          status: 404,
          statusText: 'Not Found at all',
          minorVersion: 1,
          headers: ['server', 'x', 'content-length', '3'],
          bodyLength: 3,
          isChunked: false,
          isUntilClose: false,
          hasBody: true,
          keepAlive: true,
          keepAliveHint: { timeoutMs: 5000, maxRequests: 100 },
          upgrade: undefined,
          isTunnel: false,
        },
        body: 'abc',
        trailers: [],
      },
    ])
  })

  it.each(['HTTP/1.1 200 \r\n', 'HTTP/1.1 200\r\n'])('accepts a status line without a reason: %j', line => {
    const { messages } = decodeResponse(`${line}content-length: 0\r\n\r\n`)
    expect(messages[0]?.head).toMatchObject({ status: 200, statusText: '' })
  })

  it('repeats for informational responses until the final one', () => {
    const { messages } = decodeResponse(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    )
    expect(messages.map(({ head, body, trailers }) => [head.status, body, trailers])).toEqual([
      [100, '', undefined],
      [103, '', undefined],
      [200, 'ok', []],
    ])
  })

  it('passes on a status that RFC 9110 does not define, as origins send it', () => {
    const { messages } = decodeResponse('HTTP/1.1 999 Request denied\r\ncontent-length: 0\r\n\r\n')
    expect(messages[0]?.head).toMatchObject({ status: 999, statusText: 'Request denied', bodyLength: 0 })
  })

  it('reads a body without a length until the close', () => {
    const text = 'HTTP/1.1 200 OK\r\n\r\nall of it'
    const { messages, error } = decodeResponse(text)
    expect(error).toBeUndefined()
    expect(messages[0]).toMatchObject({
      head: { isUntilClose: true, keepAlive: false },
      body: 'all of it',
      trailers: [],
    })
    expect(decodeResponse(text, { ends: false }).messages[0]?.trailers).toBeUndefined()
  })

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', ['content-length', '5']],
    ['HEAD', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', []],
    ['GET', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n', ['content-length', '5']],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', []],
    ['GET', 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n', []],
  ])('recognizes that there is no body: %s %j', (method, text, headers) => {
    const { messages, taken } = decodeResponse(`${text}next`, { method, ends: false })
    expect(messages[0]).toMatchObject({
      head: { hasBody: false, keepAlive: true, headers },
      body: '',
      trailers: [],
    })
    expect(taken).toBe(text.length)
  })

  it('accepts nothing unexpected', () => {
    const heads: number[] = []
    const decoder = new ResponseDecoder(DEFAULT_CODEC_LIMITS, {
      onHead: head => void heads.push(head.status),
      onData: () => undefined,
      onEnd: () => undefined,
    })
    const response = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n')
    const bytes = Buffer.concat([response, response])
    expect(decoder.receive(bytes, 0, bytes.length)).toBe(0)
    decoder.expect('GET')
    expect(decoder.receive(bytes, 0, bytes.length)).toBe(response.length)
    expect(decoder.isIdle).toBe(true)
    expect(decoder.receive(bytes, response.length, bytes.length)).toBe(response.length)
    decoder.expect('GET')
    expect(decoder.receive(bytes, response.length, bytes.length)).toBe(bytes.length)
    expect(heads).toEqual([204, 204])
  })

  describe('a tunnel', () => {
    const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n'

    it('begins with the 101 that was asked for, and what follows is not read', () => {
      const { messages, taken } = decodeResponse(`${SWITCH}raw`, { upgrade: 'websocket', ends: false })
      expect(messages).toMatchObject([
        { head: { status: 101, upgrade: 'websocket', isTunnel: true, keepAlive: false } },
      ])
      expect(messages[0]?.trailers).toBeUndefined()
      expect(taken).toBe(SWITCH.length)
    })

    it.each([
      ['nobody asked', SWITCH, undefined],
      ['another protocol was asked for', SWITCH, 'chat'],
      ['it does not say to what', 'HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n', 'websocket'],
      ['Connection does not list it', 'HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n', 'websocket'],
    ])('does not begin when %s', (_why, text, upgrade) => {
      const { error } = decodeResponse(text, upgrade === undefined ? {} : { upgrade })
      expect(error?.code).toBe('MM_PROTOCOL_ERROR')
    })

    it('begins with any 2xx to CONNECT, whatever length it gives', () => {
      const text = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n'
      const { messages, taken } = decodeResponse(`${text}raw`, { method: 'CONNECT', ends: false })
      expect(messages).toMatchObject([{ head: { isTunnel: true, headers: [] }, body: '' }])
      expect(taken).toBe(text.length)
    })

    it('does not begin with another answer to CONNECT', () => {
      const { messages } = decodeResponse('HTTP/1.1 407 x\r\ncontent-length: 2\r\n\r\nno', {
        method: 'CONNECT',
      })
      expect(messages).toMatchObject([{ head: { isTunnel: false }, body: 'no', trailers: [] }])
    })
  })

  it.each([
    ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', true],
    ['HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n', false],
    ['HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n', false],
    ['HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n', true],
    ['HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n', false],
  ])('knows whether the connection persists: %j', (text, keepAlive) => {
    expect(decodeResponse(text).messages[0]?.head.keepAlive).toBe(keepAlive)
  })

  it('accepts a Connection field that names Transfer-Encoding, as one large CDN sends it', () => {
    const text =
      'HTTP/1.1 200 OK\r\nConnection: Transfer-Encoding, keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    expect(decodeResponse(text).error).toBeUndefined()
  })

  it('drops the fields that Connection names, but not those that delimit the message', () => {
    const answer = (option: string) => {
      const { messages, error } = decodeResponse(
        `HTTP/1.1 200 OK\r\nConnection: ${option}\r\nX-Hop: 1\r\nSet-Cookie: a=b\r\ncontent-length: 2\r\n\r\nok`,
      )
      return error ?? [messages[0]?.head.headers.join(' '), messages[0]?.body]
    }
    expect(answer('x-hop')).toEqual(['set-cookie a=b content-length 2', 'ok'])
    expect(answer('set-cookie, X-Hop')).toEqual(['content-length 2', 'ok'])
    expect(answer('Content-Length')).toEqual(['x-hop 1 set-cookie a=b content-length 2', 'ok'])
    expect(answer('x-hop, content-length, transfer-encoding, host')).toEqual([
      'set-cookie a=b content-length 2',
      'ok',
    ])
    expect(answer('keep-alive, cache control')).toMatchObject({ code: 'MM_PROTOCOL_ERROR' })
  })

  it.each([
    ['426 Upgrade Required', 'websocket', 'websocket'],
    ['200 OK', 'TLS/1.2, websocket', 'TLS/1.2, websocket'],
    ['426 Upgrade Required', 'h2c, HTTP/3.0,', 'HTTP/3.0'],
    ['200 OK', 'h2,h2c', undefined],
    ['200 OK', 'not a protocol', undefined],
  ])('keeps the protocols that a final response offers to upgrade to: %s, %s', (status, upgrade, offer) => {
    const { messages } = decodeResponse(
      `HTTP/1.1 ${status}\r\nConnection: upgrade\r\nUpgrade: ${upgrade}\r\ncontent-length: 0\r\n\r\n`,
    )
    const { headers } = messages[0]?.head ?? { headers: [] }
    expect(headers).toEqual(['content-length', '0', ...(offer === undefined ? [] : ['upgrade', offer])])
  })

  it('ignores an offer to upgrade in HTTP/1.0', () => {
    const { messages } = decodeResponse('HTTP/1.0 426 x\r\nUpgrade: websocket\r\ncontent-length: 0\r\n\r\n')
    expect(messages[0]?.head.headers).toEqual(['content-length', '0'])
  })

  it.each([
    ['', 'unknown', 'without a response'],
    ['HTTP/1.1 2', 'unknown', 'within a response head'],
    ['HTTP/1.1 100 Continue\r\n\r\n', 'unknown', 'without a response'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc', 'yes', '2 bytes are missing'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc', 'yes', 'within a body'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n', 'yes', 'within a body'],
  ])('fails when the peer closes too early: %j', (text, processed, message) => {
    const { error } = decodeResponse(text)
    expect([error?.code, error?.processed]).toEqual(['MM_CONNECTION_CLOSED', processed])
    expect(error?.message).toContain(message)
  })

  it('bounds head and trailers', () => {
    const limits = { maxHeaderBytes: 200, maxTrailerBytes: 100, maxLineBytes: 50 }
    const long = 'a'.repeat(180)
    const start = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n'
    for (const text of [
      `${start}x: ${long}\r\n\r\n`,
      `HTTP/1.1 200 ${long}\r\n\r\n`,
      `${start}\r\n0\r\nx: ${long}\r\n\r\n`,
    ]) {
      for (const cuts of [[], Array.from({ length: text.length }, (_, i) => i)]) {
        expect(decodeResponse(text, { limits, cuts }).error?.code).toBe('MM_HEADER_LIMIT')
      }
    }
  })
})
