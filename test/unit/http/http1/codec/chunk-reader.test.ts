import { describe, expect, it } from 'vitest'
import { ChunkReader } from '../../../../../src/http/http1/codec/chunk-reader.ts'
import { DEFAULT_CODEC_LIMITS, READING_REQUEST } from '../../../../../src/http/http1/codec/codec-failure.ts'
import { decodeRequests } from './decoding.ts'

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const read = (body: string, limits = {}) => decodeRequests(HEAD + body, { limits })

describe('ChunkReader', () => {
  it('joins chunks of any size, in either case of digits, with leading zeros', () => {
    const { messages, error } = read(`5\r\nhello\r\n00A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n`)
    expect(error).toBeUndefined()
    expect(messages[0]?.body).toBe('hello0123456789abcdefghij')
  })

  it('delivers the small chunks of one read together, and what came before a fault before the fault', () => {
    const small = '1\r\nx\r\n'.repeat(3_000)
    const pieces: number[] = []
    const reader = new ChunkReader(DEFAULT_CODEC_LIMITS, READING_REQUEST, chunk => pieces.push(chunk.length))
    const receive = (body: string): number => {
      const bytes = Buffer.from(body)
      return reader.receive(bytes, 0, bytes.length)
    }
    reader.begin()
    receive(small)
    expect(pieces.reduce((sum, bytes) => sum + bytes, 0)).toBe(3_000)
    expect(pieces.length).toBeLessThan(6)
    pieces.length = 0
    receive('1\r\nx\r\n')
    receive(`1\r\nx\r\n1\r\nx\r\n0\r\n\r\n`)
    expect([pieces, reader.isDone]).toEqual([[1, 2], true])
    pieces.length = 0
    reader.begin()
    expect(() => receive('1\r\nx\r\n1\r\nx\r\nnonsense')).toThrow(/not hexadecimal/)
    expect(pieces).toEqual([2])
  })

  it.each([
    '1\r\nx\r\nfff\r\n' + 'y'.repeat(0xfff) + '\r\n1000\r\n' + 'z'.repeat(0x1000) + '\r\n0\r\n\r\n',
    '01\r\nx\r\n000\r\nx-sum: 1\r\n\r\n',
    '1\r\nx\r\n00000000000001\r\nx\r\n0\r\n\r\n',
    '1\r\nx\r\n2\r\nx\r\n0\r\n\r\n',
    '1\r\nx\r\n1\nx\r\n0\r\n\r\n',
    '1\r\nx\r\n1\rx\r\n0\r\n\r\n',
    '1\r\nx\r\n1\r\nx\n\r\n0\r\n\r\n',
    '1\r\nx\r\n\r\n\r\nx\r\n',
    '1\r\nx\r\n1 \r\nx\r\n0\r\n\r\n',
    '1\r\nx\r\n1;a=b\r\nx\r\n0\r\n\r\n',
  ])('reads chunks that lie whole in a read as it does byte by byte: %j', body => {
    const outcomeOf = (pieceBytes: number): unknown[] => {
      let data = ''
      const reader = new ChunkReader(DEFAULT_CODEC_LIMITS, READING_REQUEST, chunk => {
        data += chunk.toString('latin1')
      })
      reader.begin()
      try {
        for (let at = 0; at < body.length; at += pieceBytes) {
          const piece = Buffer.from(body.slice(at, at + pieceBytes))
          reader.receive(piece, 0, piece.length)
        }
      } catch (error) {
        return [data, error instanceof Error && error.message.replace(/: .*/, '')]
      }
      return [data, reader.isDone, reader.trailers]
    }
    expect(outcomeOf(body.length)).toEqual(outcomeOf(1))
    expect(outcomeOf(7)).toEqual(outcomeOf(1))
  })

  it('reads nothing behind a chunk whose reader holds it back, until it is released', () => {
    const pieces: string[] = []
    const reader: ChunkReader = new ChunkReader(DEFAULT_CODEC_LIMITS, READING_REQUEST, chunk => {
      pieces.push(chunk.toString())
      reader.hold()
    })
    const large = 'x'.repeat(2_000)
    const body = Buffer.from(`7d0\r\n${large}\r\n`.repeat(2) + '0\r\n\r\n')
    reader.begin()
    const taken = reader.receive(body, 0, body.length)
    expect([pieces.length, reader.isDone]).toEqual([1, false])
    reader.release()
    const next = reader.receive(body, taken, body.length)
    expect(pieces).toEqual([large, large])
    reader.release()
    expect([reader.receive(body, next, body.length), reader.isDone]).toEqual([body.length, true])
  })

  it('treats data as data, whatever it looks like', () => {
    const data = '0\r\n\r\nGET / HTTP/1.1\r\n\r\n'
    expect(read(`${data.length.toString(16)}\r\n${data}\r\n0\r\n\r\n`).messages[0]?.body).toBe(data)
  })

  it('skips extensions', () => {
    const { messages, error } = read(
      '2;a\r\nab\r\n1;a=b;c="d \\"\xe9'.replace('\xe9', '') + '"\r\nc\r\n0;last\r\n\r\n',
    )
    expect(error).toBeUndefined()
    expect(messages[0]?.body).toBe('abc')
  })

  it('passes trailers on, except those that belong to the connection or must not be trailers', () => {
    const trailers =
      'X-Sum: 9\r\nConnection: x\r\nTE: x\r\nAuthorization: x\r\nSet-Cookie: a\r\nCache-Control: x\r\nServer-Timing: t\r\n'
    expect(read(`0\r\n${trailers}\r\n`).messages[0]?.trailers).toEqual(['x-sum', '9', 'server-timing', 't'])
  })

  it('forgets the trailers of one body before the next', () => {
    const withTrailer = `${HEAD}0\r\nX: 1\r\n\r\n`
    const byLength = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na'
    const { messages } = decodeRequests(`${withTrailer}${HEAD}0\r\n\r\n${withTrailer}${byLength}`)
    expect(messages.map(message => message.trailers)).toEqual([['x', '1'], [], ['x', '1'], []])
  })

  it('bounds the length of a line', () => {
    const line = (length: number) => `1;${'a'.repeat(length - 2)}\r\nx\r\n0\r\n\r\n`
    expect(read(line(50), { maxChunkLineBytes: 50 }).error).toBeUndefined()
    expect(read(line(51), { maxChunkLineBytes: 50 }).error?.message).toContain('a chunk line is longer')
  })

  it('bounds all extensions of a body together', () => {
    const body = (count: number) => `${`1;${'a'.repeat(9)}\r\nx\r\n`.repeat(count)}0\r\n\r\n`
    expect(read(body(10), { maxChunkExtensionBytes: 100 }).error).toBeUndefined()
    expect(read(body(12), { maxChunkExtensionBytes: 100 }).error?.message).toContain(
      'the chunk extensions are longer',
    )
  })

  it('bounds the number of trailers and their bytes', () => {
    expect(read(`0\r\n${'a: b\r\n'.repeat(5)}\r\n`, { maxHeaderCount: 4 }).error?.code).toBe(
      'MM_REQUEST_HEADER_LIMIT',
    )
    expect(read(`0\r\n${'a: b\r\n'.repeat(5)}\r\n`, { maxTrailerBytes: 32 }).error).toBeUndefined()
    expect(read(`0\r\n${'a: b\r\n'.repeat(5)}\r\n`, { maxTrailerBytes: 31 }).error?.code).toBe(
      'MM_REQUEST_HEADER_LIMIT',
    )
  })
})
