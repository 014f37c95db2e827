import type { ErrorCode } from './frames/error-codes.ts'

/**
 * Where a stream stands on the wire (RFC 9113 5.1). The reserved states do not occur: push is switched off.
 * - `open`: both sides may send. Valid transitions: halfClosedLocal, halfClosedRemote, closed
 * - `halfClosedLocal`: we have said everything. Valid transitions: closed
 * - `halfClosedRemote`: the peer has said everything. Valid transitions: closed
 * - `closed`: both have, or one has reset it. Final
 * `idle` streams are numbers that nobody has used yet; they have no object and so no state.
 */
export type StreamState = 'open' | 'halfClosedLocal' | 'halfClosedRemote' | 'closed'

/** What happens to a stream, seen from us. */
export type StreamEvent = 'sendEnd' | 'receiveEnd' | 'reset'

/** What is not in it cannot happen: see MAY_RECEIVE for what the peer may not do. */
const NEXT: Record<StreamState, Partial<Record<StreamEvent, StreamState>>> = {
  open: { sendEnd: 'halfClosedLocal', receiveEnd: 'halfClosedRemote', reset: 'closed' },
  halfClosedLocal: { receiveEnd: 'closed', reset: 'closed' },
  halfClosedRemote: { sendEnd: 'closed', reset: 'closed' },
  closed: {},
}

/** Throws on what cannot happen: a defect of ours. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const next = NEXT[state][event]
  if (next === undefined) throw new Error(`${event} on a stream that is ${state}`)
  return next
}

/** What a frame of the peer meets on a stream. */
export type FrameVerdict =
  | 'take'
  /** It may have been on its way when we ended the stream: read for its side effects and forgotten. */
  | 'ignore'
  | { readonly scope: 'stream' | 'connection'; readonly code: ErrorCode }

/** Kinds of frames that the peer sends on a stream. */
export type StreamFrame = 'HEADERS' | 'DATA' | 'RST_STREAM' | 'WINDOW_UPDATE'

const idle = { scope: 'connection', code: 'PROTOCOL_ERROR' } as const
const ended = { scope: 'stream', code: 'STREAM_CLOSED' } as const
const gone = { scope: 'connection', code: 'STREAM_CLOSED' } as const

/**
 * What the peer may send, by the state of the stream (RFC 9113 5.1). `idle` is about DATA and the like:
 * HEADERS on an idle stream of the peer's own opens it, and never comes here. `resetByUs` is a closed stream
 * whose RST_STREAM the peer may not have seen yet; a closed one that we did not reset is one that the peer
 * itself has ended.
 */
export const MAY_RECEIVE: Record<
  StreamState | 'idle' | 'resetByUs',
  Readonly<Record<StreamFrame, FrameVerdict>>
> = {
  idle: { HEADERS: idle, DATA: idle, RST_STREAM: idle, WINDOW_UPDATE: idle },
  open: { HEADERS: 'take', DATA: 'take', RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  halfClosedLocal: { HEADERS: 'take', DATA: 'take', RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  halfClosedRemote: { HEADERS: ended, DATA: ended, RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  closed: { HEADERS: gone, DATA: gone, RST_STREAM: 'ignore', WINDOW_UPDATE: 'ignore' },
  resetByUs: { HEADERS: 'ignore', DATA: 'ignore', RST_STREAM: 'ignore', WINDOW_UPDATE: 'ignore' },
}
