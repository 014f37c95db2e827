import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/connection.ts'
import { TransportError } from '../../src/errors.ts'
import type { ExchangeRequest, RequestBody } from '../../src/exchange.ts'
import { headerValue } from '../../src/headers.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import type { ContractPeer, OriginScript } from './contract-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'
import { RepeatingSource, ScriptedSource } from './scripted-source.ts'

export function requestOf(overrides: Partial<ExchangeRequest> = {}): ExchangeRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'origin.example',
    path: '/',
    headers: [],
    body: null,
    headersTimeoutMs: 0,
    bodyTimeoutMs: 0,
    ...overrides,
  }
}

const hello: OriginScript = exchange => {
  exchange.respond(200, { 'content-type': 'text/plain' })
  exchange.write(Buffer.from('hello'))
  exchange.end()
}

const echo: OriginScript = async exchange => {
  const body = await exchange.body()
  exchange.respond(200, {
    'x-length': String(body.length),
    'x-trailer': exchange.trailers()['x-sum'] ?? 'none',
  })
  exchange.write(body)
  exchange.end()
}

const neverAnswers: OriginScript = () => undefined

/** Turns of the event loop, for what must not happen. */
async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/**
 * What every Connection does, whatever it speaks. The pool and the transport rely on nothing else.
 */
export function describeConnection(name: string, peer: ContractPeer): void {
  describe(`the connection contract: ${name}`, () => {
    let log: string[]
    let listener: RecordingListener
    let clock: FakeClock

    beforeEach(() => {
      log = []
      listener = new RecordingListener(log)
      clock = new FakeClock()
    })
    afterEach(() => peer.stop())

    const connect = (script: OriginScript): Promise<Connection> => peer.connect({ script, listener, clock })

    function open(
      connection: Connection,
      overrides: Partial<ExchangeRequest> = {},
      title = '',
    ): RecordingHandler {
      const handler = new RecordingHandler(log, title)
      connection.open(requestOf(overrides), handler)
      return handler
    }

    describe('an exchange', () => {
      it('reports the response, and frees its stream before the handler hears of the end', async () => {
        const connection = await connect(hello)
        const exchange = await open(connection).done
        expect(exchange.status).toBe(200)
        expect(headerValue(exchange.headers, 'content-type')).toBe('text/plain')
        expect(exchange.body.toString()).toBe('hello')
        expect(log).toEqual(['request-start', 'response-start 200', 'stream-closed', 'response-end'])
      })

      it('tells the origin method, path, authority and end-to-end fields', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200, {
            'x-seen': `${exchange.method} ${exchange.path} ${exchange.authority} ${exchange.headers['x-mine']}`,
          })
          exchange.end()
        })
        const seen = await open(connection, {
          method: 'DELETE',
          path: '/a/b?c=d',
          headers: ['x-mine', 'yes'],
        }).done
        expect(headerValue(seen.headers, 'x-seen')).toBe('DELETE /a/b?c=d origin.example yes')
      })

      it('keeps fields that belong to the connection out of the response', async () => {
        const connection = await connect(hello)
        const { headers } = await open(connection).done
        for (const field of ['connection', 'keep-alive', 'transfer-encoding']) {
          expect(headerValue(headers, field)).toBeUndefined()
        }
      })

      it('leaves the connection ready for the next one', async () => {
        const connection = await connect(hello)
        for (let i = 0; i < 5; i++) {
          expect((await open(connection).done).body.toString()).toBe('hello')
        }
        expect(connection.toString()).toContain('5 requests')
      })

      it('can be followed by one that is opened from within onStreamClosed', async () => {
        const connection = await connect(hello)
        const second = new RecordingHandler(log, 'second')
        listener.onFree = () => connection.open(requestOf(), second)
        const first = await open(connection, {}, 'first').done
        await second.done
        expect([first.body.toString(), second.body.toString()]).toEqual(['hello', 'hello'])
        expect(log).toEqual([
          'first: request-start',
          'first: response-start 200',
          'stream-closed',
          'second: request-start',
          'first: response-end',
          'second: response-start 200',
          'stream-closed',
          'second: response-end',
        ])
      })

      it('can be followed by one that is opened from within onResponseEnd', async () => {
        const connection = await connect(hello)
        const second = new RecordingHandler(log)
        const first = open(connection)
        first.onEnd = () => connection.open(requestOf(), second)
        await second.done
        expect(second.body.toString()).toBe('hello')
      })

      it('carries informational responses', async () => {
        const connection = await connect(exchange => {
          exchange.earlyHints({ 'x-hint': 'one' })
          exchange.respond(200)
          exchange.end()
        })
        const exchange = await open(connection).done
        expect(exchange.informational.map(([status]) => status)).toEqual([103])
        expect(headerValue(exchange.informational[0]?.[1] ?? [], 'x-hint')).toBe('one')
        expect(exchange.status).toBe(200)
      })

      it('carries the trailers of the response', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200, { trailer: 'x-sum' })
          exchange.write(Buffer.from('abc'))
          exchange.end({ 'x-sum': '42' })
        })
        const exchange = await open(connection).done
        expect(exchange.trailers).toEqual(['x-sum', '42'])
      })

      it.each([
        ['HEAD', 200],
        ['GET', 204],
        ['GET', 304],
      ])('of %s with %i has no body and leaves the connection in step', async (method, status) => {
        const connection = await connect(exchange => {
          if (exchange.path === '/next') void hello(exchange)
          else {
            exchange.respond(status, status === 204 ? {} : { 'content-length': '5' })
            exchange.end()
          }
        })
        const first = await open(connection, { method }).done
        expect([first.status, first.bytes]).toEqual([status, 0])
        const next = await open(connection, { path: '/next' }).done
        expect(next.body.toString()).toBe('hello')
      })
    })

    describe('a request body', () => {
      it.each([
        ['an empty one in memory', Buffer.alloc(0)],
        ['a small one in memory', Buffer.from('small')],
        ['a large one in memory', Buffer.alloc(1_000_000, 'x')],
      ])('arrives whole: %s', async (_title, body) => {
        const connection = await connect(echo)
        const exchange = await open(connection, { method: 'POST', body }).done
        expect(headerValue(exchange.headers, 'x-length')).toBe(String(body.length))
        expect(exchange.body.equals(body)).toBe(true)
      })

      it('of unknown length arrives whole, with its trailers', async () => {
        const connection = await connect(echo)
        const source = new RepeatingSource(Buffer.alloc(10_000, 'a'), 100, { trailers: ['x-sum', '7'] })
        const exchange = await open(connection, { method: 'POST', body: source }).done
        expect(exchange.body.length).toBe(1_000_000)
        expect(headerValue(exchange.headers, 'x-trailer')).toBe('7')
        expect(source.isCancelled).toBe(false)
      })

      it('of known length arrives whole', async () => {
        const connection = await connect(echo)
        const source = new RepeatingSource(Buffer.alloc(100, 'b'), 30, { length: 3000 })
        const exchange = await open(connection, { method: 'PUT', body: source }).done
        expect(exchange.body.toString()).toBe('b'.repeat(3000))
      })

      it('that ends at once is an empty one', async () => {
        const connection = await connect(echo)
        const source = new RepeatingSource(Buffer.alloc(1), 0)
        const exchange = await open(connection, { method: 'POST', body: source }).done
        expect(exchange.body.length).toBe(0)
      })

      it('is not taken faster than the origin reads', async () => {
        let release: () => void = () => undefined
        const released = new Promise<void>(resolve => void (release = resolve))
        const connection = await connect(async exchange => {
          await released
          await echo(exchange)
        })
        const source = new RepeatingSource(Buffer.alloc(65_536, 'c'), 300)
        const exchange = open(connection, { method: 'POST', body: source })
        await turns(200)
        const before = source.sent
        expect(before).toBeLessThan(200)
        release()
        const { body } = await exchange.done
        expect(body.length).toBe(300 * 65_536)
        expect(source.resumes).toBeGreaterThan(0)
      })

      it('that is longer than announced fails the exchange and never reaches the origin as such', async () => {
        const connection = await connect(neverAnswers)
        const source = new RepeatingSource(Buffer.alloc(10), 2, { length: 15 })
        const { error } = await open(connection, { method: 'POST', body: source }).done
        expect([error?.code, error?.processed]).toEqual(['MM_BODY_LENGTH', 'unknown'])
        expect(source.isCancelled).toBe(true)
        expect(log).not.toContain('stream-failed')
      })

      it('that is shorter than announced fails the exchange', async () => {
        const connection = await connect(neverAnswers)
        const source = new RepeatingSource(Buffer.alloc(10), 1, { length: 15 })
        const { error } = await open(connection, { method: 'POST', body: source }).done
        expect(error?.code).toBe('MM_BODY_LENGTH')
      })

      it('that fails at its source fails the exchange with its error', async () => {
        const connection = await connect(neverAnswers)
        const failure = new TransportError('MM_BODY_FAILED', 'the disk is gone')
        const source = new RepeatingSource(Buffer.alloc(10), 3, { failure })
        const { error } = await open(connection, { method: 'POST', body: source }).done
        expect([error?.code, error?.message, error?.processed]).toEqual([
          'MM_BODY_FAILED',
          'the disk is gone',
          'unknown',
        ])
        expect(log).not.toContain('stream-failed')
      })

      it('is cancelled when the final response is complete before it', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200, { 'content-length': '2' })
          exchange.write(Buffer.from('no'))
          exchange.end()
        })
        const source = new ScriptedSource()
        const exchange = open(connection, { method: 'POST', body: source })
        source.sink?.write(Buffer.from('begin'))
        await exchange.done
        expect([exchange.status, exchange.body.toString()]).toEqual([200, 'no'])
        expect(source.isCancelled).toBe(true)
        source.sink?.write(Buffer.from('late'))
        source.sink?.end([])
      })
    })

    describe('the flow of a response', () => {
      const big = Buffer.alloc(65_536, 'd')
      const flood: OriginScript = async exchange => {
        exchange.respond(200)
        for (let i = 0; i < 200; i++) if (!exchange.write(big)) await exchange.drained()
        exchange.end()
      }

      it('stops when the handler pauses it and goes on when it is resumed', async () => {
        const connection = await connect(flood)
        const handler = new RecordingHandler(log)
        handler.onChunk = controller => {
          if (handler.bytes < 100_000) controller.pause()
        }
        connection.open(requestOf(), handler)
        await handler.started
        await turns(100)
        const stoppedAt = handler.bytes
        expect(stoppedAt).toBeGreaterThan(0)
        expect(stoppedAt).toBeLessThanOrEqual(4 * 65_536)
        expect(handler.controller?.paused).toBe(true)
        await turns(100)
        expect(handler.bytes).toBe(stoppedAt)
        handler.onChunk = () => undefined
        handler.controller?.resume()
        await handler.done
        expect(handler.bytes).toBe(200 * 65_536)
      })

      it('lends its chunks; what is kept stays as it was', async () => {
        const connection = await connect(async exchange => {
          exchange.respond(200)
          for (let i = 0; i < 100; i++) {
            if (!exchange.write(Buffer.alloc(30_000 + i, i))) await exchange.drained()
          }
          exchange.end()
        })
        const handler = new RecordingHandler(log)
        const kept: Buffer[] = []
        const copies: Buffer[] = []
        handler.onChunk = (controller, chunk) => {
          copies.push(Buffer.from(chunk))
          kept.push(controller.keep(chunk))
        }
        connection.open(requestOf(), handler)
        await handler.done
        expect(handler.bytes).toBe(3_004_950)
        expect(Buffer.concat(kept).equals(Buffer.concat(copies))).toBe(true)
      })

      it('leaves the connection usable when it was paused to its end', async () => {
        const connection = await connect(hello)
        const handler = new RecordingHandler(log)
        handler.onHead = controller => controller.pause()
        connection.open(requestOf(), handler)
        await handler.started
        handler.controller?.resume()
        await handler.done
        expect((await open(connection).done).body.toString()).toBe('hello')
      })
    })

    describe('giving up', () => {
      it('before the response ends the exchange at once, with the error of the caller', async () => {
        const connection = await connect(neverAnswers)
        const handler = open(connection)
        const error = new TransportError('MM_ABORTED', 'enough')
        handler.controller?.abort(error)
        expect(handler.error).toBe(error)
        expect(handler.controller?.aborted).toBe(true)
        expect(log).not.toContain('stream-failed')
      })

      it('within the body ends the exchange at once, and nothing more is reported', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200)
          exchange.write(Buffer.alloc(200_000))
        })
        const handler = new RecordingHandler(log)
        let chunks = 0
        handler.onChunk = controller => {
          chunks++
          controller.abort(new TransportError('MM_ABORTED', 'enough'))
        }
        connection.open(requestOf(), handler)
        await handler.done
        await turns()
        expect(chunks).toBe(1)
        expect(log.filter(entry => entry.startsWith('response-e'))).toEqual(['response-error MM_ABORTED no'])
      })

      it('before anything was written leaves the connection as it was', async () => {
        const connection = await connect(hello)
        const handler = new RecordingHandler(log)
        handler.onStart = controller => controller.abort(new TransportError('MM_ABORTED', 'at once'))
        connection.open(requestOf(), handler)
        expect(handler.error?.message).toBe('at once')
        expect((await open(connection).done).body.toString()).toBe('hello')
      })

      it('cancels the body that is being sent', async () => {
        const connection = await connect(neverAnswers)
        const source = new ScriptedSource()
        const handler = open(connection, { method: 'POST', body: source })
        handler.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
        expect(source.isCancelled).toBe(true)
      })

      it('does nothing for an exchange that has ended', async () => {
        const connection = await connect(hello)
        const first = await open(connection, {}, 'first').done
        const second = open(connection, {}, 'second')
        first.controller?.abort(new TransportError('MM_ABORTED', 'late'))
        first.controller?.pause()
        await second.done
        expect(second.body.toString()).toBe('hello')
        expect(first.error).toBeUndefined()
      })
    })

    describe('an origin that fails', () => {
      it('before it answered leaves it unknown whether the request was processed', async () => {
        const connection = await connect(exchange => exchange.breakOff())
        const { error } = await open(connection).done
        expect([error?.fault, error?.processed, error?.retryable]).toEqual(['remote', 'unknown', false])
        expect(log).toContain('stream-failed')
        expect(log.at(-1)).toMatch(/^response-error/)
      })

      it('within the response is known to have processed the request', async () => {
        const connection = await connect(async exchange => {
          exchange.respond(200, { 'content-length': '10' })
          exchange.write(Buffer.from('half'))
          await turns(3)
          exchange.breakOff()
        })
        const handler = await open(connection).done
        expect(handler.error?.processed).toBe('yes')
        expect(handler.status).toBe(200)
      })

      it('cancels the body that is being sent', async () => {
        const connection = await connect(exchange => exchange.breakOff())
        const source = new ScriptedSource()
        const handler = open(connection, { method: 'POST', body: source })
        source.sink?.write(Buffer.from('begin'))
        await handler.done
        expect(source.isCancelled).toBe(true)
      })
    })

    describe('deadlines', () => {
      it('end an exchange whose response does not begin', async () => {
        const connection = await connect(neverAnswers)
        const handler = open(connection, { headersTimeoutMs: 1000, bodyTimeoutMs: 10 })
        clock.advance(999)
        expect(handler.error).toBeUndefined()
        clock.advance(1)
        expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_HEADERS_TIMEOUT', 'unknown'])
        expect(log).toContain('stream-failed')
      })

      it('count for the headers from the last byte of the request', async () => {
        const connection = await connect(neverAnswers)
        const source = new ScriptedSource()
        const handler = open(connection, {
          method: 'POST',
          body: source,
          headersTimeoutMs: 1000,
          bodyTimeoutMs: 5000,
        })
        clock.advance(3000)
        source.sink?.write(Buffer.from('x'))
        clock.advance(3000)
        source.sink?.end([])
        clock.advance(999)
        expect(handler.error).toBeUndefined()
        clock.advance(1)
        expect(handler.error?.code).toBe('MM_HEADERS_TIMEOUT')
      })

      it('end an exchange whose response body stands still', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200)
          exchange.write(Buffer.from('begin'))
        })
        const handler = new RecordingHandler(log)
        const begun = new Promise<void>(resolve => void (handler.onChunk = () => resolve()))
        connection.open(requestOf({ headersTimeoutMs: 10_000, bodyTimeoutMs: 1000 }), handler)
        await begun
        clock.advance(1000)
        expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_BODY_TIMEOUT', 'yes'])
      })

      it('do not run while the handler has paused the body', async () => {
        const connection = await connect(exchange => {
          exchange.respond(200)
          exchange.write(Buffer.from('begin'))
        })
        const handler = new RecordingHandler(log)
        handler.onHead = controller => controller.pause()
        connection.open(requestOf({ bodyTimeoutMs: 1000 }), handler)
        await handler.started
        clock.advance(60_000)
        expect(handler.error).toBeUndefined()
        handler.controller?.resume()
        clock.advance(1000)
        expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
      })

      it('end an exchange whose request body stands still', async () => {
        const connection = await connect(neverAnswers)
        const source = new ScriptedSource()
        const handler = open(connection, { method: 'POST', body: source, bodyTimeoutMs: 1000 })
        clock.advance(1000)
        expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
        expect(source.isCancelled).toBe(true)
      })

      it('leave nothing behind', async () => {
        const connection = await connect(hello)
        for (let i = 0; i < 3; i++) {
          await open(connection, { headersTimeoutMs: 1000, bodyTimeoutMs: 1000 }).done
        }
        expect(clock.pendingTimers()).toBeLessThanOrEqual(1)
        clock.advance(5000)
        expect(log).not.toContain('stream-failed')
        expect(clock.pendingTimers()).toBe(0)
      })
    })

    describe('a request that cannot be sent', () => {
      const bad: [string, Partial<ExchangeRequest>][] = [
        ['a line break in a value', { headers: ['x-a', 'b\r\nx-injected: c'] }],
        ['a line break in the path', { path: '/a\r\nb' }],
        ['a space in the path', { path: '/a b' }],
        ['a method that is no token', { method: 'GE T' }],
        ['a name in upper case', { headers: ['X-A', 'b'] }],
        ['a field of the connection', { headers: ['transfer-encoding', 'chunked'] }],
        [
          "a length that is not the body's",
          { method: 'POST', headers: ['content-length', '3'], body: Buffer.from('four') as RequestBody },
        ],
      ]
      it.each(bad)('is refused and leaves the connection as it was: %s', async (_title, overrides) => {
        const connection = await connect(hello)
        const handler = open(connection, overrides)
        expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_INVALID_ARGUMENT', 'no'])
        expect(log.at(-2)).toBe('stream-closed')
        expect((await open(connection).done).body.toString()).toBe('hello')
      })
    })

    describe('a tunnel', () => {
      it('is handed over with the bytes that came behind the response first', async () => {
        const connection = await connect(exchange => {
          const stream = exchange.acceptUpgrade('welcome ')
          stream.on('data', (chunk: Buffer) => void stream.end(chunk.toString().toUpperCase()))
        })
        const handler = await open(connection, { upgrade: 'websocket' }).done
        const { tunnel } = handler
        if (tunnel === undefined) throw new Error(`no tunnel: ${log.join()}`)
        let received = ''
        tunnel.on('data', (chunk: Buffer) => void (received += chunk.toString()))
        tunnel.write('hello')
        await once(tunnel, 'end')
        expect(received).toBe('welcome HELLO')
        tunnel.destroy()
      })

      it('has back-pressure, and what it holds back stays as it was', async () => {
        const connection = await connect(exchange => {
          const accepted = exchange.acceptUpgrade('')
          for (let i = 0; i < 500; i++) accepted.write(Buffer.alloc(65_536, i))
          accepted.end()
        })
        const { tunnel } = await open(connection, { upgrade: 'websocket' }).done
        if (tunnel === undefined) throw new Error(`no tunnel: ${log.join()}`)
        await turns(100)
        expect(tunnel.readableLength).toBeLessThan(1_000_000)
        const chunks: Buffer[] = []
        for await (const chunk of tunnel) chunks.push(chunk as Buffer)
        const bytes = Buffer.concat(chunks)
        expect(bytes.length).toBe(500 * 65_536)
        for (let i = 0; i < 500; i++) {
          const piece = bytes.subarray(i * 65_536, (i + 1) * 65_536)
          expect(piece.equals(Buffer.alloc(65_536, i))).toBe(true)
        }
      })
    })

    describe('the connection itself', () => {
      it('answers a check while it is open and fails it afterwards', async () => {
        const connection = await connect(hello)
        await connection.ping()
        connection.close('shutdown')
        await expect(connection.ping()).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
      })

      it('closes at once when it is drained idle', async () => {
        const connection = await connect(hello)
        connection.drain('max-age')
        expect(log).toEqual(['closed max-age'])
      })

      it('lets its exchange end when it is drained', async () => {
        const connection = await connect(hello)
        const handler = open(connection)
        connection.drain('max-age')
        await handler.done
        expect(handler.body.toString()).toBe('hello')
        expect(await listener.closed).toBe('max-age')
      })

      it('fails its exchange when it is closed, and closes once', async () => {
        const connection = await connect(neverAnswers)
        const handler = open(connection)
        connection.close('shutdown')
        connection.close('shutdown')
        expect(handler.error?.code).toBe('MM_TRANSPORT_CLOSED')
        expect(log.filter(entry => entry.startsWith('closed'))).toEqual(['closed shutdown'])
      })

      it('refuses an exchange when it is closed, as surely unprocessed', async () => {
        const connection = await connect(hello)
        connection.close('idle-timeout')
        const { error } = open(connection)
        expect([error?.code, error?.processed, error?.retryable]).toEqual([
          'MM_CONNECTION_CLOSED',
          'no',
          true,
        ])
        expect(log.at(-2)).toBe('closed idle-timeout')
      })

      it('shows itself in one line', async () => {
        const connection = await connect(neverAnswers)
        const { address, port } = connection.endpoint
        expect(connection.toString()).toBe(
          `${peer.protocol}#${connection.id} ${address}:${port} idle, 0 requests`,
        )
        open(connection)
        expect(connection.toString()).toMatch(/ active, 1 requests$/)
        connection.close('shutdown')
        expect(connection.toString()).toMatch(/ closed, 1 requests$/)
      })
    })
  })
}
