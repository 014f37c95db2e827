import { once } from 'node:events'
import type * as http2 from 'node:http2'
import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { headerValue } from '../../src/base/http/headers.ts'
import { until } from '../support/until.ts'
import { ContractBench, echo, hello, neverAnswers, requestOf, turns } from './contract-bench.ts'
import { type Http2ContractPeer, http2Peer } from './http2-peer.ts'
import { RecordingHandler } from './recorder.ts'
import { RepeatingSource, ScriptedSource } from './scripted-source.ts'

/** The session that the only connection of a test has at the origin. */
function sessionOf(peer: Http2ContractPeer): http2.ServerHttp2Session {
  const [session] = peer.sessions
  if (session === undefined) throw new Error('the origin has no session')
  return session
}

const known = (bench: ContractBench): Promise<void> =>
  until(() => bench.log.includes('capacity-changed'), 'the SETTINGS of the origin')

for (const scheme of ['http', 'https'] as const) {
  describe(`many exchanges on one connection of HTTP/2 (${scheme})`, () => {
    const peer = http2Peer('onread', { scheme, settings: { maxConcurrentStreams: 100 } })
    const bench = new ContractBench(peer)

    it('run at once, as many as the peer allows', async () => {
      let open = 0
      let release: () => void = () => undefined
      const released = new Promise<void>(resolve => void (release = resolve))
      const connection = await bench.connect(async exchange => {
        open++
        if (open === 100) release()
        await released
        exchange.respond(200)
        exchange.end()
      })
      expect([connection.capacity, connection.isCapacityProvisional]).toEqual([4, true])
      await known(bench)
      expect([connection.capacity, connection.isCapacityProvisional]).toEqual([100, false])
      const handlers = Array.from({ length: 100 }, () => bench.open(connection))
      expect(connection.toString()).toMatch(/ active, 100 streams, 100 requests$/)
      const refused = bench.open(connection)
      expect([refused.error?.code, refused.error?.processed]).toEqual(['MM_REFUSED', 'no'])
      const done = await Promise.all(handlers.map(handler => handler.done))
      expect(done.map(handler => handler.status)).toEqual(done.map(() => 200))
      expect(open).toBe(100)
      expect(bench.log).not.toContain('stream-failed')
    })

    it('leave the others alone when one is paused, and it is held back at its origin', async () => {
      const chunk = Buffer.alloc(16_384, 'e')
      let stalledSent = 0
      const connection = await bench.connect(async exchange => {
        exchange.respond(200)
        for (let i = 0; i < (exchange.path === '/stalled' ? 4000 : 64); i++) {
          if (exchange.path === '/stalled') stalledSent += chunk.length
          if (!exchange.write(chunk)) await exchange.drained()
        }
        exchange.end()
      })
      await known(bench)
      const stalled = new RecordingHandler()
      stalled.onChunk = controller => controller.pause()
      connection.open(requestOf({ path: '/stalled' }), stalled)
      await stalled.started
      const others = Array.from({ length: 40 }, () => bench.open(connection))
      for (const other of await Promise.all(others.map(handler => handler.done))) {
        expect(other.bytes).toBe(64 * 16_384)
      }
      // The window of a stream, what the origin holds itself, and the reads that were under way.
      expect(stalledSent).toBeLessThan(1_000_000)
      expect(stalled.bytes).toBeLessThan(200_000)
      stalled.onChunk = () => undefined
      stalled.controller?.resume()
      await stalled.done
      expect(stalled.bytes).toBe(4000 * 16_384)
    })

    it('leave the others alone when one is given up, or one handler throws', async () => {
      const connection = await bench.connect(async exchange => {
        exchange.respond(200)
        exchange.write(Buffer.alloc(100_000, 'f'))
        await turns(20)
        exchange.end()
      })
      await known(bench)
      const handlers = Array.from({ length: 10 }, (_, index) => {
        const handler = new RecordingHandler()
        if (index === 3) {
          handler.onHead = () => {
            throw new Error('head')
          }
        } else if (index === 5) {
          handler.onChunk = controller => controller.abort(new TransportError('MM_ABORTED', 'enough'))
        } else if (index === 7) {
          handler.onChunk = () => {
            throw new Error('chunk')
          }
        }
        connection.open(requestOf(), handler)
        return handler
      })
      await Promise.all(handlers.map(handler => handler.done))
      expect(handlers.map(handler => handler.error?.code ?? handler.bytes)).toEqual([
        100_000,
        100_000,
        100_000,
        'MM_INTERNAL',
        100_000,
        'MM_ABORTED',
        100_000,
        'MM_INTERNAL',
        100_000,
        100_000,
      ])
      expect(bench.log).not.toContain('stream-failed')
      expect((await bench.open(connection).done).bytes).toBe(100_000)
    })

    it('leave the others alone when one exceeds its deadline', async () => {
      const connection = await bench.connect(exchange => {
        if (exchange.path === '/slow') return
        void echo(exchange)
      })
      await known(bench)
      const slow = bench.open(connection, { path: '/slow', headersTimeoutMs: 500 })
      const patient = bench.open(connection, { path: '/slow', headersTimeoutMs: 900 })
      const quick = bench.open(connection, {
        method: 'POST',
        body: Buffer.alloc(300_000),
        bodyTimeoutMs: 500,
      })
      await quick.done
      bench.clock.advance(500)
      expect(slow.error?.code).toBe('MM_HEADERS_TIMEOUT')
      expect(patient.error).toBeUndefined()
      bench.clock.advance(400)
      expect(patient.error?.code).toBe('MM_HEADERS_TIMEOUT')
      expect((await bench.open(connection).done).status).toBe(200)
    })

    it('upload at the same time', async () => {
      const connection = await bench.connect(echo)
      await known(bench)
      const bodies = Array.from({ length: 20 }, (_, index) => {
        const source = new RepeatingSource(Buffer.alloc(20_000, index), 20)
        return bench.open(connection, { method: 'POST', body: source })
      })
      for (const [index, handler] of (await Promise.all(bodies.map(body => body.done))).entries()) {
        expect(handler.body.equals(Buffer.alloc(400_000, index))).toBe(true)
      }
    })
  })
}

describe('a connection of HTTP/2', () => {
  const peer = http2Peer('onread')
  const bench = new ContractBench(peer)

  it('reports a new capacity', async () => {
    const connection = await bench.connect(hello)
    await known(bench)
    bench.log.length = 0
    sessionOf(peer).settings({ maxConcurrentStreams: 7 })
    await known(bench)
    expect(connection.capacity).toBe(7)
  })

  it('sends te: trailers, and the length of a body that it knows', async () => {
    const connection = await bench.connect(async exchange => {
      await exchange.body()
      const { te, 'content-length': length } = exchange.headers
      exchange.respond(200, { 'x-seen': `${String(te)} ${String(length)}` })
      exchange.end()
    })
    const seen = async (overrides: Parameters<typeof requestOf>[0]): Promise<string | undefined> =>
      headerValue((await bench.open(connection, overrides).done).headers, 'x-seen')
    expect(await seen({})).toBe('trailers undefined')
    expect(await seen({ method: 'POST' })).toBe('trailers 0')
    expect(await seen({ method: 'POST', body: Buffer.from('four') })).toBe('trailers 4')
    const source = new RepeatingSource(Buffer.alloc(10), 3, { length: 30 })
    expect(await seen({ method: 'PUT', body: source })).toBe('trailers 30')
    const unknown = new RepeatingSource(Buffer.alloc(10), 3)
    expect(await seen({ method: 'PUT', body: unknown })).toBe('trailers undefined')
    const announced = new RepeatingSource(Buffer.alloc(10), 3)
    expect(await seen({ method: 'PUT', body: announced, headers: ['content-length', '30'] })).toBe(
      'trailers 30',
    )
  })

  it('answers checks of several callers with one PING, and lets each give up alone', async () => {
    const connection = await bench.connect(hello)
    await known(bench)
    let pings = 0
    sessionOf(peer).on('ping', () => pings++)
    const given = new AbortController()
    const checks = [connection.ping(), connection.ping(given.signal), connection.ping()]
    given.abort()
    await expect(checks[1]).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await Promise.all([checks[0], checks[2]])
    expect(pings).toBe(1)
    await expect(connection.ping(AbortSignal.abort())).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await connection.ping()
    expect(pings).toBe(2)
  })

  it('receives its own origin set and alternatives', async () => {
    const alternatives: string[] = []
    const telling = http2Peer('onread', {
      connection: { onAltSvc: (origin, value) => void alternatives.push(`${origin} ${value}`) },
    })
    const { listener, clock } = bench
    const connection = await telling.connect({ script: hello, listener, clock })
    expect([connection.originSet, connection.enablesExtendedConnect]).toEqual([undefined, undefined])
    await known(bench)
    expect(connection.enablesExtendedConnect).toBe(true)
    sessionOf(telling).origin('https://a.example')
    sessionOf(telling).origin('https://b.example:8443')
    sessionOf(telling).altsvc('h3=":443"', 'https://a.example')
    await until(() => alternatives.length > 0, 'ALTSVC')
    expect(connection.originSet).toEqual(['https://a.example', 'https://b.example:8443'])
    expect(alternatives).toEqual(['https://a.example h3=":443"'])
    connection.close('shutdown')
    await telling.stop()
  })

  it('lets its exchanges end when the peer sends GOAWAY, and takes no more', async () => {
    let finish: () => void = () => undefined
    const connection = await bench.connect(exchange => {
      exchange.respond(200)
      finish = () => exchange.end()
    })
    const handler = bench.open(connection)
    await handler.started
    sessionOf(peer).goaway()
    await until(() => bench.log.includes('draining peer-closed'), 'the drain')
    expect(connection.capacity).toBe(0)
    const late = bench.open(connection)
    expect([late.error?.code, late.error?.processed]).toEqual(['MM_CONNECTION_CLOSED', 'no'])
    finish()
    await handler.done
    expect(handler.error).toBeUndefined()
    expect(await bench.listener.closed).toBe('peer-closed')
  })

  it('ends in order when its last exchange is given up while it drains', async () => {
    const connection = await bench.connect(neverAnswers)
    await known(bench)
    const handler = bench.open(connection)
    connection.drain('max-age')
    expect(connection.toString()).toMatch(/ draining, 1 streams, 1 requests$/)
    handler.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
    expect(bench.exchangeLog).toEqual([
      'request-start',
      'stream-closed',
      'closed max-age',
      'response-error MM_ABORTED no',
    ])
  })

  it('does not hide what a handler throws within its last call, and goes on', async () => {
    const connection = await bench.connect(hello)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    try {
      const thrown = once(process, 'uncaughtException')
      const handler = new RecordingHandler()
      handler.onEnd = () => {
        throw new Error('in the end')
      }
      connection.open(requestOf(), handler)
      const second = bench.open(connection)
      expect((await thrown)[0]).toMatchObject({ message: 'in the end' })
      expect((await second.done).body.toString()).toBe('hello')
    } finally {
      for (const other of others) process.on('uncaughtException', other)
    }
  })

  it('stops the rest of a body when it is answered, and the origin sees no error in that', async () => {
    const codes: number[] = []
    const connection = await bench.connect(exchange => void hello(exchange))
    await known(bench)
    sessionOf(peer).on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('close', () => void codes.push(stream.rstCode))
    })
    const source = new ScriptedSource()
    const exchange = bench.open(connection, { method: 'POST', body: source })
    source.sink?.write(Buffer.from('begin'))
    await exchange.done
    expect([exchange.error, source.isCancelled]).toEqual([undefined, true])
    expect((await bench.open(connection).done).body.toString()).toBe('hello')
    await until(() => codes.length === 2, 'the end of the streams')
    expect(codes).toEqual([0, 0])
  })
})

describe('a tunnel over HTTP/2', () => {
  const peer = http2Peer('onread')
  const bench = new ContractBench(peer)
  const KEY = 'dGhlIHNhbXBsZSBub25jZQ==' // RFC 6455 1.3

  it('gives a client of HTTP/1.1 the 101 and the answer to its key', async () => {
    let seen: Record<string, unknown> = {}
    const connection = await bench.connect(exchange => {
      seen = exchange.headers
      exchange.acceptUpgrade('')
    })
    const headers = ['sec-websocket-key', KEY, 'sec-websocket-version', '13', 'content-length', '0']
    const handler = await bench.open(connection, { upgrade: 'WebSocket', path: '/chat', headers }).done
    expect(handler.status).toBe(101)
    expect(headerValue(handler.headers, 'sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    expect(seen).toMatchObject({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/chat',
      ':authority': 'origin.example',
      'sec-websocket-version': '13',
    })
    expect(seen['sec-websocket-key'] ?? seen['content-length'] ?? seen['te']).toBeUndefined()
    handler.tunnel?.destroy()
  })

  it('leaves the status as it is without a key, and for other protocols', async () => {
    const connection = await bench.connect(exchange => void exchange.acceptUpgrade(''))
    for (const overrides of [
      { upgrade: 'websocket' },
      { upgrade: 'connect-udp', headers: ['sec-websocket-key', KEY] },
    ]) {
      const handler = await bench.open(connection, overrides).done
      expect(handler.status).toBe(200)
      expect(headerValue(handler.headers, 'sec-websocket-accept')).toBeUndefined()
      handler.tunnel?.destroy()
    }
  })

  it('carries CONNECT', async () => {
    const connection = await bench.connect(exchange => {
      const stream = exchange.acceptUpgrade(`${exchange.method} ${exchange.authority} ${exchange.path};`)
      stream.on('end', () => void stream.end('bye'))
      stream.resume()
    })
    const handler = await bench.open(connection, { method: 'CONNECT', authority: 'far.example:22', path: '' })
      .done
    const { tunnel } = handler
    if (tunnel === undefined) throw new Error(`no tunnel: ${bench.log.join()}`)
    let received = ''
    tunnel.on('data', (chunk: Buffer) => void (received += chunk.toString()))
    tunnel.end('hello')
    await once(tunnel, 'end')
    expect([handler.status, received]).toEqual([200, 'CONNECT far.example:22 ;bye'])
  })

  it('carries bytes in both directions in parallel with other exchanges, with a half-close, and frees its stream at its end', async () => {
    const connection = await bench.connect(exchange => {
      if (exchange.path === '/hello') {
        void hello(exchange)
        return
      }
      const stream = exchange.acceptUpgrade('')
      stream.on('data', (chunk: Buffer) => void stream.write(chunk))
      stream.on('end', () => void stream.end())
    })
    const { tunnel } = await bench.open(connection, { upgrade: 'websocket' }).done
    if (tunnel === undefined) throw new Error(`no tunnel: ${bench.log.join()}`)
    expect(connection.toString()).toMatch(/ active, 1 streams, 1 requests$/)
    const chunks: Buffer[] = []
    tunnel.on('data', (chunk: Buffer) => void chunks.push(chunk))
    let sent = 0
    while (sent < 100) {
      sent++
      if (!tunnel.write(Buffer.alloc(30_000, sent))) await once(tunnel, 'drain')
      if (sent % 10 === 0) {
        expect((await bench.open(connection, { path: '/hello' }).done).body.toString()).toBe('hello')
      }
    }
    expect(bench.log.filter(entry => entry === 'stream-closed').length).toBe(10)
    tunnel.end()
    await once(tunnel, 'end')
    const bytes = Buffer.concat(chunks)
    expect(bytes.length).toBe(3_000_000)
    for (let i = 0; i < 100; i++) expect(bytes[i * 30_000]).toBe(i + 1)
    await until(() => connection.toString().includes('idle, 0 streams'), 'the end of the stream')
    expect(bench.log.filter(entry => entry === 'stream-closed').length).toBe(11)
  })

  it('is reset when its holder destroys it, and frees its stream', async () => {
    let code: number | undefined
    const connection = await bench.connect(exchange => {
      const stream = exchange.acceptUpgrade('') as http2.ServerHttp2Stream // what the peer hands out
      stream.on('close', () => void (code = stream.rstCode))
    })
    const { tunnel } = await bench.open(connection, { upgrade: 'websocket' }).done
    tunnel?.destroy()
    expect(connection.toString()).toMatch(/ idle, 0 streams/)
    await until(() => code !== undefined, 'the reset')
    expect(code).toBe(8) // CANCEL
    await connection.ping()
  })

  it('breaks with its connection', async () => {
    const connection = await bench.connect(exchange => void exchange.acceptUpgrade(''))
    const { tunnel } = await bench.open(connection, { upgrade: 'websocket' }).done
    if (tunnel === undefined) throw new Error(`no tunnel: ${bench.log.join()}`)
    const broken = once(tunnel, 'error')
    connection.close('shutdown')
    const [error] = (await broken) as unknown[]
    expect(error).toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
    expect(bench.log.slice(-2)).toEqual(['stream-closed', 'closed shutdown'])
  })

  it('is not opened when the origin refuses', async () => {
    const connection = await bench.connect(exchange => {
      exchange.respond(403)
      exchange.end()
    })
    const handler = await bench.open(connection, { upgrade: 'websocket' }).done
    expect([handler.status, handler.error]).toEqual([403, undefined])
    expect((await bench.open(connection).done).status).toBe(403)
  })

  it('is refused where the origin does not offer it, and for a request that extended CONNECT cannot express', async () => {
    const without = http2Peer('onread', { settings: { enableConnectProtocol: false } })
    const { listener, clock } = bench
    const connection = await without.connect({ script: neverAnswers, listener, clock })
    // At once, while the SETTINGS are under way; and later.
    for (let i = 0; i < 2; i++) {
      const { error } = await bench.open(connection, { upgrade: 'websocket' }).done
      expect([error?.code, error?.processed]).toEqual(['MM_UPGRADE_UNAVAILABLE', 'no'])
    }
    connection.close('shutdown')
    await without.stop()
    const offering = await bench.connect(neverAnswers)
    for (const what of [{ body: Buffer.from('x') }, { method: 'POST' }, { upgrade: 'SPDY/3.1' }]) {
      const { error } = await bench.open(offering, { upgrade: 'websocket', ...what }).done
      expect([error?.code, error?.processed]).toEqual(['MM_UPGRADE_UNAVAILABLE', 'no'])
    }
  })
})
