import type {
  QuicConnection,
  QuicEnd,
  QuicEvent,
  QuicStats,
  StreamDirection,
  StreamRead,
} from '../../../../src/quic/engine.ts'
import { splitFrames, type WireFrame } from '../../../support/http3-wire.ts'

/** One stream as the fake sees it, both sides. */
interface FakeStream {
  inbox: Buffer
  hasInboxEnd: boolean
  isOver: boolean
  written: Buffer
  /** How far frames() has taken it. */
  taken: number
  isFinished: boolean
  resetCode: number | undefined
  stopCode: number | undefined
  /** Bytes that write() still takes. */
  room: number
  isBlocked: boolean
  isStopped: boolean
}

const HANDSHAKE = { protocol: 'h3', isResumed: false, certificates: [] }

/**
 * A QUIC connection whose network is the test: what the peer says is put in, what the session says is looked
 * at, and a stream takes as many bytes as the test allows. It is as strict as the strictest engine: a bare
 * end, and a write behind the end, throw.
 */
export class FakeQuic implements QuicConnection {
  readonly role: 'client' | 'server'
  isEstablished = false
  isInEarlyData = false
  isClosed = false
  receivedBytes = 0
  maxDatagramBytes = 1200
  readonly migrationRefusal = 'a fake does not move'
  closed: { isApplication: boolean; code: number; reason: string } | undefined
  readonly priorities: string[] = []
  readonly datagrams: Buffer[] = []
  /** `stream bytes` and `end` where there is one, in the order of the writes that took something. */
  writes: string[] = []
  pings = 0
  packets = 0
  rttMs = 40
  left: Record<StreamDirection, number> = { bidirectional: 100, unidirectional: 3 }
  /** Room of streams that are made from now on. */
  room = Number.POSITIVE_INFINITY
  readonly #streams = new Map<number, FakeStream>()
  readonly #opened: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }
  #events: QuicEvent[] = []

  constructor(role: 'client' | 'server') {
    this.role = role
  }

  // The test's side

  /** Bytes of the peer's. */
  deliver(id: number, bytes: Uint8Array, isLast = false): void {
    const stream = this.stream(id)
    stream.inbox = Buffer.concat([stream.inbox, bytes])
    stream.hasInboxEnd ||= isLast
    this.receivedBytes += bytes.length + 40
    this.packets++
    this.#events.push({ type: 'readable', stream: id })
  }

  peerResets(id: number, code: number): void {
    const stream = this.stream(id)
    stream.inbox = Buffer.alloc(0)
    stream.isOver = true
    this.#events.push({ type: 'reset', stream: id, code })
  }

  peerStops(id: number, code: number): void {
    const stream = this.stream(id)
    if (stream.isStopped || stream.resetCode !== undefined) return
    stream.isStopped = true
    this.#events.push({ type: 'stopped', stream: id, code })
  }

  establish(): void {
    this.isEstablished = true
    this.isInEarlyData = false
    this.#events.push({ type: 'established', handshake: HANDSHAKE })
  }

  tell(event: QuicEvent): void {
    this.#events.push(event)
  }

  ends(end: Partial<QuicEnd>): void {
    this.isClosed = true
    this.tell({ type: 'ended', end: { cause: 'peer', isApplication: true, code: 0x100, reason: '', ...end } })
  }

  /** The stream takes so many bytes more. */
  allow(id: number, bytes: number): void {
    const stream = this.stream(id)
    stream.room = bytes
    if (stream.isBlocked && bytes > 0) {
      stream.isBlocked = false
      this.#events.push({ type: 'writable', stream: id })
    }
  }

  /** What was not read to its end comes again: as at the beginning of each turn of an engine. */
  repeatReadable(): void {
    for (const [id, { inbox, hasInboxEnd, isOver }] of this.#streams) {
      const isKnown = this.#events.some(event => event.type === 'readable' && event.stream === id)
      if (!isOver && !isKnown && (inbox.length > 0 || hasInboxEnd)) {
        this.#events.push({ type: 'readable', stream: id })
      }
    }
  }

  stream(id: number): FakeStream {
    let stream = this.#streams.get(id)
    if (stream === undefined) {
      stream = {
        inbox: Buffer.alloc(0),
        hasInboxEnd: false,
        isOver: false,
        written: Buffer.alloc(0),
        taken: 0,
        isFinished: false,
        resetCode: undefined,
        stopCode: undefined,
        room: this.room,
        isBlocked: false,
        isStopped: false,
      }
      this.#streams.set(id, stream)
    }
    return stream
  }

  /** All streams that were touched. */
  get ids(): number[] {
    return [...this.#streams.keys()].sort((a, b) => a - b)
  }

  /**
   * What was written to the stream since it was asked last; `skip`: so many bytes of a stream type before.
   */
  frames(id: number, skip = 0): WireFrame[] {
    const stream = this.stream(id)
    const bytes = stream.written.subarray(stream.taken + (stream.taken === 0 ? skip : 0))
    stream.taken = stream.written.length
    return splitFrames(bytes)
  }

  // The session's side

  receive(): void {
    throw new Error('the fake has no wire')
  }
  onTimeout(): void {}
  nextDatagram(): undefined {}
  nextTimeoutAt(): number {
    return Number.POSITIVE_INFINITY
  }

  nextEvent(): QuicEvent | undefined {
    return this.#events.shift()
  }

  streamsLeft(direction: StreamDirection): number {
    return this.left[direction]
  }

  stats(): QuicStats {
    return {
      receivedPackets: this.packets,
      receivedBytes: this.receivedBytes,
      sentPackets: 0,
      sentBytes: 0,
      lostPackets: 0,
      rttMs: this.rttMs,
      congestionWindowBytes: 14_720,
    }
  }

  openStream(direction: StreamDirection): number | undefined {
    if (this.left[direction] <= 0) return undefined
    this.left[direction]--
    const kind = (this.role === 'server' ? 1 : 0) + (direction === 'unidirectional' ? 2 : 0)
    const id = this.#opened[direction]++ * 4 + kind
    this.stream(id)
    return id
  }

  write(id: number, bytes: Uint8Array, isLast: boolean): number {
    const stream = this.stream(id)
    if (stream.isFinished) throw new Error(`stream ${id} takes no writes: it was finished`)
    if (isLast && bytes.length === 0) throw new Error(`the end of stream ${id} must come with a byte`)
    if (stream.isStopped) return 0
    if (stream.resetCode !== undefined) throw new Error(`stream ${id} takes no writes: it was reset`)
    const taken = Math.min(bytes.length, stream.room)
    stream.room -= taken
    stream.isBlocked = taken < bytes.length
    // Copied: the session uses its memory again.
    stream.written = Buffer.concat([stream.written, bytes.subarray(0, taken)])
    stream.isFinished = isLast && taken === bytes.length
    if (taken > 0) this.writes.push(`${id} ${taken}${stream.isFinished ? ' end' : ''}`)
    return taken
  }

  finish(id: number): boolean {
    const stream = this.stream(id)
    if (stream.isFinished) throw new Error(`stream ${id} was finished`)
    if (stream.room <= 0) {
      stream.isBlocked = true
      return false
    }
    stream.isFinished = true
    this.writes.push(`${id} 0 end`)
    return true
  }

  read(id: number, into: Buffer): StreamRead | undefined {
    const stream = this.stream(id)
    if (stream.isOver || stream.stopCode !== undefined) return undefined
    if (stream.inbox.length === 0 && !stream.hasInboxEnd) return undefined
    const bytes = Math.min(into.length, stream.inbox.length)
    // The rest too: nobody may look behind what was read.
    into.fill(0xee)
    stream.inbox.copy(into, 0, 0, bytes)
    stream.inbox = stream.inbox.subarray(bytes)
    const isEnd = stream.hasInboxEnd && stream.inbox.length === 0
    stream.isOver = isEnd
    return [bytes, isEnd]
  }

  reset(id: number, code: number): void {
    this.stream(id).resetCode ??= code
  }

  stop(id: number, code: number): void {
    this.stream(id).stopCode ??= code
  }

  stopAtOnce(id: number, code: number): void {
    this.stop(id, code)
  }

  prioritize(stream: number, urgency: number, incremental: boolean): void {
    this.priorities.push(`${stream} u=${urgency}${incremental ? ' i' : ''}`)
  }

  sendDatagram(bytes: Uint8Array): boolean {
    if (bytes.length > this.maxDatagramBytes) return false
    this.datagrams.push(Buffer.from(bytes))
    return true
  }

  ping(): void {
    this.pings++
  }

  close(isApplication: boolean, code: number, reason: string): void {
    this.closed ??= { isApplication, code, reason }
  }
}
