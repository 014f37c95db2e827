import { byteAt, classOf, VALUE } from '../../base/http/char-tables.ts'
import { isSerializedOrigin, readOrigins } from '../multiplex/messages/origin-frame.ts'
import { nextStreamState, type StreamFrame } from './active-stream.ts'
import { readGoaway, readPriorityUpdate } from './frames/control-payloads.ts'
import {
  Http2ConnectionFault,
  type Http2ErrorCode,
  Http2StreamFault,
  http2ErrorCodeOf,
} from './frames/error-codes.ts'
import {
  ACK,
  ALTSVC,
  GOAWAY,
  ORIGIN,
  PING,
  PRIORITY,
  PRIORITY_UPDATE,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from './frames/frame-table.ts'
import { readHttp2Settings } from './frames/settings.ts'
import type { InboundHeads } from './inbound-heads.ts'
import { type PingPurpose, purposeOfPong, putPong } from './pings.ts'
import type { Http2SessionCore } from './session-core.ts'

/** What we read of one field value. An alternative has about 30 characters. */
const MAX_VALUE_BYTES = 4096

const LENGTH_BYTES = 2

/**
 * Reads the payload `buffer[start, end)` of an ALTSVC frame (RFC 7838 4). Undefined: it must be ignored,
 * because on stream 0 it names no origin, or on another one it does, or because it is malformed. `origin` is
 * '' for a frame on a stream: it is about the origin of that stream's request.
 */
export function readAltSvc(
  buffer: Buffer,
  start: number,
  end: number,
  streamId: number,
): { origin: string; value: string } | undefined {
  const originStart = start + LENGTH_BYTES
  if (originStart > end) return undefined
  const originEnd = originStart + buffer.readUInt16BE(start)
  if (originEnd > end || end - originEnd > MAX_VALUE_BYTES) return undefined
  if ((streamId === 0) === (originEnd === originStart)) return undefined
  const origin = buffer.toString('latin1', originStart, originEnd)
  if (origin !== '' && !isSerializedOrigin(origin)) return undefined
  for (let i = originEnd; i < end; i++) if (classOf(VALUE, byteAt(buffer, i)) !== 1) return undefined
  return { origin, value: buffer.toString('latin1', originEnd, end) }
}

/** A WINDOW_UPDATE below this is tiny. */
const TINY_CREDIT_BYTES = 1024

/** What is read of ORIGIN and ALTSVC costs as much as a frame for so many bytes. */
const BYTES_PER_COUNT = 256

/** What the session does about control frames that concern it as a whole. */
export interface Http2ControlHost {
  /** False: nobody has asked. */
  onPong(purpose: PingPurpose): boolean
}

/** Everything but HEADERS, CONTINUATION and DATA. */
export class Http2ControlFrames {
  readonly #core: Http2SessionCore
  readonly #heads: InboundHeads
  readonly #host: Http2ControlHost

  constructor(core: Http2SessionCore, heads: InboundHeads, host: Http2ControlHost) {
    this.#core = core
    this.#heads = heads
    this.#host = host
  }

  receive(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case SETTINGS:
        return this.#receiveSettings(flags, buffer, start, end)
      case WINDOW_UPDATE:
        return this.#receiveWindowUpdate(streamId, buffer.readUInt32BE(start) & 0x7fffffff)
      case PING:
        return this.#receivePing(flags, buffer, start)
      case RST_STREAM:
        return this.#receiveReset(streamId, buffer.readUInt32BE(start))
      case GOAWAY:
        this.#core.guard.count('maxIgnoredFramesPerSecond', this.#core.now)
        return this.#core.onGoaway(readGoaway(buffer, start, end))
      case PUSH_PROMISE:
        // RFC 9113 8.4: a client cannot push, and a server must not to one that has switched it off.
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'PUSH_PROMISE, which we do not take')
      default:
        return this.#receiveIgnorable(type, streamId, buffer, start, end)
    }
  }

  #receiveSettings(flags: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core
    if ((flags & ACK) !== 0) {
      if (end > start)
        throw new Http2ConnectionFault('FRAME_SIZE_ERROR', 'an acknowledgement of SETTINGS with settings')
      if (core.receiving.isAcknowledged) {
        core.guard.count('maxIgnoredFramesPerSecond', core.now)
        return
      }
      core.deadlines.met('acknowledgement')
      core.receiving.onSettingsAcknowledged()
      this.#heads.onSettingsAcknowledged()
      return
    }
    core.guard.count('maxSettingsPerSecond', core.now)
    const from = core.role === 'client' ? 'server' : 'client'
    const settings = readHttp2Settings(buffer, start, end, core.peerSettings, from)
    core.onPeerSettings(settings)
    core.deadlines.met('settings')
    core.encoder.setPeerTableBytes(settings.headerTableBytes)
    core.sending.onMaxFrameBytes(settings.maxFrameBytes)
    // First the acknowledgement: until it comes the peer may hold us to its old settings (RFC 9113 6.5.3).
    core.countReply()
    core.output.startFrame(0, SETTINGS, ACK, 0)
    core.sending.onInitialWindow(settings.initialWindowBytes, core.table.all())
    core.events.onSettings()
  }

  #receivePing(flags: number, buffer: Buffer, start: number): void {
    const core = this.#core
    if ((flags & ACK) !== 0) {
      const purpose = purposeOfPong(buffer, start)
      if (purpose === undefined || !this.#host.onPong(purpose))
        core.guard.count('maxIgnoredFramesPerSecond', core.now)
      return
    }
    core.guard.count('maxPingsPerSecond', core.now)
    core.countReply()
    putPong(core.output, buffer, start)
  }

  #receiveWindowUpdate(streamId: number, increment: number): void {
    const core = this.#core
    if (increment < TINY_CREDIT_BYTES) core.guard.count('maxTinyWindowUpdatesPerSecond', core.now)
    if (streamId === 0) {
      core.sending.onConnectionCredit(increment)
      return
    }
    const stream = this.#find(streamId, 'WINDOW_UPDATE')
    if (stream === undefined) {
      // Some cross the end of their stream. Tiny ones were counted.
      if (increment >= TINY_CREDIT_BYTES) core.guard.count('maxTinyWindowUpdatesPerSecond', core.now)
      return
    }
    try {
      core.sending.onStreamCredit(stream, increment)
    } catch (error) {
      if (!(error instanceof Http2StreamFault)) throw error
      core.onStreamFault(streamId, error)
    }
  }

  #receiveReset(streamId: number, wireCode: number): void {
    const core = this.#core
    const stream = this.#find(streamId, 'RST_STREAM')
    const isAnswered = stream !== undefined && stream.firstFrameAt >= 0
    if (core.role === 'server' && !isAnswered) {
      // Requests that are begun and given up at once make a server work for nothing (rapid reset,
      // CVE-2023-44487). What is closed is no such request: it had its whole answer, which may have crossed
      // the reset, or was counted when it was reset before.
      const isClosed = stream === undefined && core.table.stateOfAbsent(streamId) === 'closed'
      core.guard.count(isClosed ? 'maxIgnoredFramesPerSecond' : 'maxResetsPerSecond', core.now)
    }
    if (stream === undefined) {
      if (core.role === 'client') core.guard.count('maxIgnoredFramesPerSecond', core.now)
      return
    }
    const code = http2ErrorCodeOf(wireCode)
    // RFC 9113 8.1: the answer is complete, and the server does not want the rest of the request. A client
    // says no such thing of an answer: it has given up. Only the ends of a tunnel may both say it.
    const isHalf = stream.state === 'halfClosedRemote' && !stream.hasReceivedEnd
    if (code === 'NO_ERROR' && isHalf && isAnswered && core.isOwedRest(stream)) {
      const { wantsRoom } = stream
      core.sending.forget(stream)
      stream.state = nextStreamState(stream.state, 'reset')
      if (wantsRoom) stream.events.onWritable() // what is written from now on is thrown away
      return
    }
    const isUnprocessed = code === 'REFUSED_STREAM'
    const speaksAgainstPeer = !isUnprocessed && code !== 'NO_ERROR' && code !== 'CANCEL'
    const message = `the peer reset the stream with ${code}`
    core.breakStream(stream, { code, cause: causeOf(code), message }, speaksAgainstPeer)
  }

  /** What we may leave alone, though not in any number. */
  #receiveIgnorable(type: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core
    const read = type === ORIGIN || type === ALTSVC ? end - start : 0
    core.guard.count('maxIgnoredFramesPerSecond', core.now, 1 + Math.floor(read / BYTES_PER_COUNT))
    if (type === PRIORITY_UPDATE && core.role === 'server') {
      const { streamId: prioritized, value } = readPriorityUpdate(buffer, start, end)
      this.#heads.reprioritize(prioritized, value)
    } else if (type === ORIGIN && core.role === 'client' && streamId === 0) {
      core.events.onOrigins(readOrigins(buffer, start, end))
    } else if (type === ALTSVC && core.role === 'client') {
      const alternative = readAltSvc(buffer, start, end, streamId)
      if (alternative !== undefined) core.events.onAltSvc(alternative.origin, alternative.value)
    } else if (type === PRIORITY_UPDATE) {
      throw new Http2ConnectionFault('PROTOCOL_ERROR', 'PRIORITY_UPDATE from a server') // RFC 9218 7.1
    } else if (type === PRIORITY) {
      // Deprecated by RFC 9113 5.3.2. Its length was checked; it changes nothing, whatever the state of the
      // stream.
    }
  }

  #find(streamId: number, frame: StreamFrame): ReturnType<Http2SessionCore['table']['get']> {
    const { table } = this.#core
    const stream = table.get(streamId)
    const verdict = table.judge(frame, streamId, stream)
    if (verdict === 'take') return stream
    if (verdict !== 'ignore')
      throw new Http2ConnectionFault(verdict.code, `${frame} on stream ${streamId}, which nobody has opened`)
    return undefined
  }
}

/** What the peer says by the code of a reset. */
function causeOf(code: Http2ErrorCode): 'peer' | 'unprocessed' | 'needs-http1' {
  if (code === 'REFUSED_STREAM') return 'unprocessed'
  return code === 'HTTP_1_1_REQUIRED' ? 'needs-http1' : 'peer'
}
