import { indexedLiteral, literals, reference, responseBlock, type WireField } from './http2-fields.ts'
import type { Http2Peer, Http2PeerOptions } from './http2-peer.ts'
import {
  continuation,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  pushPromise,
  resetStream,
  SETTING,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from './http2-wire.ts'

const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM

/** What an origin does with a request, and what is to come of it. */
export interface OriginAttack {
  readonly name: string
  readonly peer?: Http2PeerOptions
  run(peer: Http2Peer, streamId: number): unknown
  /** The request has a body of so many bytes. */
  readonly bodyBytes?: number
  /**
   * What the client gets: the status and code of an answer of the connector's own; or `cut`, when an answer
   * of the origin had begun.
   */
  readonly answer: readonly [status: number, code: string | RegExp] | 'cut'
  /** The frame that notifies the origin. Undefined: there is no need to. */
  readonly told?: RegExp
  /** The limit that took effect. */
  readonly limit?: string
  /**
   * The client reads nothing of the answer until the origin has been notified, so that no credit comes back
   * for what it would read.
   */
  readonly isReadLate?: true
}

const ok = (streamId: number, extra: readonly WireField[] = []): Buffer =>
  headers(streamId, responseBlock(200, extra))
const BAD: OriginAttack['answer'] = [502, 'MM_PROTOCOL_ERROR']
const FLOODED: OriginAttack['answer'] = [502, 'MM_EXCESSIVE_LOAD']
const LARGE: OriginAttack['answer'] = [502, 'MM_HEADER_LIMIT']
const CALM = /^GOAWAY 0 ENHANCE_YOUR_CALM$/

/**
 * `times` copies of the frame in one piece, sent until `pieces` of them have left or the connector has gone.
 */
function floodOf(one: Buffer, times = 1_000, pieces = 600): (peer: Http2Peer) => Promise<number> {
  const many = Buffer.concat(Array.from({ length: times }, () => one))
  return peer => peer.flood(index => (index < pieces ? many : undefined))
}

export const ORIGIN_FLOODS: readonly OriginAttack[] = [
  {
    name: 'CONTINUATION without end (CVE-2024-27316)',
    run: async (peer, streamId) => {
      peer.send(headers(streamId, responseBlock(), 0))
      const block = continuation(streamId, Buffer.alloc(16_384, literals(['x', 'y'.repeat(10)])))
      await floodOf(block, 10)(peer)
    },
    answer: FLOODED,
    told: CALM,
    limit: 'maxHeaderBytes',
  },
  {
    name: 'empty CONTINUATION',
    run: async (peer, streamId) => {
      peer.send(headers(streamId, responseBlock(), 0))
      await floodOf(continuation(streamId, Buffer.alloc(0)))(peer)
    },
    answer: FLOODED,
    told: CALM,
    limit: 'maxContinuations',
  },
  {
    name: 'empty DATA',
    run: async (peer, streamId) => {
      peer.send(ok(streamId))
      await floodOf(data(streamId))(peer)
    },
    answer: 'cut',
    told: CALM,
    limit: 'maxEmptyFramesPerSecond',
  },
  {
    name: 'DATA of one byte',
    run: async (peer, streamId) => {
      peer.send(ok(streamId))
      await floodOf(data(streamId, 'x'))(peer)
    },
    answer: 'cut',
    told: CALM,
    limit: 'maxTinyFramesPerSecond',
  },
  {
    name: 'SETTINGS (CVE-2019-9515)',
    run: floodOf(settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 50 })),
    answer: FLOODED,
    told: CALM,
    limit: 'maxSettingsPerSecond',
  },
  {
    name: 'PING (CVE-2019-9512)',
    run: floodOf(ping()),
    answer: FLOODED,
    told: CALM,
    limit: 'maxPingsPerSecond',
  },
  {
    name: 'WINDOW_UPDATE of one byte',
    run: floodOf(windowUpdate(0, 1)),
    answer: FLOODED,
    told: CALM,
    limit: 'maxTinyWindowUpdatesPerSecond',
  },
  {
    name: 'unknown frames',
    run: floodOf(frame(0xbb, 0, 0, Buffer.alloc(100))),
    answer: FLOODED,
    told: CALM,
    limit: 'maxIgnoredFramesPerSecond',
  },
  {
    name: 'ALTSVC',
    run: floodOf(frame(0xa, 0, 0, Buffer.concat([Buffer.from([0, 8]), Buffer.from('http://ah3=":443"')]))),
    answer: FLOODED,
    told: CALM,
    limit: 'maxIgnoredFramesPerSecond',
  },
  {
    name: '103 without end',
    run: async (peer, streamId) => {
      const hints = headers(streamId, responseBlock(103, [['link', '</a>']]))
      await floodOf(hints, 100)(peer)
    },
    answer: BAD,
    told: /^RST_STREAM 1 /,
    // What follows the reset.
    limit: 'maxIgnoredFramesPerSecond',
  },
]

/** Breaches of RFC 9113 by an origin. */
export const ORIGIN_FAULTS: readonly OriginAttack[] = [
  {
    name: 'garbage',
    run: peer => peer.send(Buffer.alloc(4_096, 0xf7)),
    answer: BAD,
    told: /^GOAWAY 0 FRAME_SIZE_ERROR$/,
  },
  {
    name: 'HTTP/1.1',
    peer: { isSilent: true },
    run: peer => peer.send(Buffer.from('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')),
    answer: BAD,
    told: /^GOAWAY 0 (?:FRAME_SIZE_ERROR|PROTOCOL_ERROR)$/,
  },
  {
    name: 'a first frame that is no SETTINGS',
    peer: { isSilent: true, acknowledges: false },
    run: peer => peer.send(ping()),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'an acknowledgement of SETTINGS as its first frame',
    peer: { isSilent: true, acknowledges: false },
    run: peer => peer.send(SETTINGS_ACK),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'PUSH_PROMISE, though we take no push',
    run: (peer, streamId) => peer.send(pushPromise(streamId, 2, responseBlock())),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'an answer on a stream that nobody opened',
    run: peer => peer.send(ok(99)),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'DATA before the head',
    run: (peer, streamId) => peer.send(data(streamId, 'x')),
    answer: BAD,
    told: /^RST_STREAM 1 PROTOCOL_ERROR$/,
  },
  {
    name: 'more DATA than the window',
    run: async (peer, streamId) => {
      peer.send(ok(streamId))
      await floodOf(data(streamId, Buffer.alloc(16_384)), 10)(peer)
    },
    answer: 'cut',
    told: /^(?:RST_STREAM 1|GOAWAY 0) FLOW_CONTROL_ERROR$/,
    isReadLate: true,
  },
  {
    name: 'a window of more than 2^31-1 on the stream',
    bodyBytes: 1_000_000,
    // What was sent has made room for one of them, perhaps.
    run: (peer, streamId) =>
      peer.send(windowUpdate(streamId, 0x7fffffff), windowUpdate(streamId, 0x7fffffff)),
    answer: BAD,
    told: /^RST_STREAM 1 FLOW_CONTROL_ERROR$/,
  },
  {
    name: 'a window of more than 2^31-1 on the connection',
    run: peer => peer.send(windowUpdate(0, 0x7fffffff)),
    answer: BAD,
    told: /^GOAWAY 0 FLOW_CONTROL_ERROR$/,
  },
  {
    name: 'WINDOW_UPDATE of 0',
    bodyBytes: 1_000_000,
    run: (peer, streamId) => peer.send(windowUpdate(streamId, 0)),
    answer: BAD,
    told: /^RST_STREAM 1 PROTOCOL_ERROR$/,
  },
  {
    name: 'SETTINGS_ENABLE_PUSH 1',
    run: peer => peer.send(settings({ [SETTING.ENABLE_PUSH]: 1 })),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'HPACK that refers to what is not there',
    run: (peer, streamId) => peer.send(headers(streamId, reference(200))),
    answer: BAD,
    told: /^GOAWAY 0 COMPRESSION_ERROR$/,
  },
  {
    name: 'a GOAWAY whose last stream id goes up',
    run: (peer, streamId) => peer.send(goaway(streamId), goaway(streamId + 2)),
    answer: BAD,
    told: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'HPACK that makes 16,000 fields of 16 KB (HPACK bomb)',
    run: (peer, streamId) => {
      peer.send(
        headers(streamId, Buffer.concat([responseBlock(103), indexedLiteral('x', 'y'.repeat(3_900))])),
      )
      peer.send(
        headers(streamId, Buffer.concat([responseBlock(), Buffer.alloc(16_000, reference(62))]), ENDS),
      )
    },
    answer: LARGE,
    told: /^RST_STREAM 1 ENHANCE_YOUR_CALM$/,
    limit: 'maxHeaderBytes',
  },
  {
    name: 'trailers that are too large',
    run: (peer, streamId) => {
      peer.send(ok(streamId), data(streamId, 'x'))
      peer.send(
        headers(
          streamId,
          Buffer.concat([indexedLiteral('x', 'y'.repeat(3_900)), Buffer.alloc(12_000, reference(62))]),
          ENDS,
        ),
      )
    },
    answer: 'cut',
    told: /^RST_STREAM 1 ENHANCE_YOUR_CALM$/,
    limit: 'maxHeaderBytes',
  },
]

const malformed = (name: string, ...frames: readonly Buffer[]): OriginAttack => ({
  name,
  run: peer => peer.send(...frames),
  answer: BAD,
  told: /^RST_STREAM 1 PROTOCOL_ERROR$/,
})
const cut = (name: string, ...frames: readonly Buffer[]): OriginAttack => ({
  ...malformed(name, ...frames),
  answer: 'cut',
})

/** Answers that are no HTTP (RFC 9113 8.1.1): to the first request, which is on stream 1. */
export const MALFORMED_ANSWERS: readonly OriginAttack[] = [
  malformed('CR LF in a value (response splitting)', ok(1, [['x-a', 'b\r\nset-cookie: c']])),
  malformed('NUL in a value', ok(1, [['x-a', 'b\0c']])),
  malformed('an upper-case name', ok(1, [['X-A', 'b']])),
  malformed('CR LF in a name', ok(1, [['x\r\na', 'b']])),
  malformed('an empty name', ok(1, [['', 'b']])),
  malformed('Transfer-Encoding', ok(1, [['transfer-encoding', 'chunked']])),
  malformed('Connection', ok(1, [['connection', 'close']])),
  malformed('no :status', headers(1, literals(['x', 'y']))),
  malformed('two :status', ok(1, [[':status', '404']])),
  malformed('a :status that is no status', headers(1, literals([':status', '20x']))),
  malformed('a :status of 99', headers(1, literals([':status', '099']))),
  malformed(':status 101', headers(1, literals([':status', '101']))),
  malformed(':path in an answer', ok(1, [[':path', '/']])),
  malformed(':status behind other fields', headers(1, literals(['x', 'y'], [':status', '200']))),
  malformed('a 1xx that ends the stream', headers(1, responseBlock(103), ENDS)),
  malformed(
    'two values of content-length',
    ok(1, [
      ['content-length', '1'],
      ['content-length', '2'],
    ]),
  ),
  malformed('a negative content-length', ok(1, [['content-length', '-1']])),
  malformed('no DATA for a content-length', headers(1, responseBlock(200, [['content-length', '9']]), ENDS)),
  cut('less DATA than content-length', ok(1, [['content-length', '9']]), data(1, 'short', FLAG.END_STREAM)),
  cut('more DATA than content-length', ok(1, [['content-length', '3']]), data(1, 'longer', FLAG.END_STREAM)),
  cut('a pseudo-field in trailers', ok(1), data(1, 'x'), headers(1, literals([':status', '200']), ENDS)),
  cut('CR LF in trailers', ok(1), data(1, 'x'), headers(1, literals(['x', 'a\r\nb']), ENDS)),
  cut('trailers that end nothing', ok(1), data(1, 'x'), headers(1, literals(['x', 'y']))),
]

/** What an origin may do, and what it does to the request. */
export const ORIGIN_WHIMS: readonly OriginAttack[] = [
  {
    name: 'resets the stream',
    run: (peer, streamId) => peer.send(resetStream(streamId, 'INTERNAL_ERROR')),
    answer: [502, 'MM_STREAM_RESET'],
  },
  {
    name: 'resets the stream within the body',
    run: (peer, streamId) => peer.send(ok(streamId), data(streamId, 'x'), resetStream(streamId, 'CANCEL')),
    answer: 'cut',
  },
  {
    name: 'refuses every stream',
    run: (peer, streamId) => peer.send(resetStream(streamId, 'REFUSED_STREAM')),
    answer: [502, 'MM_REFUSED'],
  },
  {
    name: 'says GOAWAY to every request',
    run: peer => peer.send(goaway(0)),
    answer: [502, 'MM_REFUSED'],
  },
  {
    name: 'closes without a word',
    run: peer => peer.socket.end(),
    answer: [502, 'MM_CONNECTION_CLOSED'],
  },
  {
    name: 'resets the connection',
    run: peer => peer.socket.resetAndDestroy(),
    // A write that fails of it takes the reset off the socket: what is read then is an end.
    answer: [502, /^MM_CONNECTION_(?:RESET|CLOSED)$/],
  },
  {
    name: 'closes in the middle of a frame',
    run: (peer, streamId) => {
      peer.send(ok(streamId), data(streamId, 'x'.repeat(1_000)).subarray(0, 500))
      peer.socket.end()
    },
    answer: 'cut',
  },
]
