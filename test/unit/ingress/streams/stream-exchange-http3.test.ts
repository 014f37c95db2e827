import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { BodySource } from '../../../../src/base/http/exchange.ts'
import type { HeaderList } from '../../../../src/base/http/headers.ts'
import type { IngressExchange } from '../../../../src/ingress/ingress-exchange.ts'
import { answerOk, own } from '../fake-client.ts'
import { type Asked, FakeHttp3Client } from '../fake-http3-client.ts'

const isOver = (asked: Asked) => (): boolean => asked.isOver

/** Takes what it is given as it is, as BodySink promises that it may. */
class Sink {
  readonly chunks: Uint8Array[] = []
  end_: HeaderList | undefined
  error: string | undefined
  takesMore = true
  write(chunk: Uint8Array): boolean {
    this.chunks.push(chunk)
    return this.takesMore
  }
  end(trailers: HeaderList): void {
    this.end_ = trailers
  }
  fail(error: TransportError): void {
    this.error = error.code
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

const sourceOf = (exchange: IngressExchange): BodySource => {
  expect(exchange.body).not.toBeInstanceOf(Uint8Array)
  return exchange.body as BodySource // neither null nor bytes
}

/** Bytes that tell their place, so that one that was overwritten shows. */
const numbered = (bytes: number, from = 0): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => (from + i) % 251))

describe('the request bodies of an exchange over HTTP/3', () => {
  it('are delivered as they were sent, in memory that stays unchanged', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask({ method: 'POST', ends: false })
    const body = numbered(200_000)
    let sent = 0
    const send = (): void => {
      while (sent < body.length) {
        const piece = body.subarray(sent, sent + 10_000)
        sent += piece.length
        if (!asked.stream.write(piece, own)) return
      }
      asked.stream.end(['x-sum', '1'])
    }
    asked.onWritable = send
    send()
    await client.until(() => client.exchanges.length === 1)
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    await client.until(() => sink.end_ !== undefined)
    expect(sink.bytes.equals(body)).toBe(true)
    expect(sink.end_).toEqual(['x-sum', '1'])
  })

  it('stop while nobody reads them, hold up to their window, and leave other requests alone', async () => {
    const client = FakeHttp3Client.established({
      handler: exchange => {
        if (exchange.method === 'GET') answerOk(exchange)
      },
    })
    const asked = client.ask({ method: 'POST', ends: false })
    const body = numbered(300_000)
    asked.stream.write(body, own)
    asked.stream.end([])
    await client.pass(1000)
    // The window of a stream, which the rest waits for.
    expect(asked.stream.queuedBytes).toBeGreaterThan(body.length - 80_000)
    const other = client.ask()
    await client.until(isOver(other))
    expect(String(other)).toBe('200 "ok"')
    const sink = new Sink()
    sink.takesMore = false
    const source = sourceOf(client.exchanges[0]!)
    source.attach(sink)
    await client.pass(1000)
    expect(sink.bytes.length).toBeLessThan(80_000)
    sink.takesMore = true
    source.resume()
    await client.until(() => sink.end_ !== undefined)
    expect(sink.bytes.equals(body)).toBe(true)
  })

  it('that stop are answered with 408, and their rest is refused', async () => {
    const client = FakeHttp3Client.established({ limits: { requestTimeoutMs: 1000 } })
    const asked = client.ask({ method: 'POST', ends: false })
    asked.stream.write(Buffer.from('a'), own)
    await client.until(() => client.exchanges.length === 1)
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    await client.pass(1100)
    expect([asked.statuses, sink.error]).toEqual([[408], 'MM_CLIENT_TIMEOUT'])
    expect(asked.trailers).toEqual([])
    expect(client.stats.badRequests).toEqual({ MM_CLIENT_TIMEOUT: 1 })
  })

  it('are not blamed for bytes that stalled readers of the same connection hold back', async () => {
    const client = FakeHttp3Client.established({
      limits: {
        requestTimeoutMs: 1000,
        quic: { streamWindowBytes: 65_536, maxStreamWindowBytes: 65_536, connectionWindowBytes: 65_536 },
      },
    })
    const asleep = client.ask({ method: 'POST', ends: false })
    asleep.stream.write(numbered(100_000), own)
    await client.until(() => client.exchanges.length === 1)
    await client.pass(500)
    const stuck = client.ask({ method: 'POST', ends: false })
    await client.pass(3000)
    expect([asleep.isOver, stuck.isOver, client.stats.badRequests]).toEqual([false, false, {}])
  })

  it('that are too large are refused, at once when their length says so', async () => {
    const client = FakeHttp3Client.established({ limits: { maxBodyBytes: 4 } })
    const said = client.ask({ method: 'POST', headers: ['content-length', '5'], ends: false })
    const found = client.ask({ method: 'POST', ends: false })
    found.stream.write(Buffer.from('abcde'), own)
    await client.until(() => said.isOver && found.isOver)
    expect([said.statuses, found.statuses]).toEqual([[413], [413]])
    expect(client.exchanges).toEqual([])
  })

  it('that are shorter than announced break their request', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask({ method: 'POST', headers: ['content-length', '4'], ends: false })
    await client.until(() => client.exchanges.length === 1)
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    asked.stream.write(Buffer.from('abc'), own)
    asked.stream.end([])
    await client.until(() => sink.error !== undefined)
    expect([sink.error, client.stats.badRequests]).toEqual(['MM_BAD_REQUEST', { MM_BAD_REQUEST: 1 }])
  })
})

describe('the responses of an exchange over HTTP/3', () => {
  it('may begin with 1xx and end with trailers, without a body too', async () => {
    const client = FakeHttp3Client.established({
      handler: exchange => {
        exchange.respondInformational(103, ['link', '</a>'])
        exchange.respondInformational(101, [])
        exchange.respondStart(200, [])
        if (exchange.path === '/full') exchange.respondData(Buffer.from('x'), own)
        exchange.respondEnd(['x-sum', '1'])
      },
    })
    const full = client.ask({ path: '/full' })
    const bare = client.ask({ path: '/bare' })
    await client.until(() => full.isOver && bare.isOver)
    expect([String(full), full.trailers]).toEqual(['103 200 "x"', ['x-sum', '1']])
    expect([String(bare), bare.trailers]).toEqual(['103 200 ""', ['x-sum', '1']])
  })

  it('leave at the end of the turn when nothing follows their head', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    client.exchange.respondStart(200, [])
    await client.pass(100)
    expect(String(asked)).toBe('200 "" unfinished')
    client.exchange.respondEnd([])
    await client.until(isOver(asked))
    expect(String(asked)).toBe('200 ""')
  })

  it.each(['HEAD', 'GET'])(
    'to %s with 204 or content-length and no body end with their head',
    async method => {
      const client = FakeHttp3Client.established({
        handler: exchange => {
          exchange.respondStart(
            method === 'HEAD' ? 200 : 204,
            method === 'HEAD' ? ['content-length', '5'] : [],
          )
          exchange.respondEnd([])
        },
      })
      const asked = client.ask({ method })
      await client.until(isOver(asked))
      expect([asked.statuses, asked.body.length, asked.reset]).toEqual([
        [method === 'HEAD' ? 200 : 204],
        0,
        undefined,
      ])
    },
  )

  it('wait for a slow client, notify the handler when there is room, and lose nothing', async () => {
    const client = FakeHttp3Client.established({ limits: { http3: { writeAheadBytes: 20_000 } } })
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    asked.stream.pause()
    const { exchange } = client
    const body = numbered(1_000_000)
    let sent = 0
    let waits = 0
    const more = (): void => {
      while (sent < body.length) {
        const piece = body.subarray(sent, sent + 10_000)
        sent += piece.length
        if (!exchange.respondData(piece, own)) {
          waits++
          return
        }
      }
      exchange.respondEnd([])
    }
    exchange.events = { onDrain: more, onAborted() {} }
    exchange.respondStart(200, ['content-length', String(body.length)])
    more()
    await client.pass(2000)
    expect([sent < 500_000, waits > 0]).toEqual([true, true])
    asked.stream.resume()
    await client.until(isOver(asked))
    expect(asked.body.equals(body)).toBe(true)
  })

  it('whose client never reads are given up, and others are not', async () => {
    const client = FakeHttp3Client.established({
      limits: { writeTimeoutMs: 1000, http3: { writeAheadBytes: 1 } },
    })
    const stuck = client.ask()
    await client.until(() => client.exchanges.length === 1)
    stuck.stream.pause()
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.alloc(2_000_000), own)
    const other = client.ask()
    await client.until(() => client.exchanges.length === 2)
    answerOk(client.exchange)
    await client.until(isOver(other))
    await client.pass(3000)
    expect(client.aborted).toEqual([
      'MM_CLIENT_GONE the client opened no window for the response for 1000 ms',
    ])
    expect(String(other)).toBe('200 "ok"')
  })

  it.each([
    ['longer', '2'],
    ['shorter', '9'],
  ])('that are %s than announced are broken off', async (what, length) => {
    const client = FakeHttp3Client.established({
      handler: exchange => {
        exchange.respondStart(200, ['content-length', length])
        exchange.respondData(Buffer.from('abc'), own)
        exchange.respondEnd([])
      },
    })
    const asked = client.ask()
    await client.until(isOver(asked))
    expect(asked.reset?.code).toBe('H3_INTERNAL_ERROR')
    expect(client.aborted).toEqual([`MM_INTERNAL the response body is ${what} than its content-length`])
  })

  it('that fail are reset, and the others go on', async () => {
    const client = FakeHttp3Client.established({
      handler: exchange => {
        if (exchange.path === '/ok') return answerOk(exchange)
        exchange.respondStart(200, [])
        exchange.respondData(Buffer.from('begun'), own)
        exchange.abort(new TransportError('MM_STREAM_RESET', 'x'))
      },
    })
    const broken = client.ask()
    const well = client.ask({ path: '/ok' })
    await client.until(() => broken.isOver && well.isOver)
    expect([broken.reset?.code, String(well)]).toEqual(['H3_INTERNAL_ERROR', '200 "ok"'])
  })

  it('that the client refuses to receive further are reported to the handler', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    asked.stream.reset('CANCEL')
    await client.pass(100)
    expect(client.aborted).toEqual([
      expect.stringMatching(/^MM_CLIENT_GONE the client reset the stream \(H3_REQUEST_CANCELLED\)/),
    ])
  })
})

describe('a tunnel of an exchange over HTTP/3', () => {
  it('is a GET with an upgrade, from an extended CONNECT, that carries bytes in both directions', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask({ method: 'CONNECT', protocol: 'websocket', path: '/chat', ends: false })
    await client.until(() => client.exchanges.length === 1)
    const { method, upgrade, headers, path } = client.exchange
    expect([method, upgrade, path]).toEqual(['GET', 'websocket', '/chat'])
    expect(headers).toContain('sec-websocket-key')
    const tunnel = client.exchange.acceptUpgrade(101, ['sec-websocket-accept', 'x', 'x-a', '1'])
    let received = ''
    tunnel.on('data', (chunk: Buffer) => (received += chunk.toString()))
    tunnel.write('down')
    await client.until(() => asked.body.length > 0)
    expect([asked.statuses, asked.headers, asked.body.toString()]).toEqual([[200], ['x-a', '1'], 'down'])
    asked.stream.write(Buffer.from('up'), own)
    await client.until(() => received === 'up')
    tunnel.end()
    await client.until(isOver(asked))
    asked.stream.end([])
    await client.pass(100)
    expect(asked.reset).toBeUndefined()
  })

  it('is reset when either side breaks it off', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask({ method: 'CONNECT', protocol: 'other', ends: false })
    await client.until(() => client.exchanges.length === 1)
    client.exchange.acceptUpgrade(101, []).destroy()
    await client.until(isOver(asked))
    expect(asked.reset?.code).toBe('H3_REQUEST_CANCELLED')
  })
})
