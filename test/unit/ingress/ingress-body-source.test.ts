import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../../src/base/http/exchange.ts'
import type { HeaderList } from '../../../src/base/http/headers.ts'
import { answerOk, FakeClient, GET, OK } from './fake-client.ts'

class Sink {
  chunks: string[] = []
  trailers: HeaderList | undefined
  error: string | undefined
  takesMore = true
  write(chunk: Uint8Array): boolean {
    this.chunks.push(Buffer.from(chunk).toString())
    return this.takesMore
  }
  end(trailers: HeaderList): void {
    expect(this.trailers ?? this.error).toBeUndefined()
    this.trailers = trailers
  }
  fail(error: Error): void {
    expect(this.trailers ?? this.error).toBeUndefined()
    this.error = error.message
  }
}

const sourceOf = (client: FakeClient): BodySource => client.exchange.body as BodySource
const post = (length: number, more = ''): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${more}\r\n`
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

describe('a request body', () => {
  it('is in memory when it is small and came whole', () => {
    const client = new FakeClient()
    client.send(`${post(4)}body${GET}`)
    expect(client.exchange.body).toEqual(Buffer.from('body'))
    answerOk(client.exchange)
    expect(client.exchange.body).toBeNull()
  })

  it('is a source when it comes in pieces, replayable until a reader attached', () => {
    const client = new FakeClient()
    client.send(`${post(8)}abcd`)
    const source = sourceOf(client)
    expect([source.length, source.isReplayable()]).toEqual([8, true])
    const sink = new Sink()
    source.attach(sink)
    expect([sink.chunks, source.isReplayable()]).toEqual([['abcd'], false])
    client.send('efgh')
    expect([sink.chunks, sink.trailers]).toEqual([['abcd', 'efgh'], []])
    const late = new Sink()
    source.attach(late)
    expect(late.error).toContain('consumed before')
  })

  it('is a source when it is chunked, with its trailers, even if it is empty', () => {
    const client = new FakeClient({}, () => {})
    client.send(`${CHUNKED}0\r\nX-Sum: 1\r\n\r\n`)
    const sink = new Sink()
    expect(sourceOf(client).length).toBeUndefined()
    sourceOf(client).attach(sink)
    expect([sink.chunks, sink.trailers]).toEqual([[], ['x-sum', '1']])
  })

  it('holds one piece until a reader attaches, and stops the client meanwhile', () => {
    const client = new FakeClient({ requestTimeoutMs: 1000 })
    client.send(post(8))
    expect(client.socket.isPaused()).toBe(false)
    client.send('abcd')
    expect(client.socket.isPaused()).toBe(true)
    // The silence is ours, not the client's.
    client.clock.advance(5000)
    expect(client.output).toBe('')
    const sink = new Sink()
    sourceOf(client).attach(sink)
    expect(client.socket.isPaused()).toBe(false)
    client.send('efgh')
    expect(sink.trailers).toEqual([])
  })

  it('stops while the sink has enough, without losing or overtaking a piece', () => {
    const client = new FakeClient()
    client.send(CHUNKED)
    const sink = new Sink()
    sink.takesMore = false
    sourceOf(client).attach(sink)
    const pieces = ['a', 'b', 'c'].map(letter => letter.repeat(5_000))
    client.send(`${pieces.map(piece => `1388\r\n${piece}\r\n`).join('')}0\r\n\r\n`)
    expect(sink.chunks).toEqual(pieces.slice(0, 1))
    sourceOf(client).resume()
    expect(sink.chunks).toEqual(pieces.slice(0, 2))
    sink.takesMore = true
    sourceOf(client).resume()
    expect([sink.chunks, sink.trailers]).toEqual([pieces, []])
  })

  it('fails with 408 when the client falls silent in it', () => {
    const client = new FakeClient({ requestTimeoutMs: 1000 })
    client.send(post(8))
    const sink = new Sink()
    sourceOf(client).attach(sink)
    client.clock.advance(900)
    client.send('abcd')
    client.clock.advance(900)
    expect(sink.error).toBeUndefined()
    client.clock.advance(100)
    expect(sink.error).toContain('nothing came')
    expect(client.aborted.map(error => error.code)).toEqual(['MM_CLIENT_TIMEOUT'])
    expect(client.output).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('fails with 413 when it grows beyond the limit', () => {
    const client = new FakeClient({ maxBodyBytes: 5 })
    client.send(`${CHUNKED}3\r\nabc\r\n`)
    const sink = new Sink()
    sourceOf(client).attach(sink)
    client.send('3\r\ndef\r\n')
    expect([sink.chunks, sink.error]).toEqual([['abc'], 'the request body is larger than 5 bytes'])
    expect(client.output).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('fails with 400 when its coding is broken, or breaks the connection when the response has begun', () => {
    const client = new FakeClient()
    client.send(`${CHUNKED}3\r\nabc\r\n`)
    const sink = new Sink()
    sourceOf(client).attach(sink)
    client.send('zz\r\n')
    expect(sink.error).toBeDefined()
    expect(client.output).toMatch(/^HTTP\/1\.1 400 /)
    const other = new FakeClient()
    other.send(`${CHUNKED}3\r\nabc\r\n`)
    other.exchange.respondStart(200, [])
    sourceOf(other).attach(new Sink())
    other.send('zz\r\n')
    expect(other.socket.destroyed).toBe(true)
    expect(other.output).toBe('')
    expect(other.aborted.map(error => error.code)).toEqual(['MM_BAD_REQUEST'])
  })

  it('fails when the client goes, for a reader that is attached and one that attaches later', () => {
    const client = new FakeClient()
    client.send(post(8))
    const sink = new Sink()
    sourceOf(client).attach(sink)
    client.session.receiveEnd()
    expect(sink.error).toContain('closed the connection')
    const other = new FakeClient()
    other.send(post(8))
    other.session.receiveEnd()
    expect(sourceOf(other).isReplayable()).toBe(false)
    const late = new Sink()
    sourceOf(other).attach(late)
    expect(late.error).toContain('closed the connection')
  })
})

describe('a response before the end of the request body', () => {
  it('lets a body that has a reader go on to its end, then accepts the next request', () => {
    const client = new FakeClient()
    client.send(`${post(8)}abcd`)
    const sink = new Sink()
    sourceOf(client).attach(sink)
    answerOk(client.exchange)
    expect(client.output).toBe(OK)
    client.send(`efgh${GET}`)
    expect(sink.trailers).toEqual([])
    expect(client.exchanges.length).toBe(2)
  })

  it('discards a short rest that nobody reads, and keeps the connection', () => {
    const client = new FakeClient({ maxDiscardBytes: 10 })
    client.send(post(8))
    answerOk(client.exchange)
    client.send('abcd')
    client.send(`efgh${GET}`)
    expect(client.exchanges.length).toBe(2)
    answerOk(client.exchange)
    expect(client.output).toBe(OK + OK)
  })

  it('closes before a long rest, and announces it when it knows in time', () => {
    const client = new FakeClient({ maxDiscardBytes: 10 })
    client.send(post(11))
    sourceOf(client).cancel()
    answerOk(client.exchange)
    expect(client.output).toContain('connection: close')
    expect(client.socket.writableEnded).toBe(true)
    const other = new FakeClient({ maxDiscardBytes: 10 })
    other.send(CHUNKED)
    answerOk(other.exchange)
    other.send('5\r\nabcde\r\n')
    expect(other.socket.writableEnded).toBe(false)
    other.send('5\r\nabcde\r\n')
    expect(other.socket.writableEnded).toBe(true)
  })

  it('closes after an answer to a client that still waits for its 100', () => {
    const client = new FakeClient()
    client.send(post(2, 'Expect: 100-continue\r\n'))
    expect(client.exchange.headers).toContain('expect')
    answerOk(client.exchange)
    expect(client.output).toContain('connection: close')
    expect(client.socket.writableEnded).toBe(true)
    const other = new FakeClient()
    other.send(post(2, 'Expect: 100-continue\r\n'))
    other.exchange.respondInformational(100, [])
    sourceOf(other).attach(new Sink())
    other.send('ab')
    answerOk(other.exchange)
    expect(other.output).toBe(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)
  })

  it('stops reading a body that was cancelled and is too long, until the answer came', () => {
    const client = new FakeClient({ maxDiscardBytes: 9 })
    client.send(`${CHUNKED}5\r\nabcde\r\n`)
    sourceOf(client).cancel()
    client.send('5\r\nabcde\r\n')
    expect(client.socket.isPaused()).toBe(true)
    answerOk(client.exchange)
    expect(client.output).toContain('connection: close')
  })
})
