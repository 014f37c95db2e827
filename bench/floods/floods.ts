import {
  indexedLiteral,
  literals,
  reference,
  requestBlock,
  responseBlock,
  tableSize,
} from '../../test/support/http2-fields.ts'
import {
  continuation,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  resetStream,
  settings,
  TYPE,
  windowUpdate,
} from '../../test/support/http2-wire.ts'

/** One manner of flooding an HTTP/2 peer: what opens it on a connection, and what is sent over and over. */
export interface Flood {
  readonly name: string
  /** Sent once on each connection. As an origin: as soon as a request came, on its stream. */
  open(streamId: number): Buffer
  /** A piece of some 16 KB to 64 KB. `index` counts pieces on the connection. */
  piece(index: number, streamId: number): Buffer
  /** What of a piece flow control counts, for the stream of `open`. */
  readonly contentBytes?: number
}

const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM
const NOTHING = Buffer.alloc(0)
const PING_ACK = frame(TYPE.PING, FLAG.ACK, 0, Buffer.alloc(8))
const SETTINGS_ACK = frame(TYPE.SETTINGS, FLAG.ACK, 0)

function times(count: number, one: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => one(i)))
}

const PIECE_BYTES = 32_768
/**
 * Of what windows count: a proxy may leave half of a window open that it has made as narrow as this twice.
 */
const COUNTED_PIECE_BYTES = 16_384

/** The same frames again and again. */
function row(
  name: string,
  one: (streamId: number) => Buffer,
  open: Flood['open'] = () => NOTHING,
  content = 0,
): Flood {
  let made: { streamId: number; bytes: Buffer } | undefined
  const count = Math.max(1, Math.floor((content > 0 ? COUNTED_PIECE_BYTES : PIECE_BYTES) / one(1).length))
  return {
    name,
    open,
    piece(_, streamId) {
      if (made?.streamId !== streamId) made = { streamId, bytes: times(count, () => one(streamId)) }
      return made.bytes
    },
    contentBytes: content * count,
  }
}

/** New streams all the time: `one` says what comes on each. */
function streams(name: string, one: (streamId: number) => Buffer, count = 400): Flood {
  return { name, open: () => NOTHING, piece: index => times(count, i => one(2 * (index * count + i) + 3)) }
}

/** What either side may send. */
const EITHER: readonly Flood[] = [
  row('PING', () => ping()),
  row('SETTINGS', () => settings({ 4: 65_535 })),
  row('acknowledgements of SETTINGS', () => SETTINGS_ACK),
  row('answers to no PING', () => PING_ACK),
  row('PRIORITY', () => frame(TYPE.PRIORITY, 0, 1, Buffer.alloc(5))),
  row('unknown frames', () => frame(0xbb, 0, 0)),
  row('WINDOW_UPDATE of 1', () => windowUpdate(0, 1)),
  row('GOAWAY', () => goaway(0x7fffffff)),
]

const post = (streamId: number): Buffer => headers(streamId, requestBlock('/sink', [], 'POST'))
const get = (streamId: number): Buffer => headers(streamId, requestBlock('/1k'), ENDS)
const manyFields = (from: number): [string, string][] =>
  Array.from({ length: 1_500 }, (_, i) => [`x${i}`, `v${i + from}`])
/** A request without a path makes a server reset its stream. */
const malformed = (streamId: number): Buffer => headers(streamId, literals([':method', 'POST']))
const resizing = Buffer.concat([times(200, () => tableSize(0)), requestBlock('/1k')])
const STREAMS_IN_TURNS = 32

export const CLIENT_FLOODS: readonly Flood[] = [
  row('DATA of 1 byte', streamId => data(streamId, 'x'), post, 1),
  {
    name: `DATA of 1 byte on ${STREAMS_IN_TURNS} streams in turns`,
    open: () => times(STREAMS_IN_TURNS, i => post(2 * i + 1)),
    piece: () => times(100, () => times(STREAMS_IN_TURNS, i => data(2 * i + 1, 'x'))),
    contentBytes: 100,
  },
  row('DATA of 63 bytes', streamId => data(streamId, Buffer.alloc(63)), post, 63),
  row('empty DATA', streamId => data(streamId), post),
  row(
    'DATA with padding alone',
    streamId => frame(TYPE.DATA, FLAG.PADDED, streamId, Buffer.from([2, 0, 0])),
    post,
    3,
  ),
  ...EITHER,
  row('WINDOW_UPDATE on a stream that was reset', id => windowUpdate(id, 65_536), malformed),
  row('HEADERS on a stream that was reset', id => get(id), malformed),
  row('PRIORITY_UPDATE', () => frame(0x10, 0, 0, Buffer.from([0, 0, 0, 1, 0x75, 0x3d, 0x31]))),
  streams('rapid reset (CVE-2023-44487)', id => Buffer.concat([get(id), resetStream(id, 'CANCEL')])),
  streams('made-you-reset (CVE-2025-8671)', id => Buffer.concat([get(id), windowUpdate(id, 0)])),
  streams('malformed requests', malformed),
  streams(
    'heads of 1,500 fields',
    id =>
      headers(
        id,
        Buffer.concat([requestBlock('/1k'), literals(...manyFields(id))]).subarray(0, 16_384),
        ENDS,
      ),
    4,
  ),
  streams(
    'heads that insert 1,500 fields',
    id => headers(id, times(1_500, i => indexedLiteral(`x${i}`, `${id}`)).subarray(0, 16_380), ENDS),
    4,
  ),
  {
    name: 'HPACK bomb',
    open: () =>
      headers(1, Buffer.concat([requestBlock('/1k'), indexedLiteral('x', 'y'.repeat(3_900))]), ENDS),
    piece: index =>
      times(2, i =>
        headers(
          2 * (2 * index + i) + 3,
          Buffer.concat([requestBlock('/1k'), Buffer.alloc(16_000, reference(62))]),
          ENDS,
        ),
      ),
  },
  streams('changes of the table size', id => headers(id, resizing, ENDS), 40),
  row(
    'CONTINUATION of 16 KB',
    id => continuation(id, Buffer.alloc(16_384, literals(['x', 'y'.repeat(10)]))),
    id => headers(id, requestBlock(), 0),
  ),
  row(
    'empty CONTINUATION',
    id => continuation(id, NOTHING),
    id => headers(id, requestBlock(), 0),
  ),
]

const ok = (streamId: number): Buffer => headers(streamId, responseBlock())
const origins = times(600, i => {
  const origin = Buffer.from(`https://host${i}.test`)
  return Buffer.concat([Buffer.from([0, origin.length]), origin])
})

export const ORIGIN_FLOODS: readonly Flood[] = [
  row('DATA of 1 byte', streamId => data(streamId, 'x'), ok, 1),
  row('empty DATA', streamId => data(streamId), ok),
  ...EITHER,
  row('ORIGIN of 14 KB', () => frame(0xc, 0, 0, origins)),
  row('empty ORIGIN', () => frame(0xc, 0, 0)),
  row('ALTSVC', () =>
    frame(0xa, 0, 0, Buffer.concat([Buffer.from([0, 11]), Buffer.from('https://a.bh3=":443"')])),
  ),
  row('103', streamId => headers(streamId, responseBlock(103, [['link', '</a>']]))),
  row('resets of a stream that is over', streamId => resetStream(streamId, 'CANCEL')),
  row('heads of 1,500 fields', streamId =>
    headers(streamId, Buffer.concat([responseBlock(), literals(...manyFields(0))]).subarray(0, 16_384)),
  ),
  row(
    'CONTINUATION of 16 KB',
    id => continuation(id, Buffer.alloc(16_384, literals(['x', 'y'.repeat(10)]))),
    id => headers(id, responseBlock(), 0),
  ),
]

/** What a flood process is asked to do. */
export type FloodJob =
  /** Starts an origin that answers everything with 1 KB, once it has read the request. */
  | { readonly kind: 'serve'; readonly cert: string; readonly key: string }
  /** Starts an HTTP/2 origin that floods whoever asks it, as the `flood-as-origin` jobs say. */
  | { readonly kind: 'serve-floods'; readonly cert: string; readonly key: string }
  | {
      readonly kind: 'flood-as-client' | 'flood-as-origin'
      readonly flood: string
      /** Of the proxy. */
      readonly port: number
      /** It ends when so much was sent, or after so long. */
      readonly bytes: number
      readonly seconds: number
    }
  /** Begins to ask the proxy for something small, over and over, and says how that went. */
  | { readonly kind: 'neighbor-start'; readonly port: number }
  | { readonly kind: 'neighbor-stop' }

export type FloodReport =
  | { readonly port: number }
  | { readonly sentBytes: number; readonly connections: number }
  | { readonly p99Ms: number; readonly requests: number; readonly failures: number }

/**
 * What the flooding origin is called, by those who ask for it. All else is the other origin's, what flooding
 * clients ask for as well.
 */
export const FLOODING_HOST = 'flooding.test'
