import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import type { UnreadProbe } from '../../src/base/socket/stream-socket.ts'
import { Http1Connection } from '../../src/http/http1/connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { requestOf } from './contract-bench.ts'
import { CLEARTEXT } from './http1-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'
import { RepeatingSource, ScriptedSource } from './scripted-source.ts'

/** What HTTP/1.1 alone does: an origin that is scripted byte by byte. */
describe('an HTTP/1.1 connection on the wire', () => {
  let log: string[]
  let listener: RecordingListener
  let clock: FakeClock
  let server: Server
  let origin: Socket
  let received: string
  let reads: number

  beforeEach(() => {
    log = []
    listener = new RecordingListener(log)
    clock = new FakeClock()
    received = ''
    reads = 0
  })
  afterEach(async () => {
    origin.destroy()
    await new Promise(resolve => server.close(resolve))
  })

  /** Connects to an origin that answers each piece that it reads with the next of `answers`. */
  async function start(
    answers: readonly (string | Buffer | ((socket: Socket) => void))[] = [],
    hasUnread?: UnreadProbe,
  ): Promise<Http1Connection> {
    const rest = [...answers]
    server = createServer({ allowHalfOpen: true }, socket => {
      origin = socket
      socket.on('error', () => undefined)
      socket.on('data', chunk => {
        received += chunk.toString('latin1')
        reads++
        const answer = rest.shift()
        if (typeof answer === 'function') answer(socket)
        else if (answer !== undefined) socket.write(answer)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const readPort = new ReadPort()
    const socket = connect({ host: '127.0.0.1', port, onread: readPort.onread })
    const accepted = once(server, 'connection')
    await once(socket, 'connect')
    await accepted
    return new Http1Connection({
      id: 7,
      socket,
      port: readPort,
      endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
      handshake: CLEARTEXT,
      listener,
      limits: { ...DEFAULT_RESPONSE_LIMITS, maxInformational: 3 },
      clock,
      hasUnread,
    })
  }

  function open(connection: Http1Connection, overrides: Partial<ExchangeRequest> = {}): RecordingHandler {
    const handler = new RecordingHandler(log)
    connection.open(requestOf(overrides), handler)
    return handler
  }

  const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

  describe('before a request that cannot be sent twice', () => {
    const POST = { method: 'POST', body: Buffer.from('pay') }
    const UNSENT = { code: 'MM_CONNECTION_CLOSED', processed: 'no' }

    it.each<[string, (socket: Socket) => void, string]>([
      ['its end', socket => socket.destroy(), 'peer-closed'],
      [
        'an answer to nothing',
        socket => socket.write('HTTP/1.1 408 x\r\ncontent-length: 0\r\n\r\n'),
        'unexpected-data',
      ],
    ])('reads what the origin has sent since the last one: %s', async (_what, say, reason) => {
      const connection = await start([OK], () => true)
      await open(connection).done
      say(origin) // nothing of it is read while this run of JavaScript lasts
      expect((await open(connection, POST).done).error).toMatchObject(UNSENT)
      expect(await listener.closed).toBe(reason)
      expect(received).not.toContain('POST')
    })

    it('reads where it is unknown whether anything waits', async () => {
      const connection = await start([OK, OK], () => undefined)
      expect((await open(connection, POST).done).status).toBe(200)
      origin.destroy()
      expect((await open(connection, POST).done).error).toMatchObject(UNSENT)
    })

    it('sends it when what was waiting is read and the connection is still open', async () => {
      const connection = await start([OK], () => true)
      const handler = open(connection, POST)
      expect(connection.toString()).toContain('active')
      expect((await handler.done).status).toBe(200)
    })

    it('drops it when its caller gives up meanwhile, and goes on', async () => {
      const connection = await start([OK], () => true)
      const handler = open(connection, POST)
      handler.controller?.abort(new TransportError('MM_ABORTED', 'given up'))
      expect(handler.error?.code).toBe('MM_ABORTED')
      expect((await open(connection, { path: '/next' }).done).status).toBe(200)
      expect(received).toMatch(/^GET \/next/)
    })

    it('reads before no other request, and writes at once where nothing waits', async () => {
      let asked = 0
      const connection = await start([OK, OK, OK], () => {
        asked += 1
        return false
      })
      for (const request of [{}, { method: 'PUT', body: Buffer.from('x') }, POST]) {
        await open(connection, request).done
      }
      expect(asked).toBe(1)
    })
  })

  describe('writes', () => {
    it('a request without a body in one piece', async () => {
      const connection = await start([OK])
      await open(connection, { path: '/x?y', headers: ['accept', '*/*'] }).done
      expect(received).toBe('GET /x?y HTTP/1.1\r\nhost: origin.example\r\naccept: */*\r\n\r\n')
      expect(reads).toBe(1)
    })

    it('a small body in one piece with its head', async () => {
      const connection = await start([OK])
      await open(connection, { method: 'POST', body: Buffer.from('body') }).done
      expect(received).toBe('POST / HTTP/1.1\r\nhost: origin.example\r\ncontent-length: 4\r\n\r\nbody')
      expect(reads).toBe(1)
    })

    it('a body of unknown length in chunks, with trailers', async () => {
      const connection = await start()
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('hello'))
      source.sink?.write(Buffer.alloc(0))
      source.sink?.write(Buffer.alloc(5000, 'z'))
      source.sink?.end(['x-sum', '9', 'content-length', '3'])
      while (!received.endsWith('x-sum: 9\r\n\r\n')) await once(origin, 'data')
      origin.write(OK)
      await handler.done
      expect(received).toBe(
        'POST / HTTP/1.1\r\nhost: origin.example\r\ntransfer-encoding: chunked\r\n\r\n' +
          `5\r\nhello\r\n1388\r\n${'z'.repeat(5000)}\r\n0\r\nx-sum: 9\r\n\r\n`,
      )
    })

    it('a body of unknown length by the content-length that the caller gave', async () => {
      const connection = await start()
      const source = new RepeatingSource(Buffer.from('abc'), 2)
      const handler = open(connection, { method: 'POST', headers: ['content-length', '6'], body: source })
      while (!received.endsWith('abcabc')) await once(origin, 'data')
      origin.write(OK)
      await handler.done
      expect(received).toContain('\r\ncontent-length: 6\r\n\r\nabcabc')
    })
  })

  describe('ends', () => {
    it('after a response that says so: draining with its head, closed before the handler is notified of the end', async () => {
      const connection = await start(['HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'])
      const handler = await open(connection).done
      expect(handler.body.toString()).toBe('ok')
      expect(log).toEqual([
        'request-start',
        'draining peer-closed',
        'response-start 200',
        'stream-closed',
        'closed peer-closed',
        'response-end',
      ])
    })

    it('with a body that lasts until the close, which is complete', async () => {
      const connection = await start([
        socket => {
          socket.write('HTTP/1.1 200 OK\r\n\r\nall of ')
          setImmediate(() => socket.end('it'))
        },
      ])
      const handler = await open(connection).done
      expect(handler.error).toBeUndefined()
      expect(handler.body.toString()).toBe('all of it')
      expect(await listener.closed).toBe('peer-closed')
    })

    it('when the response is complete before the request, whose framing cannot be taken back', async () => {
      const connection = await start([OK])
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      await handler.done
      expect(handler.body.toString()).toBe('ok')
      expect(await listener.closed).toBe('exchange-aborted')
    })

    it('when the peer closes an idle one', async () => {
      const connection = await start([OK])
      await open(connection).done
      origin.end()
      expect(await listener.closed).toBe('peer-closed')
      expect(listener.error).toBeUndefined()
    })

    it('when the peer resets an idle one', async () => {
      await start()
      origin.resetAndDestroy()
      expect(await listener.closed).toBe('network-error')
      expect(listener.error?.code).toBe('MM_CONNECTION_RESET')
    })

    it('when bytes arrive on an idle one', async () => {
      const connection = await start([OK])
      await open(connection).done
      origin.write('HTTP/1.1 408 Request Timeout\r\n\r\n')
      expect(await listener.closed).toBe('unexpected-data')
    })

    it('when bytes follow a response, which never meet the exchange that comes next', async () => {
      const connection = await start([`${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`])
      const next = new RecordingHandler()
      listener.onFree = () => connection.open(requestOf(), next)
      const handler = await open(connection).done
      await next.done
      expect(handler.body.toString()).toBe('ok')
      expect([next.status, next.error?.processed]).toEqual([0, 'no'])
      expect(log).toEqual([
        'request-start',
        'response-start 200',
        'draining unexpected-data',
        'stream-closed',
        'closed unexpected-data',
        'response-end',
      ])
    })

    it('before the pool can lease it when the read that ended an exchange also had the FIN of the peer', async () => {
      const connection = await start([socket => void socket.end(OK)])
      await open(connection).done
      await expect(connection.ping()).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
      expect(await listener.closed).toBe('peer-closed')
    })

    it('with a FIN first, and by force when the peer does not answer it', async () => {
      const connection = await start()
      const ended = once(origin, 'end')
      connection.close('idle-timeout')
      expect(log).toEqual(['closed idle-timeout'])
      origin.resume()
      await ended
      const closed = new Promise(resolve => origin.once('close', resolve))
      clock.advance(1000)
      // The origin keeps its side open; that ours is gone shows when it writes.
      origin.write('x')
      await new Promise(resolve => setImmediate(resolve))
      origin.write('y')
      await closed
      expect(clock.pendingTimers()).toBe(0)
    })

    it('when bytes had arrived before it was made, but only after its maker has received it', async () => {
      server = createServer(socket => {
        origin = socket
        socket.write('220 smtp.example ready\r\n')
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const readPort = new ReadPort()
      const socket = connect({ host: '127.0.0.1', port, onread: readPort.onread })
      while (socket.bytesRead === 0) await new Promise(resolve => setImmediate(resolve))
      const connection = new Http1Connection({
        id: 1,
        socket,
        port: readPort,
        endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
        handshake: CLEARTEXT,
        listener,
        limits: DEFAULT_RESPONSE_LIMITS,
        clock,
      })
      expect(log).toEqual([])
      expect(connection.toString()).toContain('idle')
      expect(await listener.closed).toBe('unexpected-data')
    })
  })

  describe('hands over', () => {
    it('a tunnel that CONNECT asked for, with what came behind the head', async () => {
      const connection = await start(['HTTP/1.1 200 Connected\r\n\r\nfirst'])
      const { tunnel } = await open(connection, { method: 'CONNECT', authority: 'b:443', path: '' }).done
      expect(received).toBe('CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n')
      const [chunk] = (await once(tunnel!, 'data')) as [Buffer]
      expect(chunk.toString()).toBe('first')
      expect(log).toEqual(['request-start', 'draining upgraded', 'upgrade 200'])
      expect(connection.toString()).toContain('upgraded')
      connection.drain('drained') // it ends when its holder or its peer likes
      tunnel?.destroy()
      expect(await listener.closed).toBe('upgraded')
      expect(log.slice(3)).toEqual(['stream-closed', 'closed upgraded'])
    })

    it('a tunnel that keeps its lease until the peer closes, and ends when the connection is closed', async () => {
      const SWITCH = 'HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'
      const left = await start([SWITCH])
      await open(left, { upgrade: 'echo' }).done
      origin.destroy()
      expect(await listener.closed).toBe('upgraded')
      await new Promise(resolve => server.close(resolve))
      log = []
      listener = new RecordingListener(log)
      const closed = await start([SWITCH])
      const { tunnel } = await open(closed, { upgrade: 'echo' }).done
      const ended = once(tunnel!, 'close')
      closed.close('shutdown')
      closed.close('shutdown')
      expect(log.slice(3)).toEqual(['stream-closed', 'closed shutdown'])
      expect(closed.toString()).toContain('closed')
      await ended
      expect(log).toHaveLength(5)
    })

    it('nothing when the upgrade is refused, which is an ordinary response, and the connection goes on', async () => {
      const connection = await start([OK, OK])
      const refused = await open(connection, { upgrade: 'websocket' }).done
      expect(received).toContain('\r\nconnection: upgrade\r\nupgrade: websocket\r\n')
      expect([refused.status, refused.tunnel]).toEqual([200, undefined])
      expect((await open(connection).done).body.toString()).toBe('ok')
    })
  })

  describe('refuses', () => {
    it.each([
      ['what is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
      ['both lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n'],
      ['a 101 that nobody asked for', 'HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
      ['more informational responses than the limit', 'HTTP/1.1 103 x\r\n\r\n'.repeat(4)],
    ])('%s', async (_title, answer) => {
      const connection = await start([answer])
      const { error } = await open(connection).done
      expect([error?.code, error?.processed]).toEqual(['MM_PROTOCOL_ERROR', 'unknown'])
      expect(await listener.closed).toBe('protocol-error')
      expect(log).toContain('stream-failed')
    })

    it('a bad chunk after the head, as processed', async () => {
      const connection = await start([
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n',
      ])
      const handler = await open(connection).done
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_PROTOCOL_ERROR', 'yes'])
    })

    it('a head over the limit', async () => {
      const connection = await start([`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(70_000)}\r\n\r\n`])
      const { error } = await open(connection).done
      expect(error?.code).toBe('MM_HEADER_LIMIT')
    })

    it('a body that ends before its length, as processed', async () => {
      const connection = await start([
        socket => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc'),
      ])
      const { error } = await open(connection).done
      expect([error?.code, error?.processed]).toEqual(['MM_CONNECTION_CLOSED', 'yes'])
    })

    it('a reset within a body that lasts until the close', async () => {
      const connection = await start(['HTTP/1.1 200 OK\r\n\r\nabc'])
      const handler = open(connection)
      await handler.started
      origin.resetAndDestroy()
      const { error } = await handler.done
      expect([error?.code, error?.processed]).toEqual(['MM_CONNECTION_RESET', 'yes'])
    })
  })

  describe('receives', () => {
    it('what the origin says about keep-alive', async () => {
      const connection = await start([
        'HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=99\r\ncontent-length: 0\r\n\r\n',
        'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
      ])
      expect(connection.keepAlive).toBeUndefined()
      await open(connection).done
      expect(connection.keepAlive).toEqual({ timeoutMs: 5000, maxRequests: 99 })
      await open(connection).done
      expect(connection.keepAlive).toBeUndefined()
    })

    it('a refusal that comes with a close while the body is still being sent', async () => {
      const refusal = 'HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig'
      for (let round = 0; round < 10; round++) {
        log = []
        listener = new RecordingListener(log)
        const connection = await start([
          socket => {
            socket.write(refusal)
            socket.pause()
            socket.resetAndDestroy()
          },
        ])
        const source = new RepeatingSource(Buffer.alloc(65_536), 1000)
        const handler = await open(connection, { method: 'POST', body: source }).done
        expect([handler.status, handler.body.toString(), handler.error?.code]).toEqual([
          413,
          'big',
          undefined,
        ])
        expect(source.isCancelled).toBe(true)
        server.close()
      }
    })

    it('a refusal that closes, and sends no more of the body from its head on', async () => {
      const connection = await start(['HTTP/1.1 413 x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n'])
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      await handler.started
      expect(source.isCancelled).toBe(true)
      origin.write('big')
      await handler.done
      expect(handler.body.toString()).toBe('big')
      expect(await listener.closed).toBe('peer-closed')
    })

    it('an answer that closes but is no refusal, and goes on with the body', async () => {
      const connection = await start(['HTTP/1.1 200 x\r\nconnection: close\r\n\r\n'])
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      await handler.started
      expect(source.isCancelled).toBe(false)
      source.sink?.end([])
      while (!received.endsWith('0\r\n\r\n')) await new Promise(resolve => origin.once('data', resolve))
      origin.end('both ways')
      await handler.done
      expect(handler.body.toString()).toBe('both ways')
    })

    it('a refusal that is still unread when the next write of the body fails', async () => {
      const connection = await start([
        socket => {
          socket.write('HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig')
          socket.destroy()
        },
      ])
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      while (reads === 0) await new Promise(resolve => setImmediate(resolve))
      // The origin has answered and is gone. Nothing is read while this run of JavaScript lasts: the second
      // write meets its reset.
      for (let i = 0; i < 50; i++) source.sink?.write(Buffer.alloc(1000))
      await handler.done
      expect([handler.status, handler.body.toString(), handler.error?.code]).toEqual([413, 'big', undefined])
    })
  })
})
