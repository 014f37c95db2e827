import { ByteReader, ByteWriter } from './byte-cursor.ts'
import { describeFrame, type Frame } from './frame.ts'
import { readFrame, writeFrame } from './frame-codec.ts'

/** `SIM1`. */
export const SIMULATED_VERSION = 0x5349_4d31

/** The kinds of RFC 9000 17. All but `one-rtt` have a long header. */
export type PacketKind = 'initial' | 'zero-rtt' | 'handshake' | 'retry' | 'version-negotiation' | 'one-rtt'

const LONG_KINDS = ['initial', 'zero-rtt', 'handshake', 'retry', 'version-negotiation'] as const
const LONG_BIT = 0x80
const FIXED_BIT = 0x40
const CHECKSUM_BYTES = 4
const SCRATCH = Buffer.alloc(70_000)

export interface PacketHead {
  readonly kind: PacketKind
  readonly version: number
  readonly destinationId: Buffer
  /** Empty in `one-rtt`. */
  readonly sourceId: Buffer
  /** Of `initial` and `retry`; else empty. */
  readonly token: Buffer
  readonly number: number
}

export interface Packet extends PacketHead {
  readonly frames: readonly Frame[]
}

/**
 * Writes one packet, which is one datagram here: packets are not coalesced. The checksum at the end stands
 * for the AEAD tag: what was changed on the path is dropped like a packet that cannot be decrypted.
 */
export function encodePacket(head: PacketHead, frames: readonly Frame[], into: Buffer, padTo = 0): Buffer {
  const writer = new ByteWriter(into)
  writeHead(writer, head)
  for (const frame of frames) writeFrame(writer, frame)
  while (writer.at < padTo - CHECKSUM_BYTES) writer.byte(0)
  writer.word(checksum(into, writer.at))
  return into.subarray(0, writer.at)
}

/** Bytes of a packet around its frames. */
export function headBytes(head: PacketHead): number {
  const scratch = new ByteWriter(Buffer.alloc(128 + head.token.length))
  writeHead(scratch, head)
  return scratch.at + CHECKSUM_BYTES
}

/** Bytes of one frame. */
export function frameBytes(frame: Frame): number {
  const writer = new ByteWriter(SCRATCH)
  writeFrame(writer, frame)
  return writer.at
}

/**
 * Reads the head alone. Undefined: it is none. `idBytes`: the length of our ids, which a short header does
 * not tell.
 */
export function readHead(datagram: Buffer, idBytes: number): PacketHead | undefined {
  try {
    return head(new ByteReader(datagram), idBytes)
  } catch {
    return undefined
  }
}

/** Undefined: it was not whole, and is dropped. Throws RangeError when it is whole and means nothing. */
export function decodePacket(datagram: Buffer, idBytes: number): Packet | undefined {
  const end = datagram.length - CHECKSUM_BYTES
  if (end < 1 || datagram.readUInt32BE(end) !== checksum(datagram, end)) return undefined
  const reader = new ByteReader(datagram, 0, end)
  const frames: Frame[] = []
  const packetHead = head(reader, idBytes)
  while (reader.left > 0) {
    const frame = readFrame(reader)
    if (frame !== undefined) frames.push(frame)
  }
  return { ...packetHead, frames }
}

/** One line of a trace. */
export function describePacket({ kind, number, frames }: Packet): string {
  return `${kind} #${number}: ${frames.map(describeFrame).join('; ')}`
}

function writeHead(
  writer: ByteWriter,
  { kind, version, destinationId, sourceId, token, number }: PacketHead,
): void {
  if (kind === 'one-rtt') {
    writer.byte(FIXED_BIT)
    writer.bytes(destinationId)
  } else {
    writer.byte(LONG_BIT | FIXED_BIT | LONG_KINDS.indexOf(kind))
    writer.word(version)
    writer.sized(destinationId)
    writer.sized(sourceId)
    writer.sized(token)
  }
  writer.varint(number)
}

function head(reader: ByteReader, idBytes: number): PacketHead {
  const first = reader.byte()
  if ((first & FIXED_BIT) === 0) throw new RangeError('no packet')
  const none = Buffer.alloc(0)
  if ((first & LONG_BIT) === 0) {
    const destinationId = reader.bytes(idBytes)
    const number = reader.varint()
    return { kind: 'one-rtt', version: SIMULATED_VERSION, destinationId, sourceId: none, token: none, number }
  }
  const kind = LONG_KINDS[first & 0x3f]
  if (kind === undefined) throw new RangeError(`a packet of type ${first & 0x3f}`)
  const version = reader.word()
  const [destinationId, sourceId, token] = [reader.sized(), reader.sized(), reader.sized()]
  return { kind, version, destinationId, sourceId, token, number: reader.varint() }
}

/** FNV-1a over the first `end` bytes. */
function checksum(bytes: Buffer, end: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193)
  return hash >>> 0
}
