import { readOrigins } from '../multiplex/messages/origin-frame.ts'
import { MAX_PRIORITY_CHARS } from '../multiplex/messages/priority.ts'
import { Http3ConnectionFault } from './frames/error-codes.ts'
import type { FrameSink, FrameTreatment } from './frames/frame-parser.ts'
import {
  CANCEL_PUSH,
  frameName,
  GOAWAY,
  judgeOnControlStream,
  MAX_PUSH_ID,
  ORIGIN,
  PRIORITY_UPDATE_REQUEST,
  SETTINGS,
} from './frames/frame-table.ts'
import { type Http3Settings, readHttp3Settings } from './frames/settings.ts'
import { readVarint, type VarintCursor } from './frames/varint.ts'
import type { Http3SessionCore } from './session-core.ts'

/** What the frames of the control stream ask for. */
export interface Http3ControlHost {
  /** Throws Http3ConnectionFault. */
  onSettings(settings: Http3Settings): void
  onGoaway(id: number): void
  onPriorityUpdate(streamId: number, value: string): void
}

/** SETTINGS, ORIGIN and PRIORITY_UPDATE are gathered up to this. */
const MAX_CONTROL_BYTES = 16_384

/** What is read of a frame costs as much as another frame for so many bytes. */
const BYTES_PER_COUNT = 256

/** Reads the peer's control stream (RFC 9114 7.2). */
export class Http3ControlFrames implements FrameSink {
  readonly #core: Http3SessionCore
  readonly #host: Http3ControlHost
  #hasSettings = false
  /** RFC 9114 5.2: ids in GOAWAY may only go down, and 7.2.7: those in MAX_PUSH_ID only up. */
  #goawayId = Number.POSITIVE_INFINITY
  #maxPushId = -1

  constructor(core: Http3SessionCore, host: Http3ControlHost) {
    this.#core = core
    this.#host = host
  }

  get isHeld(): boolean {
    return this.#core.life.state.kind === 'ended'
  }

  onFrame(type: number, length: number): FrameTreatment {
    const core = this.#core
    const verdict = judgeOnControlStream(type, this.#hasSettings, core.role)
    if (verdict !== 'take' && verdict !== 'ignore') {
      const message = this.#hasSettings
        ? `${frameName(type)} on the control stream`
        : `the control stream begins with ${frameName(type)}`
      throw new Http3ConnectionFault(verdict, message)
    }
    if (verdict === 'ignore') {
      core.guard.count('maxIgnoredFramesPerSecond', core.now)
      return 'skip'
    }
    if (length > MAX_CONTROL_BYTES) {
      throw new Http3ConnectionFault('H3_EXCESSIVE_LOAD', `${frameName(type)} of ${length} bytes`)
    }
    if (type !== SETTINGS)
      core.guard.count('maxIgnoredFramesPerSecond', core.now, 1 + Math.floor(length / BYTES_PER_COUNT))
    return 'gather'
  }

  onPayload(): void {}

  onGathered(type: number, buffer: Buffer, start: number, end: number): void {
    const payload = buffer.subarray(start, end)
    switch (type) {
      case SETTINGS:
        this.#hasSettings = true
        this.#host.onSettings(readHttp3Settings(payload))
        break
      case GOAWAY:
        this.#receiveGoaway(onlyVarint(payload, 'GOAWAY'))
        break
      case ORIGIN:
        this.#core.events.onOrigins(readOrigins(buffer, start, end))
        break
      case MAX_PUSH_ID:
        this.#receiveMaxPushId(onlyVarint(payload, 'MAX_PUSH_ID'))
        break
      case CANCEL_PUSH:
        onlyVarint(payload, 'CANCEL_PUSH')
        // RFC 9114 7.2.3: nothing was promised, by either side.
        throw new Http3ConnectionFault('H3_ID_ERROR', 'CANCEL_PUSH of a push that was never promised')
      default:
        this.#receivePriorityUpdate(type, payload)
    }
  }

  #receiveGoaway(id: number): void {
    // To a client it names a request stream (RFC 9114 7.2.6). What is above 2^53 is the "not yet" of a
    // graceful end.
    if (this.#core.role === 'client' && Number.isFinite(id) && id % 4 !== 0) {
      throw new Http3ConnectionFault('H3_ID_ERROR', `GOAWAY names stream ${id}, which is none of a request`)
    }
    if (id > this.#goawayId) throw new Http3ConnectionFault('H3_ID_ERROR', 'the id of GOAWAY went up')
    this.#goawayId = id
    this.#host.onGoaway(id)
  }

  #receiveMaxPushId(id: number): void {
    if (id < this.#maxPushId) throw new Http3ConnectionFault('H3_ID_ERROR', 'MAX_PUSH_ID went down')
    this.#maxPushId = id
  }

  /** RFC 9218 7.2. */
  #receivePriorityUpdate(type: number, payload: Buffer): void {
    const cursor: VarintCursor = { buffer: payload, at: 0, end: payload.length }
    const id = readVarint(cursor)
    if (id === undefined) throw new Http3ConnectionFault('H3_FRAME_ERROR', 'PRIORITY_UPDATE has no id')
    if (type !== PRIORITY_UPDATE_REQUEST) {
      throw new Http3ConnectionFault('H3_ID_ERROR', 'PRIORITY_UPDATE of a push that was never promised')
    }
    if (id % 4 !== 0)
      throw new Http3ConnectionFault(
        'H3_ID_ERROR',
        `PRIORITY_UPDATE of stream ${id}, which is none of a request`,
      )
    const end = Math.min(payload.length, cursor.at + MAX_PRIORITY_CHARS + 1)
    this.#host.onPriorityUpdate(id, payload.toString('latin1', cursor.at, end))
  }
}

/** RFC 9114 7.1: a payload that is too short, or has more than its fields, is an error. */
function onlyVarint(payload: Buffer, name: string): number {
  const cursor: VarintCursor = { buffer: payload, at: 0, end: payload.length }
  const value = readVarint(cursor)
  if (value === undefined || cursor.at !== payload.length) {
    throw new Http3ConnectionFault('H3_FRAME_ERROR', `${name} is not one integer`)
  }
  return value
}
