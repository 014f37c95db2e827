import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import type { Http2ConnectionOptions } from '../../src/http/http2/connection.ts'
import type { MultiplexedConnection } from '../../src/http/multiplex/connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { literals, responseBlock } from '../support/http2-fields.ts'
import {
  type Http2PeerOrigin,
  type Http2PeerOriginOptions,
  startHttp2PeerOrigin,
} from '../support/http2-peer.ts'
import {
  data,
  describeFrame,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  resetStream,
  SETTING,
  settings,
  TYPE,
} from '../support/http2-wire.ts'
import { until } from '../support/until.ts'
import { requestOf, turns } from './contract-bench.ts'
import { connectHttp2 } from './http2-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'
import { ScriptedSource } from './scripted-source.ts'

/** What a connection of HTTP/2 makes of frames that no decent origin sends when a test wants it to. */
describe('a connection of HTTP/2, frame by frame', () => {
  let log: string[] = []
  let listener = new RecordingListener(log)
  let clock = new FakeClock()
  const origins: Http2PeerOrigin[] = []

  beforeEach(() => {
    log = []
    listener = new RecordingListener(log)
    clock = new FakeClock()
  })

  afterEach(async () => {
    for (const origin of origins.splice(0)) await origin[Symbol.asyncDispose]()
  })

  async function start(
    origin: Http2PeerOriginOptions = {},
    connection: Partial<Http2ConnectionOptions> = {},
    meanwhile: () => Promise<void> = () => Promise.resolve(),
  ): Promise<MultiplexedConnection> {
    const started = await startHttp2PeerOrigin({ onRequest: () => undefined, ...origin })
    origins.push(started)
    return connectHttp2({ port: started.port, listener, clock, connection, meanwhile })
  }

  function open(
    connection: MultiplexedConnection,
    overrides: Partial<ExchangeRequest> = {},
    title = '',
  ): RecordingHandler {
    const handler = new RecordingHandler(log, title)
    connection.open(requestOf(overrides), handler)
    return handler
  }

  const known = (): Promise<void> =>
    until(() => log.includes('capacity-changed'), 'the SETTINGS of the origin')

  /** The connection as the origin sees it. */
  async function peerOf(): Promise<Http2PeerOrigin['peers'][number]> {
    await until(() => origins[0]?.peers[0] !== undefined, 'the connection at the origin')
    const peer = origins[0]?.peers[0]
    if (peer === undefined) throw new Error('no connection')
    return peer
  }

  describe('a stream that the origin resets', () => {
    it.each([
      ['REFUSED_STREAM', 'MM_REFUSED', 'no', 'stream-closed'],
      ['HTTP_1_1_REQUIRED', 'MM_HTTP11_REQUIRED', 'no', 'stream-closed'],
      ['CANCEL', 'MM_STREAM_RESET', 'unknown', 'stream-failed'],
      ['INTERNAL_ERROR', 'MM_STREAM_RESET', 'unknown', 'stream-failed'],
      ['ENHANCE_YOUR_CALM', 'MM_STREAM_RESET', 'unknown', 'stream-failed'],
      ['NO_ERROR', 'MM_STREAM_RESET', 'unknown', 'stream-failed'],
    ] as const)('with %s gives %s, processed: %s', async (wire, code, processed, told) => {
      const connection = await start({
        onRequest: (peer, id) => void (id === 1 ? peer.send(resetStream(id, wire)) : peer.answer(id)),
      })
      const { error } = await open(connection).done
      expect([error?.code, error?.processed]).toEqual([code, processed])
      expect(error?.message).toContain(wire)
      expect(log).toContain(told)
      expect((await open(connection).done).body.toString()).toBe('ok')
    })

    it.each(['REFUSED_STREAM', 'HTTP_1_1_REQUIRED', 'CANCEL'] as const)(
      'with %s after its head has processed the request',
      async wire => {
        const connection = await start({
          onRequest: (peer, id) => void peer.send(headers(id, responseBlock()), resetStream(id, wire)),
        })
        const { error, status } = await open(connection).done
        expect([status, error?.code, error?.processed]).toEqual([200, 'MM_STREAM_RESET', 'yes'])
      },
    )

    it('without an error after a complete answer has ended well, though it was paused', async () => {
      const connection = await start({
        onRequest: (peer, id) =>
          void peer.send(
            headers(id, responseBlock()),
            data(id, 'answered', FLAG.END_STREAM),
            resetStream(id, 'NO_ERROR'),
            ping(),
          ),
      })
      const source = new ScriptedSource()
      const handler = new RecordingHandler(log)
      handler.onHead = controller => controller.pause()
      connection.open(requestOf({ method: 'POST', body: source }), handler)
      await handler.started
      await connection.ping() // everything was read
      handler.controller?.resume()
      await handler.done
      expect([handler.error, handler.body.toString(), source.isCancelled]).toEqual([
        undefined,
        'answered',
        true,
      ])
    })
  })

  describe('a tunnel whose origin has ended, and refuses to receive more', () => {
    it('is read to its end, however late its reader comes', async () => {
      const connection = await start({
        onRequest: (peer, id) =>
          void peer.send(
            headers(id, responseBlock()),
            data(id, 'a'.repeat(10_000)),
            data(id, 'b', FLAG.END_STREAM),
            resetStream(id, 'NO_ERROR'),
            ping(),
          ),
      })
      const { tunnel } = await open(connection, { method: 'CONNECT', authority: 'b:443', path: '' }).done
      await connection.ping() // everything was read
      await turns(10)
      tunnel!.write('nobody reads this')
      const chunks: Buffer[] = []
      for await (const chunk of tunnel!) chunks.push(chunk as Buffer)
      expect(Buffer.concat(chunks).toString()).toBe(`${'a'.repeat(10_000)}b`)
      expect([tunnel!.destroyed, connection.capacity > 0]).toEqual([true, true])
    })
  })

  describe('an origin that breaks the rules', () => {
    it('on a stream fails that one only', async () => {
      const connection = await start({
        onRequest: (peer, id) =>
          void (id === 1 ? peer.send(headers(id, literals(['x-no', 'status']))) : peer.answer(id)),
      })
      const [broken, sound] = [open(connection), open(connection)]
      expect((await broken.done).error).toMatchObject({ code: 'MM_PROTOCOL_ERROR', processed: 'unknown' })
      expect((await sound.done).body.toString()).toBe('ok')
    })

    it('on the connection fails all of its exchanges, of which the listener is notified first', async () => {
      const connection = await start({ onRequest: (peer, id) => void (id === 3 && peer.send(data(0, 'x'))) })
      const first = open(connection, {}, 'first')
      const second = open(connection, {}, 'second')
      await Promise.all([first.done, second.done])
      for (const { error } of [first, second]) {
        expect(error).toMatchObject({ code: 'MM_PROTOCOL_ERROR', processed: 'unknown' })
      }
      expect(log.slice(log.indexOf('draining protocol-error'))).toEqual([
        'draining protocol-error',
        'stream-failed',
        'stream-failed',
        'closed protocol-error',
        'first: response-error MM_PROTOCOL_ERROR unknown',
        'second: response-error MM_PROTOCOL_ERROR unknown',
      ])
      expect(listener.error?.code).toBe('MM_PROTOCOL_ERROR')
      expect((await (await peerOf()).untilClosed()).at(-1)).toBe('GOAWAY 0 PROTOCOL_ERROR')
    })

    it('by a flood is recognized, and the defense is named', async () => {
      const defences: string[] = []
      const connection = await start({}, { onDefence: limit => void defences.push(limit) })
      const handler = open(connection)
      const peer = await peerOf()
      await peer.flood(index => (index < 5000 ? settings() : undefined))
      const { error } = await handler.done
      expect(error).toMatchObject({ code: 'MM_EXCESSIVE_LOAD', processed: 'unknown' })
      expect(error?.message).toContain('maxSettingsPerSecond')
      expect(defences).toEqual(['maxSettingsPerSecond'])
      expect(await listener.closed).toBe('protocol-error')
    })

    it('by a header section above our limit fails that exchange only', async () => {
      const connection = await start(
        {
          onRequest: (peer, id) =>
            void (id === 1
              ? peer.send(headers(id, responseBlock(200, [['x-long', 'y'.repeat(3000)]]), FLAG.END_HEADERS))
              : peer.answer(id)),
        },
        { limits: { maxHeaderBytes: 2000, maxHeaderCount: 10, maxInformational: 2 } },
      )
      expect((await open(connection).done).error?.code).toBe('MM_HEADER_LIMIT')
      expect((await open(connection).done).status).toBe(200)
    })

    it('by informational responses without end fails that exchange only', async () => {
      const connection = await start(
        {
          onRequest: (peer, id) => {
            if (id === 1) for (let i = 0; i < 10; i++) peer.send(headers(id, responseBlock(103)))
            else peer.answer(id)
          },
        },
        { limits: { maxHeaderBytes: 2000, maxHeaderCount: 10, maxInformational: 2 } },
      )
      const handler = await open(connection).done
      expect(handler.informational.length).toBe(2)
      expect(handler.error).toMatchObject({ code: 'MM_PROTOCOL_ERROR', processed: 'unknown' })
      expect((await open(connection).done).status).toBe(200)
    })
  })

  describe('a GOAWAY', () => {
    it('is reported before the exchanges above its last id, which were not processed', async () => {
      const connection = await start({
        onRequest: (peer, id) => {
          if (id !== 5) return
          peer.send(goaway(1))
          peer.answer(1)
        },
      })
      await known()
      const titles = ['first', 'second', 'third']
      const handlers = titles.map(title => open(connection, { method: 'POST' }, title))
      await Promise.all(handlers.map(handler => handler.done))
      expect(handlers.map(({ status, error }) => error?.code ?? status)).toEqual([
        200,
        'MM_REFUSED',
        'MM_REFUSED',
      ])
      expect(handlers[1]?.error).toMatchObject({ processed: 'no', retryable: true })
      const drained = log.indexOf('draining peer-closed')
      expect(drained).toBeGreaterThan(0)
      expect(log.indexOf('stream-closed')).toBeGreaterThan(drained)
      expect(log).not.toContain('stream-failed')
      expect(await listener.closed).toBe('peer-closed')
    })

    it('with an error lets what is below its last id be answered, too', async () => {
      const connection = await start({
        onRequest: (peer, id) => {
          peer.send(goaway(id, 'ENHANCE_YOUR_CALM', 'too busy'))
          peer.answer(id)
        },
      })
      expect((await open(connection).done).body.toString()).toBe('ok')
      expect(await listener.closed).toBe('peer-closed')
    })

    it('ends an idle connection', async () => {
      await start({ onConnection: peer => void peer.send(goaway(0)) })
      expect(await listener.closed).toBe('peer-closed')
      expect(log.filter(entry => entry !== 'capacity-changed')).toEqual([
        'draining peer-closed',
        'closed peer-closed',
      ])
    })
  })

  describe('the end of the connection', () => {
    it('by a FIN leaves it unknown what was processed', async () => {
      const connection = await start({ onRequest: peer => void peer.socket.end() })
      const { error } = await open(connection).done
      expect([error?.code, error?.processed]).toEqual(['MM_CONNECTION_CLOSED', 'unknown'])
      expect(log.slice(-4)).toEqual([
        'draining peer-closed',
        'stream-failed',
        'closed peer-closed',
        'response-error MM_CONNECTION_CLOSED unknown',
      ])
    })

    it('by a reset has its own code', async () => {
      const connection = await start({ onRequest: peer => void peer.socket.resetAndDestroy() })
      const { error } = await open(connection).done
      expect([error?.code, error?.processed]).toEqual(['MM_CONNECTION_RESET', 'unknown'])
      expect(await listener.closed).toBe('network-error')
    })

    it('before anything was written has surely processed nothing', async () => {
      const connection = await start()
      await known()
      await connection.ping()
      const handler = open(connection, { method: 'POST', body: Buffer.from('x') })
      connection.close('shutdown')
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_TRANSPORT_CLOSED', 'no'])
    })

    it('sends GOAWAY and a FIN, and waits for the peer no longer than a second', async () => {
      const connection = await start()
      await known()
      const peer = await peerOf()
      connection.close('idle-timeout')
      await peer.untilFrame(/^GOAWAY 0 NO_ERROR$/)
      await peer.untilClosed()
      await until(() => clock.pendingTimers() === 0, 'the close on our side')
    })

    it('does not wait for an origin that reads nothing', async () => {
      const connection = await start({ onConnection: peer => void peer.socket.pause() })
      const source = new ScriptedSource()
      const handler = open(connection, { method: 'POST', body: source })
      await known().catch(() => undefined)
      source.sink?.write(Buffer.alloc(5_000_000))
      await turns(50)
      connection.close('shutdown')
      expect(handler.error?.code).toBe('MM_TRANSPORT_CLOSED')
      clock.advance(1000)
      await turns(50)
      expect(clock.pendingTimers()).toBe(0)
      expect(await listener.closed).toBe('shutdown')
    })

    it('comes when the origin does not send its SETTINGS in time', async () => {
      const connection = await start({ isSilent: true, acknowledges: false })
      const handler = open(connection)
      const waiting = open(connection, { upgrade: 'websocket' })
      await turns(20)
      clock.advance(10_000)
      expect(handler.error?.code).toBe('MM_PROTOCOL_ERROR')
      expect([waiting.error?.code, waiting.error?.processed]).toEqual(['MM_PROTOCOL_ERROR', 'no'])
      expect(await listener.closed).toBe('timeout')
    })

    it('fails the checks that wait for an answer', async () => {
      const connection = await start({ acknowledges: false })
      await known()
      const check = connection.ping()
      connection.close('ping-failed')
      await expect(check).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
    })

    it('reads the last bytes of an origin that closed while we wrote', async () => {
      const connection = await start({
        onRequest: (peer, id) => {
          if (id !== 1) return
          // What we write from here on is answered with a reset, and GOAWAY lies unread meanwhile.
          peer.send(goaway(1))
          peer.answer(1, 'last')
          peer.socket.destroy()
        },
      })
      await known()
      const first = open(connection)
      const source = new ScriptedSource()
      const second = open(connection, { method: 'POST', body: source })
      for (let i = 0; i < 10_000 && second.error === undefined; i++) {
        source.sink?.write(Buffer.alloc(1000))
        if (i % 100 === 0) await turns(1)
      }
      await Promise.all([first.done, second.done])
      expect(first.body.toString()).toBe('last')
      expect([second.error?.code, second.error?.processed]).toEqual(['MM_REFUSED', 'no'])
    })
  })

  describe('bytes that came before the connection was made of its socket', () => {
    it('are read, but not before anybody can have received the connection', async () => {
      const connection = await start({ onRequest: (peer, id) => peer.answer(id) }, {}, () => turns(50))
      expect([log, connection.isCapacityProvisional]).toEqual([[], true])
      await known()
      expect((await open(connection).done).body.toString()).toBe('ok')
    })

    it('may be its end', async () => {
      const origin = {
        onConnection: (peer: Http2PeerOrigin['peers'][number]): void => {
          peer.send(goaway(0))
          peer.socket.end()
        },
      }
      const connection = await start(origin, {}, () => turns(50))
      const handler = open(connection)
      await handler.done
      expect([handler.error?.processed, handler.error?.fault]).toEqual(['no', 'remote'])
      expect(await listener.closed).toBe('peer-closed')
    })
  })

  describe('an extended CONNECT before the SETTINGS of the origin', () => {
    it('waits for them', async () => {
      const connection = await start({
        isSilent: true,
        acknowledges: false,
        onRequest: (peer, id) => void peer.send(headers(id, responseBlock(200))),
      })
      const handler = open(connection, { upgrade: 'websocket' })
      const peer = await peerOf()
      await peer.untilFrame(/^SETTINGS 0$/)
      await turns(20)
      expect(peer.log.some(entry => entry.startsWith('HEADERS'))).toBe(false)
      peer.send(settings({ [SETTING.ENABLE_CONNECT_PROTOCOL]: 1 }))
      await handler.done
      expect(handler.status).toBe(200)
      handler.tunnel?.destroy()
    })

    it('is bounded by its own timeout, and can be given up', async () => {
      const connection = await start({ isSilent: true, acknowledges: false })
      const slow = open(connection, { upgrade: 'websocket', headersTimeoutMs: 700 })
      const given = open(connection, { upgrade: 'websocket' })
      const gone = Object.assign(new Error('gone'), { code: 'MM_ABORTED' })
      given.controller?.abort(gone as never) // only handed back
      expect(given.error).toBe(gone)
      clock.advance(700)
      expect([slow.error?.code, slow.error?.processed]).toEqual(['MM_HEADERS_TIMEOUT', 'no'])
      expect(connection.toString()).toMatch(/ idle, 0 streams/)
    })

    it('is refused unprocessed when the connection drains first', async () => {
      const connection = await start({ isSilent: true, acknowledges: false })
      const handler = open(connection, { upgrade: 'websocket' })
      connection.drain('max-age')
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_REFUSED', 'no'])
      expect(await listener.closed).toBe('max-age')
    })
  })

  it('ends when its stream ids are used up, after the exchange with the last one', async () => {
    let finish: () => void = () => undefined
    const connection = await start(
      { onRequest: (peer, id) => void (finish = () => peer.answer(id)) },
      { firstStreamId: 0x7fff_ffff },
    )
    await known()
    const last = open(connection)
    expect([connection.capacity, log.at(-1)]).toEqual([0, 'draining max-requests'])
    const late = open(connection)
    expect([late.error?.code, late.error?.processed]).toEqual(['MM_CONNECTION_CLOSED', 'no'])
    const peer = await peerOf()
    expect(describeFrame(await peer.untilFrame(/^HEADERS/))).toBe('HEADERS 2147483647')
    finish()
    expect((await last.done).body.toString()).toBe('ok')
    expect(await listener.closed).toBe('max-requests')
  })

  it('skips frames of unknown types', async () => {
    const connection = await start({
      onRequest: (peer, id) => {
        peer.send(frame(0xbe, 0xff, id, Buffer.from('grease')), frame(TYPE.PRIORITY, 0, id, Buffer.alloc(5)))
        peer.answer(id)
      },
    })
    expect((await open(connection).done).body.toString()).toBe('ok')
  })
})
