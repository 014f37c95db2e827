/**
 * The frames of RFC 9113 section 4 and 6, written anew for the tests: nothing of it comes from src/http2, so
 * that a mistake there is not repeated here. It writes whatever it is told to, right or wrong.
 */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const FLAG = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const

/** SETTINGS by number (RFC 9113 6.5.2, RFC 8441 3). */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const

const ERRORS = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const
export type WireErrorName = (typeof ERRORS)[number]

function errorNumber(name: WireErrorName): number {
  return ERRORS.indexOf(name)
}

export interface WireFrame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

/** One frame. `length` is what its header claims, when that is to be a lie. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(0),
  length: number = payload.length,
): Buffer {
  const bytes = Buffer.alloc(9 + payload.length)
  bytes.writeUIntBE(length, 0, 3)
  bytes[3] = type
  bytes[4] = flags
  bytes.writeUInt32BE(streamId, 5)
  bytes.set(payload, 9)
  return bytes
}

export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values)
  const payload = Buffer.alloc(6 * entries.length)
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(Number(id), 6 * index)
    payload.writeUInt32BE(value, 6 * index + 2)
  }
  return frame(TYPE.SETTINGS, 0, 0, payload)
}

export const SETTINGS_ACK = frame(TYPE.SETTINGS, FLAG.ACK, 0)

export function headers(streamId: number, block: Uint8Array, flags: number = FLAG.END_HEADERS): Buffer {
  return frame(TYPE.HEADERS, flags, streamId, block)
}

export function continuation(streamId: number, block: Uint8Array, flags = 0): Buffer {
  return frame(TYPE.CONTINUATION, flags, streamId, block)
}

export function data(streamId: number, payload: Uint8Array | string = '', flags = 0): Buffer {
  return frame(TYPE.DATA, flags, streamId, Buffer.from(payload))
}

export function ping(opaque = 'pingpong', flags = 0): Buffer {
  return frame(TYPE.PING, flags, 0, Buffer.from(opaque, 'latin1'))
}

export function resetStream(streamId: number, error: WireErrorName): Buffer {
  return frame(TYPE.RST_STREAM, 0, streamId, uint32(errorNumber(error)))
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(TYPE.WINDOW_UPDATE, 0, streamId, uint32(increment))
}

export function goaway(lastStreamId: number, error: WireErrorName = 'NO_ERROR', debug = ''): Buffer {
  return frame(
    TYPE.GOAWAY,
    0,
    0,
    Buffer.concat([uint32(lastStreamId), uint32(errorNumber(error)), Buffer.from(debug, 'latin1')]),
  )
}

export function pushPromise(streamId: number, promisedId: number, block: Uint8Array): Buffer {
  return frame(
    TYPE.PUSH_PROMISE,
    FLAG.END_HEADERS,
    streamId,
    Buffer.concat([uint32(promisedId), Buffer.from(block)]),
  )
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Takes bytes as they come and gives out whole frames. */
export class FrameSplitter {
  #pieces: Buffer[] = []
  #bytes = 0

  receive(chunk: Buffer): WireFrame[] {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    const first = this.#pieces[0]
    // The first piece is long enough for a header, or everything is put together.
    if (first !== undefined && first.length >= 9 && this.#bytes < 9 + first.readUIntBE(0, 3)) return []
    let rest: Buffer = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces)
    const frames: WireFrame[] = []
    while (rest.length >= 9) {
      const end = 9 + rest.readUIntBE(0, 3)
      if (rest.length < end) break
      frames.push({
        type: rest.readUInt8(3),
        flags: rest.readUInt8(4),
        streamId: rest.readUInt32BE(5) & 0x7fffffff,
        payload: rest.subarray(9, end),
      })
      rest = rest.subarray(end)
    }
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return frames
  }
}

const TYPE_NAMES = Object.keys(TYPE)

function frameName({ type }: WireFrame): string {
  return TYPE_NAMES[type] ?? `UNKNOWN_${type}`
}

/** `GOAWAY 3 ENHANCE_YOUR_CALM` (the last stream id), `RST_STREAM 1 CANCEL`, `DATA 1`. */
export function describeFrame(frame: WireFrame): string {
  const { type, streamId, payload } = frame
  const name = frameName(frame)
  if (type === TYPE.GOAWAY)
    return `${name} ${payload.readUInt32BE(0) & 0x7fffffff} ${errorName(payload.readUInt32BE(4))}`
  if (type === TYPE.RST_STREAM) return `${name} ${streamId} ${errorName(payload.readUInt32BE(0))}`
  return `${name} ${streamId}`
}

function errorName(code: number): string {
  return ERRORS[code] ?? `0x${code.toString(16)}`
}
