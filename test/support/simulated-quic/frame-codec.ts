import type { ByteReader, ByteWriter } from './byte-cursor.ts'
import type { Frame, PacketRange } from './frame.ts'

const TYPES = {
  padding: 0,
  ping: 1,
  ack: 2,
  reset: 4,
  stop: 5,
  handshake: 6,
  stream: 8,
  lastStream: 9,
  maxData: 16,
  maxStreamData: 17,
  maxStreams: 18,
  maxUnidirectional: 19,
  close: 28,
  closeApplication: 29,
  datagram: 48,
} as const

export function writeFrame(writer: ByteWriter, frame: Frame): void {
  switch (frame.type) {
    case 'ping':
      return writer.byte(TYPES.ping)
    case 'ack':
      writer.byte(TYPES.ack)
      writer.varint(frame.ranges.length)
      for (const { first, last } of frame.ranges) {
        writer.varint(first)
        writer.varint(last - first)
      }
      return
    case 'handshake':
      writer.byte(TYPES.handshake)
      writer.varint(frame.offset)
      return writer.sized(frame.data)
    case 'stream':
      writer.byte(frame.isLast ? TYPES.lastStream : TYPES.stream)
      writer.varint(frame.stream)
      writer.varint(frame.offset)
      return writer.sized(frame.data)
    case 'reset':
      writer.byte(TYPES.reset)
      writer.varint(frame.stream)
      writer.varint(frame.code)
      return writer.varint(frame.finalBytes)
    case 'stop':
      writer.byte(TYPES.stop)
      writer.varint(frame.stream)
      return writer.varint(frame.code)
    case 'max-data':
      writer.byte(TYPES.maxData)
      return writer.varint(frame.bytes)
    case 'max-stream-data':
      writer.byte(TYPES.maxStreamData)
      writer.varint(frame.stream)
      return writer.varint(frame.bytes)
    case 'max-streams':
      writer.byte(frame.isBidirectional ? TYPES.maxStreams : TYPES.maxUnidirectional)
      return writer.varint(frame.count)
    case 'datagram':
      writer.byte(TYPES.datagram)
      return writer.sized(frame.data)
    case 'close':
      writer.byte(frame.isApplication ? TYPES.closeApplication : TYPES.close)
      writer.varint(frame.code)
      return writer.sized(Buffer.from(frame.reason))
  }
}

/** The next frame; undefined for padding. Throws RangeError when there is no such frame. */
export function readFrame(reader: ByteReader): Frame | undefined {
  const type = reader.byte()
  switch (type) {
    case TYPES.padding:
      return undefined
    case TYPES.ping:
      return { type: 'ping' }
    case TYPES.ack:
      return { type: 'ack', ranges: readRanges(reader) }
    case TYPES.handshake:
      return { type: 'handshake', offset: reader.varint(), data: reader.sized() }
    case TYPES.stream:
    case TYPES.lastStream: {
      const [stream, offset, data] = [reader.varint(), reader.varint(), reader.sized()]
      return { type: 'stream', stream, offset, data, isLast: type === TYPES.lastStream }
    }
    case TYPES.reset:
      return { type: 'reset', stream: reader.varint(), code: reader.varint(), finalBytes: reader.varint() }
    case TYPES.stop:
      return { type: 'stop', stream: reader.varint(), code: reader.varint() }
    case TYPES.maxData:
      return { type: 'max-data', bytes: reader.varint() }
    case TYPES.maxStreamData:
      return { type: 'max-stream-data', stream: reader.varint(), bytes: reader.varint() }
    case TYPES.maxStreams:
    case TYPES.maxUnidirectional:
      return { type: 'max-streams', isBidirectional: type === TYPES.maxStreams, count: reader.varint() }
    case TYPES.datagram:
      return { type: 'datagram', data: reader.sized() }
    case TYPES.close:
    case TYPES.closeApplication: {
      const [code, reason] = [reader.varint(), reader.sized().toString()]
      return { type: 'close', isApplication: type === TYPES.closeApplication, code, reason }
    }
    default:
      throw new RangeError(`a frame of type ${type}`)
  }
}

function readRanges(reader: ByteReader): PacketRange[] {
  const ranges: PacketRange[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const first = reader.varint()
    ranges.push({ first, last: first + reader.varint() })
  }
  return ranges
}
