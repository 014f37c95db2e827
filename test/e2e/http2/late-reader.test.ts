import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { bodyOf } from '../../support/body-files.ts'
import { literals, requestBlock, responseBlock } from '../../support/http2-fields.ts'
import { connectHttp2Peer, type Http2Peer, startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { data, FLAG, goaway, headers, SETTING, TYPE, windowUpdate } from '../../support/http2-wire.ts'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM
/** More than a Readable reads ahead, and less than the window that a stream begins with. */
const BODY = bodyOf(200_000)
const FRAME_BYTES = 15_000

/** A whole answer with trailers. */
function answer(peer: Http2Peer, streamId: number): void {
  peer.send(headers(streamId, responseBlock()))
  for (let at = 0; at < BODY.length; at += FRAME_BYTES)
    peer.send(data(streamId, BODY.subarray(at, at + FRAME_BYTES)))
  peer.send(headers(streamId, literals(['x-sum', '1']), ENDS))
}

const LEAVINGS = [
  [
    'GOAWAY and an end',
    (peer: Http2Peer) => {
      peer.send(goaway(0x7fffffff))
      peer.socket.end()
    },
  ],
  ['an end', (peer: Http2Peer) => void peer.socket.end()],
] as const

/**
 * nginx does so after keepalive_requests: it answers everything, says GOAWAY and closes. What has come whole
 * is whole, however late its reader is.
 */
describe('an answer that came whole before its connection ended', () => {
  it.for(LEAVINGS)('by %s is read to its end by a reader that stalled', async ([, leave]) => {
    await using origin = await startHttp2PeerOrigin({
      onRequest: (peer, streamId) => {
        answer(peer, streamId)
        if (streamId === 9) setTimeout(() => leave(peer), 50)
      },
    })
    await using transport = createTransport({ defaults: { protocols: ['h2'], pool: { maxConnections: 1 } } })
    // Each of them sleeps: a body that nobody asks for is not read.
    const responses = await Promise.all(Array.from({ length: 5 }, () => transport.request(origin.url)))
    await until(() => origin.peers[0]?.isClosed === true, 'the end of its connection')
    for (const response of responses) {
      expect((await response.bytes()).equals(BODY)).toBe(true)
      expect(response.trailers).toEqual({ 'x-sum': '1' })
    }
    expect(transport.stats().pools[0]).toMatchObject({ streams: 0, opened: { cleartext: 1 } })
  })

  it.for(LEAVINGS)('by %s reaches a client that opens its window late', async ([, leave]) => {
    await using origin = await startHttp2PeerOrigin({
      onRequest: (peer, streamId) => {
        answer(peer, streamId)
        if (streamId === 9) setTimeout(() => leave(peer), 50)
      },
    })
    await using connector = await startConnector({
      origins: { leaving: { url: origin.url, protocols: ['h2'], pool: { maxConnections: 1 } } },
    })
    using client = await connectHttp2Peer(connector.port, {
      settings: { [SETTING.INITIAL_WINDOW_SIZE]: 1_000 },
    })
    const ids = [1, 3, 5, 7, 9]
    for (const id of ids) client.send(headers(id, requestBlock(), ENDS))
    await client.untilFrame(/^HEADERS 9$/)
    await until(() => origin.peers[0]?.isClosed === true, 'the end of its connection')
    client.send(windowUpdate(0, 2_000_000), ...ids.map(id => windowUpdate(id, 300_000)))
    for (const id of ids) {
      const isOver = (): boolean =>
        client.frames.some(
          ({ streamId, flags, type }) => streamId === id && type <= 1 && (flags & 1) === 1,
        ) || client.log.some(line => line.startsWith(`RST_STREAM ${id}`))
      await client.until(isOver, `the end of ${id}`)
      const body = client.frames.filter(({ streamId, type }) => streamId === id && type === TYPE.DATA)
      expect(Buffer.concat(body.map(({ payload }) => payload)).equals(BODY)).toBe(true)
    }
    expect(client.log.filter(line => line.startsWith('RST_STREAM'))).toEqual([])
  })

  it('does not make another whole that was not', async () => {
    await using origin = await startHttp2PeerOrigin({
      onRequest: (peer, streamId) => {
        if (streamId === 1) answer(peer, 1)
        else {
          peer.send(headers(streamId, responseBlock()), data(streamId, BODY.subarray(0, FRAME_BYTES)))
          setTimeout(() => peer.socket.end(), 50)
        }
      },
    })
    await using transport = createTransport({ defaults: { protocols: ['h2'], pool: { maxConnections: 1 } } })
    const [whole, cut] = await Promise.all([transport.request(origin.url), transport.request(origin.url)])
    await until(() => origin.peers[0]?.isClosed === true, 'the end of its connection')
    expect((await whole.bytes()).equals(BODY)).toBe(true)
    await expect(cut.bytes()).rejects.toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'yes' })
  })
})
