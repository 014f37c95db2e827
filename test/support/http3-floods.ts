import type { Http3Peer } from './http3-peer.ts'
import {
  data,
  dynamicSection,
  FRAME,
  frame,
  headers,
  insertLiteral,
  responseHeaders,
  STREAM_TYPE,
  setCapacity,
  varint,
} from './http3-wire.ts'

/**
 * What the default QPACK table of ours can hold at the most: 4096 bytes in entries of 32 (RFC 9204 3.2.1,
 * 4.5.1.1).
 */
const TABLE_BYTES = 4_096
const MAX_ENTRIES = 128
/** What lies in the queue of a peer that floods before it waits. */
const QUEUE_BYTES = 200_000

/** Sends one piece after the other on the stream until the connection is over, or so many have left. */
export async function flood(peer: Http3Peer, stream: number, piece: Buffer, pieces = 3_000): Promise<void> {
  for (let i = 0; i < pieces && !peer.isClosed && peer.end === undefined; i++) {
    peer.send(stream, piece)
    while (peer.queuedBytes > QUEUE_BYTES && !peer.isClosed && peer.end === undefined) await turn()
  }
}

/** Opens streams with these bytes, as many as are allowed at a time, until the connection is over. */
export async function floodStreams(
  peer: Http3Peer,
  open: (peer: Http3Peer) => void,
  direction: 'unidirectional' | 'bidirectional',
  streams = 20_000,
): Promise<void> {
  for (let i = 0; i < streams && !peer.isClosed && peer.end === undefined; i++) {
    while (peer.link.connection.streamsLeft(direction) === 0 && !peer.isClosed && peer.end === undefined)
      await turn()
    if (peer.isClosed || peer.end !== undefined) return
    open(peer)
    if (i % 32 === 31) await turn()
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export const times = (bytes: Buffer, count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => bytes))

/**
 * A table with one large entry, and a section that names it as often as fits: 60 bytes that mean a megabyte.
 */
export function qpackBomb(peer: Http3Peer, stream: number, head: readonly Buffer[] = []): void {
  const entry = insertLiteral('x-bomb', 'y'.repeat(TABLE_BYTES - 64))
  peer.openUnidirectional(Buffer.concat([varint(STREAM_TYPE.QPACK_ENCODER), setCapacity(TABLE_BYTES), entry]))
  peer.send(stream, Buffer.concat([...head, frame(FRAME.HEADERS, dynamicSection(1, MAX_ENTRIES, 0, 2_000))]))
}

/** A section that needs an insertion that never comes. */
export const blockedSection = (): Buffer => frame(FRAME.HEADERS, dynamicSection(5, MAX_ENTRIES, 0, 1))

/** What an origin does with a request, and what is to come of it. */
export interface OriginFloodCase {
  readonly name: string
  run(peer: Http3Peer, stream: number): unknown
  /** Of the error that the caller gets. */
  readonly code: string
  /**
   * The name of the limit that took effect. maxHeaderBytes stands for maxHeaderCount as well, as on HTTP/2.
   */
  readonly limit?: string
  /** The code of CONNECTION_CLOSE; undefined: the connection lives. */
  readonly closedWith?: 'H3_EXCESSIVE_LOAD'
}

export const ORIGIN_FLOODS: readonly OriginFloodCase[] = [
  {
    name: 'unknown frames in an answer',
    run: (peer, stream) => flood(peer, stream, times(frame(0x21), 1_000)),
    code: 'MM_EXCESSIVE_LOAD',
    limit: 'maxIgnoredFramesPerSecond',
    closedWith: 'H3_EXCESSIVE_LOAD',
  },
  {
    name: 'unknown frames on the control stream',
    run: peer => flood(peer, peer.controlStream, times(frame(0x21), 1_000)),
    code: 'MM_EXCESSIVE_LOAD',
    limit: 'maxIgnoredFramesPerSecond',
    closedWith: 'H3_EXCESSIVE_LOAD',
  },
  {
    name: 'empty DATA',
    run: (peer, stream) => {
      peer.send(stream, responseHeaders())
      return flood(peer, stream, times(frame(FRAME.DATA), 1_000))
    },
    code: 'MM_EXCESSIVE_LOAD',
    limit: 'maxEmptyFramesPerSecond',
    closedWith: 'H3_EXCESSIVE_LOAD',
  },
  {
    name: 'streams of unknown types',
    run: peer =>
      floodStreams(peer, one => void one.openUnidirectional(Buffer.of(0x21, 1), true), 'unidirectional'),
    code: 'MM_EXCESSIVE_LOAD',
    limit: 'maxIgnoredFramesPerSecond',
    closedWith: 'H3_EXCESSIVE_LOAD',
  },
  {
    name: 'a head of a hundred megabytes',
    run: (peer, stream) => {
      peer.send(stream, Buffer.concat([varint(FRAME.HEADERS), varint(100_000_000)]))
      return flood(peer, stream, Buffer.alloc(10_000), 300)
    },
    code: 'MM_HEADER_LIMIT',
    limit: 'maxHeaderBytes',
  },
  {
    name: 'a head of a thousand fields',
    run: (peer, stream) =>
      peer.send(
        stream,
        headers([':status', '200'], ...Array.from({ length: 1_000 }, () => ['a', ''] as const)),
      ),
    code: 'MM_HEADER_LIMIT',
    limit: 'maxHeaderBytes',
  },
  {
    name: 'trailers of a thousand fields',
    run: (peer, stream) =>
      peer.send(
        stream,
        Buffer.concat([
          responseHeaders(),
          data('x'),
          headers(...Array.from({ length: 1_000 }, () => ['a', ''] as const)),
        ]),
      ),
    code: 'MM_HEADER_LIMIT',
    limit: 'maxHeaderBytes',
  },
  {
    name: 'a head that grows a thousandfold (QPACK)',
    run: (peer, stream) => qpackBomb(peer, stream),
    code: 'MM_HEADER_LIMIT',
    limit: 'maxHeaderBytes',
  },
  {
    name: '1xx without end',
    run: (peer, stream) => flood(peer, stream, times(headers([':status', '103']), 20), 50),
    code: 'MM_PROTOCOL_ERROR',
  },
]
