import type { SessionLimits, StreamDirection } from '../base/http/web-transport-carrier.ts'
import { CapsuleFault, CapsuleReader, encodeCapsuleFrame } from '../http/http3/frames/capsule-reader.ts'
import { encodeVarint, readVarint, type VarintCursor, varintBytes } from '../http/http3/frames/varint.ts'

/** What a session says on the stream of its CONNECT (draft-ietf-webtrans-http3 5.6, 6; RFC 9297 3.2). */
export type Capsule =
  | { readonly type: 'close'; readonly closeCode: number; readonly reason: string }
  | { readonly type: 'drain' }
  | { readonly type: 'max-data'; readonly value: number }
  | { readonly type: 'max-streams'; readonly direction: StreamDirection; readonly value: number }

const CLOSE = 0x2843
const DRAIN = 0x78ae
const MAX_DATA = 0x190b_4d3d
const MAX_STREAMS: Readonly<Record<StreamDirection, number>> = {
  bidirectional: 0x190b_4d3f,
  unidirectional: 0x190b_4d40,
}

/** The longest reason of an end (6). */
const MAX_REASON_BYTES = 1024
const CODE_BYTES = 4
const MAX_VARINT_BYTES = 8

/** How long each capsule that we know may be; what is not in here is read over. */
const MAX_BYTES: ReadonlyMap<number, number> = new Map([
  [CLOSE, CODE_BYTES + MAX_REASON_BYTES],
  [DRAIN, 0],
  [MAX_DATA, MAX_VARINT_BYTES],
  [MAX_STREAMS.bidirectional, MAX_VARINT_BYTES],
  [MAX_STREAMS.unidirectional, MAX_VARINT_BYTES],
])

const NO_BYTES = Buffer.alloc(0)

/** Takes the capsules of a session apart. */
export function capsuleReader(onCapsule: (capsule: Capsule) => void): CapsuleReader {
  return new CapsuleReader(MAX_BYTES, (type, payload) => onCapsule(decode(type, payload)))
}

function decode(type: number, payload: Buffer): Capsule {
  if (type === DRAIN) return { type: 'drain' }
  if (type === CLOSE) {
    if (payload.length < CODE_BYTES) throw new CapsuleFault('the capsule that ends a session has no code')
    return { type: 'close', closeCode: payload.readUInt32BE(0), reason: payload.toString('utf8', CODE_BYTES) }
  }
  const cursor: VarintCursor = { buffer: payload, at: 0, end: payload.length }
  const value = readVarint(cursor)
  if (value === undefined || cursor.at !== payload.length) {
    throw new CapsuleFault(`capsule 0x${type.toString(16)} is not one integer`)
  }
  if (type === MAX_DATA) return { type: 'max-data', value }
  const direction = type === MAX_STREAMS.bidirectional ? 'bidirectional' : 'unidirectional'
  return { type: 'max-streams', direction, value }
}

/** The bytes of a capsule. A reason that is too long is cut where a character ends. */
export function encodeCapsule(capsule: Capsule): Buffer {
  switch (capsule.type) {
    case 'drain':
      return encodeCapsuleFrame(DRAIN, NO_BYTES)
    case 'close': {
      const code = Buffer.alloc(CODE_BYTES)
      code.writeUInt32BE(capsule.closeCode)
      return encodeCapsuleFrame(CLOSE, Buffer.concat([code, reasonBytes(capsule.reason)]))
    }
    case 'max-data':
      return encodeCapsuleFrame(MAX_DATA, varint(capsule.value))
    default:
      return encodeCapsuleFrame(MAX_STREAMS[capsule.direction], varint(capsule.value))
  }
}

function reasonBytes(reason: string): Buffer {
  const bytes = Buffer.from(reason, 'utf8')
  let end = Math.min(bytes.length, MAX_REASON_BYTES)
  // Continuation bytes are 10xxxxxx.
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value))
  encodeVarint(bytes, 0, value)
  return bytes
}

/** What is said of a bound that has moved. */
export function limitCapsules(before: SessionLimits, now: SessionLimits): Capsule[] {
  const capsules: Capsule[] = []
  if (now.maxData > before.maxData) capsules.push({ type: 'max-data', value: now.maxData })
  if (now.maxBidirectional > before.maxBidirectional)
    capsules.push({ type: 'max-streams', direction: 'bidirectional', value: now.maxBidirectional })
  if (now.maxUnidirectional > before.maxUnidirectional)
    capsules.push({ type: 'max-streams', direction: 'unidirectional', value: now.maxUnidirectional })
  return capsules
}
