import type { Http2ErrorCode } from './error-codes.ts'
import { Http2ConnectionFault } from './error-codes.ts'

/** What one side has announced in SETTINGS (RFC 9113 6.5). */
export interface PeerSettings {
  /** The dynamic table that its decoder takes. */
  headerTableBytes: number
  enablePush: boolean
  /** Streams that it lets the other side have open. Infinity: no limit. */
  maxConcurrentStreams: number
  /** The window that each stream starts with. */
  initialWindowBytes: number
  /** The largest payload of a frame that it takes. */
  maxFrameBytes: number
  /** The largest field section that it takes, as RFC 9113 6.5.2 counts it. Infinity: it did not say. */
  maxHeaderListBytes: number
  /** It takes extended CONNECT (RFC 8441). Means something only when a server says it. */
  enableConnectProtocol: boolean
  /** It pays no attention to the priorities of RFC 7540 (RFC 9218 2.1). */
  noRfc7540Priorities: boolean
}

const MAX_UINT32 = 2 ** 32 - 1

interface Setting {
  readonly id: number
  readonly name: keyof PeerSettings
  /** On the wire: flags are 0 and 1, and no number stands for "no limit". */
  readonly initial: number
  readonly min: number
  readonly max: number
  /** For a value outside of min and max. */
  readonly error: Http2ErrorCode
}

/**
 * Every setting that we know: RFC 9113 6.5.2, RFC 8441 3, RFC 9218 2.1. Where every value is legal the error
 * cannot occur.
 */
export const SETTING_TABLE: readonly Setting[] = [
  { id: 0x1, name: 'headerTableBytes', initial: 4096, min: 0, max: MAX_UINT32, error: 'PROTOCOL_ERROR' },
  { id: 0x2, name: 'enablePush', initial: 1, min: 0, max: 1, error: 'PROTOCOL_ERROR' },
  {
    id: 0x3,
    name: 'maxConcurrentStreams',
    initial: Number.POSITIVE_INFINITY,
    min: 0,
    max: MAX_UINT32,
    error: 'PROTOCOL_ERROR',
  },
  {
    id: 0x4,
    name: 'initialWindowBytes',
    initial: 65_535,
    min: 0,
    max: 2 ** 31 - 1,
    error: 'FLOW_CONTROL_ERROR',
  },
  {
    id: 0x5,
    name: 'maxFrameBytes',
    initial: 16_384,
    min: 16_384,
    max: 2 ** 24 - 1,
    error: 'PROTOCOL_ERROR',
  },
  {
    id: 0x6,
    name: 'maxHeaderListBytes',
    initial: Number.POSITIVE_INFINITY,
    min: 0,
    max: MAX_UINT32,
    error: 'PROTOCOL_ERROR',
  },
  { id: 0x8, name: 'enableConnectProtocol', initial: 0, min: 0, max: 1, error: 'PROTOCOL_ERROR' },
  { id: 0x9, name: 'noRfc7540Priorities', initial: 0, min: 0, max: 1, error: 'PROTOCOL_ERROR' },
]

/** What holds until the first SETTINGS. Unlimited is Infinity. */
export const INITIAL_HTTP2_SETTINGS: Readonly<PeerSettings> = Object.freeze({
  headerTableBytes: 4096,
  enablePush: true,
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  initialWindowBytes: 65_535,
  maxFrameBytes: 16_384,
  maxHeaderListBytes: Number.POSITIVE_INFINITY,
  enableConnectProtocol: false,
  noRfc7540Priorities: false,
})

/** A setting on the wire: 16 bits of id, 32 bits of value. */
const SETTING_BYTES = 6

/** Indexed by id; ids that nobody has defined are undefined. */
const BY_ID: readonly (Setting | undefined)[] = Array.from({ length: 10 }, (_, id) =>
  SETTING_TABLE.find(setting => setting.id === id),
)

/**
 * Applies the SETTINGS payload `buffer[start, end)`, whose length is a multiple of six, on top of `current`,
 * which is INITIAL_HTTP2_SETTINGS itself for the first frame. The values count in their order, and an unknown
 * id not at all (RFC 9113 6.5.3, 6.5.2). Throws a Http2ConnectionFault:
 *  1. A value outside of its range: the error of the table.
 *  2. A server must not allow push to itself (RFC 9113 6.5.2).
 *  3. Extended CONNECT must not be taken back (RFC 8441 3).
 *  4. The priorities of RFC 7540 are switched off in the first SETTINGS or not at all (RFC 9218 2.1).
 */
export function readHttp2Settings(
  buffer: Buffer,
  start: number,
  end: number,
  current: Readonly<PeerSettings>,
  from: 'client' | 'server',
): PeerSettings {
  const next = { ...current }
  for (let pos = start; pos + SETTING_BYTES <= end; pos += SETTING_BYTES) {
    const setting = BY_ID[buffer.readUInt16BE(pos)]
    if (setting === undefined) continue
    const value = buffer.readUInt32BE(pos + 2)
    if (value < setting.min || value > setting.max) {
      throw new Http2ConnectionFault(setting.error, `the setting ${setting.name} must not be ${value}`)
    }
    apply(next, setting.name, value, from)
  }
  if (current !== INITIAL_HTTP2_SETTINGS && next.noRfc7540Priorities !== current.noRfc7540Priorities) {
    throw new Http2ConnectionFault('PROTOCOL_ERROR', 'noRfc7540Priorities changed after the first SETTINGS')
  }
  return next
}

function apply(
  settings: PeerSettings,
  name: keyof PeerSettings,
  value: number,
  from: 'client' | 'server',
): void {
  switch (name) {
    case 'enablePush':
      if (value === 1 && from === 'server') {
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'a server must not send enablePush 1')
      }
      settings.enablePush = value === 1
      break
    case 'enableConnectProtocol':
      if (value === 0 && settings.enableConnectProtocol) {
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'enableConnectProtocol was taken back')
      }
      settings.enableConnectProtocol = value === 1
      break
    case 'noRfc7540Priorities':
      settings.noRfc7540Priorities = value === 1
      break
    default:
      settings[name] = value
  }
}

/** The payload of our own SETTINGS: only what differs from the initial values. */
export function encodeHttp2Settings(settings: Partial<PeerSettings>): Buffer {
  const payload = Buffer.alloc(SETTING_TABLE.length * SETTING_BYTES)
  let pos = 0
  for (const { id, name, initial } of SETTING_TABLE) {
    const value = Number(settings[name] ?? initial)
    if (value === initial) continue
    pos = payload.writeUInt16BE(id, pos)
    pos = payload.writeUInt32BE(value, pos)
  }
  return payload.subarray(0, pos)
}

/** The payload of SETTINGS that change the window that streams start with, and nothing else. */
export function encodeInitialWindow(bytes: number): Buffer {
  const payload = Buffer.alloc(SETTING_BYTES)
  payload.writeUInt16BE(0x4)
  payload.writeUInt32BE(bytes, 2)
  return payload
}
