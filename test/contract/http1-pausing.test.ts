import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import { Http1Connection } from '../../src/http/http1/connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { requestOf, turns } from './contract-bench.ts'
import { CLEARTEXT } from './http1-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'

/** What pausing means in the middle of one read: an origin that is scripted byte by byte. */
describe('over HTTP/1.1, a handler that has paused', () => {
  const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
  const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  let log: string[]
  let clock: FakeClock
  let server: Server
  let origin: Socket | undefined

  beforeEach(() => {
    log = []
    clock = new FakeClock()
  })
  afterEach(async () => {
    origin?.destroy()
    await new Promise(resolve => server.close(resolve))
  })

  /** Connects to an origin that answers what it reads first. */
  async function start(answer: string | ((socket: Socket) => void)): Promise<Http1Connection> {
    server = createServer(socket => {
      origin = socket
      socket.once('data', () => void (typeof answer === 'string' ? socket.write(answer) : answer(socket)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const readPort = new ReadPort()
    const socket = connect({ host: '127.0.0.1', port, onread: readPort.onread })
    await once(socket, 'connect')
    return new Http1Connection({
      id: 7,
      socket,
      port: readPort,
      endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
      handshake: CLEARTEXT,
      listener: new RecordingListener(log),
      limits: DEFAULT_RESPONSE_LIMITS,
      clock,
    })
  }

  const pauseAtHead = (connection: Http1Connection): RecordingHandler => {
    const handler = new RecordingHandler(log)
    handler.onHead = controller => controller.pause()
    connection.open(requestOf(), handler)
    return handler
  }

  it('makes its connection report since when it is paused', async () => {
    const connection = await start(`${HEAD}1\r\nx\r\n`)
    expect(connection.pausedSince).toBeUndefined()
    const handler = new RecordingHandler(log)
    connection.open(requestOf(), handler)
    handler.controller?.pause()
    expect(connection.pausedSince, 'it waits for the origin').toBeUndefined()
    handler.controller?.resume()
    handler.onHead = controller => {
      clock.advance(5)
      controller.pause()
    }
    await handler.started
    clock.advance(1_000)
    expect(connection.pausedSince).toBe(clock.now() - 1_000)
    handler.controller?.resume()
    expect(connection.pausedSince).toBeUndefined()
    handler.controller?.pause()
    expect(connection.pausedSince).toBe(clock.now())
    connection.close('shutdown')
    expect(connection.pausedSince).toBeUndefined()
  })

  it('gets one chunk for each time that it resumes, of many in one read', async () => {
    const connection = await start(`${HEAD}${'1\r\nx\r\n'.repeat(300)}0\r\nx-sum: 300\r\n\r\n`)
    const handler = pauseAtHead(connection)
    await handler.started
    let calls = 0
    handler.onChunk = (controller, chunk) => {
      calls += 1
      expect(chunk.toString()).toMatch(/^x+$/)
      controller.pause()
    }
    while (handler.bytes < 300) {
      const before = calls
      handler.controller?.resume()
      expect(calls).toBe(before + 1)
    }
    expect(log.at(-1)).toBe('response-start 200')
    handler.controller?.resume()
    expect([log.at(-1), handler.trailers]).toEqual(['response-end', ['x-sum', '300']])
    expect(connection.toString()).toContain('idle')
  })

  it('holds one read at the most, and the rest stays with the origin', async () => {
    let rest: Socket | undefined
    const connection = await start(socket => {
      rest = socket
      socket.write(`${HEAD}1000000\r\n`)
      socket.write(Buffer.alloc(0x1000000, 'x'))
      socket.write('\r\n0\r\n\r\n')
    })
    const handler = pauseAtHead(connection)
    await handler.started
    await turns(200)
    // Two loopback sockets hold at most about 6 MB.
    expect(rest?.writableLength).toBeGreaterThan(4_000_000)
    handler.onChunk = () => undefined
    handler.controller?.resume()
    await handler.done
    expect([handler.bytes, handler.error]).toEqual([0x1000000, undefined])
  })

  it('is notified of a fault behind its pause when it resumes', async () => {
    const connection = await start(`${HEAD}2\r\nok\r\nnonsense\r\n`)
    const handler = pauseAtHead(connection)
    await handler.started
    await turns(20)
    expect([handler.bytes, handler.error]).toEqual([0, undefined])
    handler.controller?.resume()
    expect([handler.body.toString(), handler.error?.code]).toEqual(['ok', 'MM_PROTOCOL_ERROR'])
  })

  it('lets no byte behind its response reach the next request', async () => {
    const connection = await start(`${OK}${OK}`)
    const handler = pauseAtHead(connection)
    await handler.started
    await turns(20)
    handler.controller?.resume()
    expect(handler.body.toString()).toBe('ok')
    expect(log.slice(2)).toEqual([
      'draining unexpected-data',
      'stream-closed',
      'closed unexpected-data',
      'response-end',
    ])
  })

  it('gets a body that ends with the connection, and its end', async () => {
    const connection = await start(socket => void socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the close'))
    const handler = pauseAtHead(connection)
    await handler.started
    await turns(50)
    expect(log).not.toContain('response-end')
    handler.controller?.resume()
    await handler.done
    expect([handler.body.toString(), handler.error]).toEqual(['until the close', undefined])
  })

  it('has no deadline while it has paused, and one again afterwards', async () => {
    const connection = await start(`${HEAD}2\r\nok\r\n`)
    const handler = new RecordingHandler(log)
    handler.onHead = controller => controller.pause()
    connection.open(requestOf({ bodyTimeoutMs: 100 }), handler)
    await handler.started
    clock.advance(1000)
    expect(handler.error).toBeUndefined()
    handler.controller?.resume()
    clock.advance(101)
    expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
  })
})
