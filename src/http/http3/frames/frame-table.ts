import type { Http3ErrorCode } from './error-codes.ts'

/** The frame types of RFC 9114 7.2, RFC 9218 7.2 and RFC 9412 2. */
export const DATA = 0x00
export const HEADERS = 0x01
export const CANCEL_PUSH = 0x03
export const SETTINGS = 0x04
const PUSH_PROMISE = 0x05
export const GOAWAY = 0x07
export const ORIGIN = 0x0c
export const MAX_PUSH_ID = 0x0d
export const PRIORITY_UPDATE_REQUEST = 0xf0700
const PRIORITY_UPDATE_PUSH = 0xf0701

/** Types of HTTP/2 that must not be used here (RFC 9114 7.2.8). */
const RESERVED: ReadonlySet<number> = new Set([0x02, 0x06, 0x08, 0x09])

/**
 * Where a request stream stands, in the direction in which it is read:
 * - `head`: nothing but 1xx so far. Valid transitions: body
 * - `body`: the head has come. Valid transitions: trailers
 * - `tunnel`: a head that made it a tunnel; no trailers follow (RFC 9114 4.4). Final
 * - `trailers`: nothing but unknown frames may follow. Final
 */
export type ReadState = 'head' | 'body' | 'tunnel' | 'trailers'

/**
 * What a frame meets: it is taken; it is one of an extension, to be read over; or it is a connection error.
 */
export type FrameVerdict = 'take' | 'ignore' | Http3ErrorCode

/**
 * RFC 9114 4.1, 7.2: what may come on a request stream, by where it stands. What is not in here is refused or
 * ignored below.
 */
const ON_REQUEST_STREAM: Readonly<Record<ReadState, ReadonlySet<number>>> = {
  head: new Set([HEADERS]),
  body: new Set([DATA, HEADERS]),
  tunnel: new Set([DATA]),
  trailers: new Set(),
}

/**
 * Known frames that no request stream has (RFC 9114 7.2, RFC 9218 7.2). ORIGIN there is read over (RFC 9412
 * 2).
 */
const NOT_ON_REQUEST_STREAM: ReadonlySet<number> = new Set([
  DATA, // where the state does not take it
  HEADERS, // likewise
  CANCEL_PUSH,
  SETTINGS,
  GOAWAY,
  MAX_PUSH_ID,
  PRIORITY_UPDATE_REQUEST,
  PRIORITY_UPDATE_PUSH,
])

export function judgeOnRequestStream(
  type: number,
  state: ReadState,
  role: 'client' | 'server',
): FrameVerdict {
  // Nearly all frames are these two.
  if (type === DATA && (state === 'body' || state === 'tunnel')) return 'take'
  if (ON_REQUEST_STREAM[state].has(type)) return 'take'
  // We never allow a push, so that every push id is above what we allowed (RFC 9114 7.2.5). A client must not
  // push at all.
  if (type === PUSH_PROMISE) return role === 'client' ? 'H3_ID_ERROR' : 'H3_FRAME_UNEXPECTED'
  if (NOT_ON_REQUEST_STREAM.has(type) || RESERVED.has(type)) return 'H3_FRAME_UNEXPECTED'
  return 'ignore'
}

/** What each side may say on its control stream (RFC 9114 7.2, RFC 9218 7.2, RFC 9412 2), by who reads it. */
const ON_CONTROL_STREAM: Readonly<Record<'client' | 'server', ReadonlySet<number>>> = {
  client: new Set([GOAWAY, CANCEL_PUSH, ORIGIN]),
  server: new Set([GOAWAY, CANCEL_PUSH, MAX_PUSH_ID, PRIORITY_UPDATE_REQUEST, PRIORITY_UPDATE_PUSH]),
}

const NOT_ON_CONTROL_STREAM: ReadonlySet<number> = new Set([
  DATA,
  HEADERS,
  PUSH_PROMISE,
  SETTINGS, // a second time
  MAX_PUSH_ID, // from a server
  PRIORITY_UPDATE_REQUEST, // likewise
  PRIORITY_UPDATE_PUSH, // likewise
])

/** `role` is ours. SETTINGS come first, and once (RFC 9114 6.2.1). */
export function judgeOnControlStream(
  type: number,
  hasSettings: boolean,
  role: 'client' | 'server',
): FrameVerdict {
  if (!hasSettings) return type === SETTINGS ? 'take' : 'H3_MISSING_SETTINGS'
  if (ON_CONTROL_STREAM[role].has(type)) return 'take'
  if (NOT_ON_CONTROL_STREAM.has(type) || RESERVED.has(type)) return 'H3_FRAME_UNEXPECTED'
  return 'ignore'
}

/** For messages: what the frame is called. */
export function frameName(type: number): string {
  return NAMES.get(type) ?? `frame 0x${type.toString(16)}`
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [DATA, 'DATA'],
  [HEADERS, 'HEADERS'],
  [CANCEL_PUSH, 'CANCEL_PUSH'],
  [SETTINGS, 'SETTINGS'],
  [PUSH_PROMISE, 'PUSH_PROMISE'],
  [GOAWAY, 'GOAWAY'],
  [ORIGIN, 'ORIGIN'],
  [MAX_PUSH_ID, 'MAX_PUSH_ID'],
  [PRIORITY_UPDATE_REQUEST, 'PRIORITY_UPDATE'],
  [PRIORITY_UPDATE_PUSH, 'PRIORITY_UPDATE'],
])
