import { Http3ConnectionFault } from './error-codes.ts'
import { encodeVarint, readVarint, type VarintCursor, varintBytes } from './varint.ts'

/** HTTP datagrams (RFC 9297 2.1): the id of their request stream, divided by four, and a payload. */

/** Where the payload begins and which stream it is for. Throws Http3ConnectionFault. */
export function readDatagram(bytes: Buffer): { streamId: number; payload: Buffer } {
  const cursor: VarintCursor = { buffer: bytes, at: 0, end: bytes.length }
  const quarterId = readVarint(cursor)
  if (quarterId === undefined || quarterId > MAX_QUARTER_ID) {
    throw new Http3ConnectionFault('H3_DATAGRAM_ERROR', 'a datagram without a quarter stream id')
  }
  return { streamId: quarterId * 4, payload: bytes.subarray(cursor.at) }
}

export function encodeDatagram(streamId: number, payload: Uint8Array): Buffer {
  const quarterId = streamId / 4
  const bytes = Buffer.allocUnsafe(varintBytes(quarterId) + payload.length)
  bytes.set(payload, encodeVarint(bytes, 0, quarterId))
  return bytes
}

/** RFC 9297 2.1: 2^60 - 1; what a number does not hold exactly is no stream of ours either. */
const MAX_QUARTER_ID = 2 ** 51
