import { CapsuleReader } from '../http/http3/frames/capsule-reader.ts'
import { encodeVarint, readVarint, type VarintCursor, varintBytes } from '../http/http3/frames/varint.ts'

/** UDP payloads as HTTP datagrams (RFC 9298 4, 5), and these as capsules (RFC 9297 3.5). Pure. */

/** Payloads of UDP; other contexts are those of extensions, of which we know none. */
const UDP_CONTEXT = 0
const DATAGRAM_CAPSULE = 0
/** RFC 9298 5: no UDP datagram holds more. */
export const MAX_UDP_PAYLOAD_BYTES = 65_527
/** In front of each payload. */
export const CONTEXT_BYTES = 1
const MAX_CONTEXT_BYTES = 8

const KNOWN = new Map([[DATAGRAM_CAPSULE, MAX_CONTEXT_BYTES + MAX_UDP_PAYLOAD_BYTES]])

/** The content of an HTTP datagram. */
export function encodeUdpPayload(payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(CONTEXT_BYTES + payload.length)
  bytes[0] = UDP_CONTEXT
  bytes.set(payload, CONTEXT_BYTES)
  return bytes
}

/**
 * A part of what it is given. Undefined: it is of another context, broken, or longer than UDP allows, and is
 * dropped (RFC 9298 4: who registers a context waits for it to be known).
 */
export function readUdpPayload(datagram: Buffer): Buffer | undefined {
  const cursor: VarintCursor = { buffer: datagram, at: 0, end: datagram.length }
  if (readVarint(cursor) !== UDP_CONTEXT) return undefined
  const payload = datagram.subarray(cursor.at)
  return payload.length > MAX_UDP_PAYLOAD_BYTES ? undefined : payload
}

/** The capsule that carries a UDP payload, in memory of its own. */
export function encodeUdpCapsule(payload: Uint8Array): Buffer {
  const length = CONTEXT_BYTES + payload.length
  const headerBytes = 1 + varintBytes(length)
  const bytes = Buffer.allocUnsafe(headerBytes + length)
  bytes[0] = DATAGRAM_CAPSULE
  encodeVarint(bytes, 1, length)
  bytes[headerBytes] = UDP_CONTEXT
  bytes.set(payload, headerBytes + CONTEXT_BYTES)
  return bytes
}

/** Reads the stream of a tunnel: `onDatagram` gets each HTTP datagram, borrowed; other capsules pass by. */
export function datagramCapsules(onDatagram: (datagram: Buffer) => void): CapsuleReader {
  return new CapsuleReader(KNOWN, (_type, payload) => onDatagram(payload))
}
