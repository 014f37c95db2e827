import { afterEach, describe, expect, it } from 'vitest'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import type { Http2ConnectionOptions } from '../../src/http/http2/connection.ts'
import type { MultiplexedConnection } from '../../src/http/multiplex/connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import {
  type Http2PeerOrigin,
  type Http2PeerOriginOptions,
  startHttp2PeerOrigin,
} from '../support/http2-peer.ts'
import { goaway, TYPE } from '../support/http2-wire.ts'
import { until } from '../support/until.ts'
import { requestOf } from './contract-bench.ts'
import { connectHttp2 } from './http2-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'

/** What a connection of HTTP/2 does with what the kernel has and nobody has read. */
describe('a connection of HTTP/2', () => {
  const log: string[] = []
  const origins: Http2PeerOrigin[] = []

  afterEach(async () => {
    log.length = 0
    for (const origin of origins.splice(0)) await origin[Symbol.asyncDispose]()
  })

  /** With the SETTINGS of the origin. */
  async function start(
    origin: Http2PeerOriginOptions,
    connection: Partial<Http2ConnectionOptions>,
  ): Promise<MultiplexedConnection> {
    const started = await startHttp2PeerOrigin({ onRequest: () => undefined, ...origin })
    origins.push(started)
    const listener = new RecordingListener(log)
    const connected = await connectHttp2({ port: started.port, listener, clock: new FakeClock(), connection })
    await until(() => log.includes('capacity-changed'), 'the SETTINGS of the origin')
    return connected
  }

  function open(
    connection: MultiplexedConnection,
    overrides: Partial<ExchangeRequest> = {},
  ): RecordingHandler {
    const handler = new RecordingHandler(log)
    connection.open(requestOf(overrides), handler)
    return handler
  }

  /** The connection as the origin sees it. */
  function peerOf(): Http2PeerOrigin['peers'][number] {
    const peer = origins[0]?.peers[0]
    if (peer === undefined) throw new Error('no connection')
    return peer
  }

  describe('before a request that cannot be sent twice', () => {
    const POST = { method: 'POST', body: Buffer.from('pay') }

    it.each([true, undefined])('reads what the origin has sent to the idle connection (%s)', async unread => {
      const connection = await start({}, { hasUnread: () => unread })
      peerOf().socket.destroy() // nothing of it is read while this run of JavaScript lasts
      const { error } = await open(connection, POST).done
      expect(error?.processed).toBe('no')
    })

    it('does not send it behind a GOAWAY that was waiting', async () => {
      const connection = await start({}, { hasUnread: () => true })
      const peer = peerOf()
      peer.send(goaway(0))
      const handler = open(connection, POST)
      expect((await handler.done).error?.processed).toBe('no')
      expect(peer.frames.some(({ type }) => type === TYPE.HEADERS)).toBe(false)
    })

    it('sends it when what was waiting is read and the connection is still open', async () => {
      const connection = await start({ onRequest: (peer, id) => peer.answer(id) }, { hasUnread: () => true })
      expect((await open(connection, POST).done).status).toBe(200)
    })

    it('does not read before any other request, nor where others are under way', async () => {
      let asked = 0
      const connection = await start(
        { onRequest: (peer, id) => void (id > 1 && peer.answer(id)) },
        { hasUnread: () => ++asked > 1000 },
      )
      open(connection)
      await open(connection, POST).done
      await open(connection, { method: 'PUT', body: Buffer.from('x') }).done
      expect(asked).toBe(0)
    })
  })
})
