import type { QuicOptions } from '../../../src/base/options/protocol-options.ts'
import type { QuicEvent, StreamDirection, StreamRead } from '../../../src/quic/engine.ts'
import { CreditWindow } from './credit-window.ts'
import type { Frame, StreamFrame } from './frame.ts'
import { QuicFault } from './quic-fault.ts'
import { ReceiveStream } from './receive-stream.ts'
import { SendStream } from './send-stream.ts'
import { SimulatedStream } from './simulated-stream.ts'
import type { TransportParameters } from './transport-parameters.ts'

/** What the streams need of their connection. */
export interface StreamTableHost {
  /** Bytes that congestion control would let out now. */
  congestionRoom(): number
  emit(event: QuicEvent): void
}

interface StreamCount {
  opened: number
  limit: number
}

/**
 * All streams of a connection: which may be opened, what may be sent on them, what has come, and who is next.
 */
export class StreamTable {
  readonly #role: 'client' | 'server'
  readonly #quic: QuicOptions
  readonly #host: StreamTableHost
  readonly #streams = new Map<number, SimulatedStream>()
  /** Those with bytes that have to leave. */
  readonly #sendable = new Set<SimulatedStream>()
  readonly #own: Record<StreamDirection, StreamCount>
  readonly #peers: Record<StreamDirection, StreamCount>
  readonly #window: CreditWindow
  readonly #control: Frame[] = []
  /** Stalls of streams that are gone. */
  readonly #stalledMs = new Map<number, number>()
  #receivedBytes = 0
  #sendLimit = 0
  #streamSendLimit = 0
  #writtenBytes = 0
  #sentBytes = 0
  #served = 0

  constructor(role: 'client' | 'server', quic: QuicOptions, own: TransportParameters, host: StreamTableHost) {
    this.#role = role
    this.#quic = quic
    this.#host = host
    this.#window = new CreditWindow(quic.connectionWindowBytes, quic.connectionWindowBytes)
    this.#own = { bidirectional: { opened: 0, limit: 0 }, unidirectional: { opened: 0, limit: 0 } }
    this.#peers = {
      bidirectional: { opened: 0, limit: own.bidirectional },
      unidirectional: { opened: 0, limit: own.unidirectional },
    }
  }

  /** What the peer allows: as remembered, or as it has told now. */
  setPeerParameters({
    dataBytes,
    streamDataBytes,
    bidirectional,
    unidirectional,
  }: TransportParameters): void {
    this.#sendLimit = dataBytes
    this.#streamSendLimit = streamDataBytes
    this.#own.bidirectional.limit = bidirectional
    this.#own.unidirectional.limit = unidirectional
    for (const stream of this.#streams.values()) stream.sendLimit = streamDataBytes
  }

  /** 0-RTT was rejected: everything that was written has to leave again. */
  restart(): void {
    this.#sentBytes = 0
    for (const stream of this.#streams.values()) {
      stream.send?.restart()
      this.#sendable.add(stream)
    }
  }

  streamsLeft(direction: StreamDirection): number {
    const { opened, limit } = this.#own[direction]
    return Math.max(0, limit - opened)
  }

  open(direction: StreamDirection): number | undefined {
    if (this.streamsLeft(direction) === 0) return undefined
    const kind = (this.#role === 'server' ? 1 : 0) + (direction === 'unidirectional' ? 2 : 0)
    return this.#create(this.#own[direction].opened++ * 4 + kind).id
  }

  write(id: number, bytes: Uint8Array, isLast: boolean): number {
    if (isLast && bytes.length === 0) throw new Error(`the end of stream ${id} stands alone: it needs a byte`)
    const stream = this.#streams.get(id)
    const send = stream?.send
    if (stream === undefined || send === undefined || !send.isOpen) return 0
    const taken = Math.min(bytes.length, this.#capacity(stream, send))
    stream.isBlocked = taken < bytes.length
    if (taken === 0) return 0
    send.write(bytes.subarray(0, taken), isLast && taken === bytes.length)
    this.#writtenBytes += taken
    this.#sendable.add(stream)
    return taken
  }

  read(id: number, into: Buffer): StreamRead | undefined {
    const stream = this.#streams.get(id)
    const read = stream?.receive?.read(into)
    if (stream !== undefined && read !== undefined) this.#settle(stream)
    return read
  }

  reset(id: number, code: number): void {
    const stream = this.#streams.get(id)
    const send = stream?.send
    if (stream === undefined || send === undefined || !send.canReset) return
    this.#writtenBytes -= send.writtenBytes - send.sentBytes
    send.reset()
    stream.isBlocked = false
    this.#sendable.delete(stream)
    this.#control.push({ type: 'reset', stream: id, code, finalBytes: send.sentBytes })
  }

  stop(id: number, code: number): void {
    const stream = this.#streams.get(id)
    const receive = stream?.receive
    if (stream === undefined || receive === undefined || !receive.isOpen) return
    receive.stop()
    if (!receive.isDone) this.#control.push({ type: 'stop', stream: id, code })
    this.#settle(stream)
  }

  prioritize(id: number, urgency: number, isIncremental: boolean): void {
    const stream = this.#streams.get(id)
    if (stream !== undefined) Object.assign(stream, { urgency, isIncremental })
  }

  /** A frame of the peer's that belongs here. Throws QuicFault. */
  receive(frame: Frame, now: number): void {
    switch (frame.type) {
      case 'stream':
        return this.#receiveData(frame, now)
      case 'reset': {
        const stream = this.#find(frame.stream, 'receive')
        const receive = stream?.receive
        if (stream === undefined || receive === undefined) return
        const before = receive.highestBytes
        const isNews = receive.reset(frame.finalBytes, now)
        this.#count(stream, receive.highestBytes - before)
        this.#settle(stream)
        if (isNews) this.#host.emit({ type: 'reset', stream: frame.stream, code: frame.code })
        return
      }
      case 'stop': {
        const stream = this.#find(frame.stream, 'send')
        if (stream?.send?.canReset !== true) return
        this.reset(frame.stream, frame.code)
        this.#host.emit({ type: 'stopped', stream: frame.stream, code: frame.code })
        return
      }
      case 'max-data':
        this.#sendLimit = Math.max(this.#sendLimit, frame.bytes)
        return
      case 'max-stream-data': {
        const stream = this.#find(frame.stream, 'send')
        if (stream !== undefined) stream.sendLimit = Math.max(stream.sendLimit, frame.bytes)
        return
      }
      case 'max-streams': {
        const count = this.#own[frame.isBidirectional ? 'bidirectional' : 'unidirectional']
        count.limit = Math.max(count.limit, frame.count)
        return
      }
      default:
        return
    }
  }

  /** Control frames that wait: take from the front. Credit that is due is put there first. */
  controlFrames(now: number, rttMs: number): Frame[] {
    if (this.#window.isDue) this.#control.push({ type: 'max-data', bytes: this.#window.raise(now, rttMs) })
    for (const stream of this.#streams.values()) {
      if (!stream.isCreditDue) continue
      const bytes = stream.window.raise(now, rttMs)
      this.#control.push({ type: 'max-stream-data', stream: stream.id, bytes })
    }
    return this.#control
  }

  /** The next piece of data, of at most `room` bytes. `only`: of this stream, if it has any. */
  nextData(room: number, only?: number): StreamFrame | undefined {
    let next: SimulatedStream | undefined
    for (const stream of this.#sendable) {
      if (stream.send === undefined || stream.send.unsentBytes === 0) this.#sendable.delete(stream)
      else if (!this.#maySend(stream, stream.send) || (only !== undefined && stream.id !== only)) continue
      else if (next === undefined || stream.isBefore(next)) next = stream
    }
    const send = next?.send
    if (next === undefined || send === undefined) return undefined
    const before = send.sentBytes
    const frame = send.nextFrame(room, this.#limitOf(next, send))
    this.#sentBytes += send.sentBytes - before
    next.servedAt = ++this.#served
    return frame
  }

  onAcked(frame: Frame): void {
    if (frame.type !== 'stream' && frame.type !== 'reset') return
    const stream = this.#streams.get(frame.stream)
    if (stream === undefined) return
    if (frame.type === 'stream') stream.send?.onAcked(frame.offset, frame.data.length)
    else stream.send?.onResetAcked()
    this.#settle(stream)
  }

  /** Sends it again, as it has to be said now. */
  onLost(frame: Frame): void {
    const stream = 'stream' in frame ? this.#streams.get(frame.stream) : undefined
    if (frame.type === 'stream' && stream !== undefined) {
      stream.send?.onLost(frame.offset, frame.data.length)
      this.#sendable.add(stream)
    } else if (frame.type === 'reset') {
      if (stream?.send?.isDone === false) {
        this.#control.push({ ...frame, finalBytes: stream.send.sentBytes })
      }
    } else if (frame.type === 'stop') {
      if (stream?.receive?.isDone === false) this.#control.push(frame)
    } else if (frame.type === 'max-data') {
      this.#control.push({ ...frame, bytes: this.#window.limit })
    } else if (frame.type === 'max-stream-data') {
      if (stream?.receive?.isOpen === true) this.#control.push({ ...frame, bytes: stream.window.limit })
    } else if (frame.type === 'max-streams') {
      const { limit } = this.#peers[frame.isBidirectional ? 'bidirectional' : 'unidirectional']
      this.#control.push({ ...frame, count: limit })
    }
  }

  /** Streams with something to read, and those whose last write was short and that have room now. */
  readyEvents(): QuicEvent[] {
    const readable = [...this.#streams.values()].filter(stream => stream.receive?.isReadable)
    const writable = [...this.#streams.values()].filter(
      stream => stream.isBlocked && stream.send?.isOpen && this.#capacity(stream, stream.send) > 0,
    )
    for (const stream of writable) stream.isBlocked = false
    writable.sort((one, other) => (one.isBefore(other) ? -1 : 1))
    return [
      ...readable.map(({ id }): QuicEvent => ({ type: 'readable', stream: id })),
      ...writable.map(({ id }): QuicEvent => ({ type: 'writable', stream: id })),
    ]
  }

  stalledMs(id: number, now: number): number {
    return this.#streams.get(id)?.receive?.stalledMs(now) ?? this.#stalledMs.get(id) ?? 0
  }

  /** Streams that are not over yet. */
  get openStreams(): number {
    return this.#streams.size
  }

  #receiveData({ stream: id, offset, data, isLast }: StreamFrame, now: number): void {
    const stream = this.#find(id, 'receive')
    const receive = stream?.receive
    if (stream === undefined || receive === undefined) return
    const before = receive.highestBytes
    if (offset + data.length > stream.window.limit) throw new QuicFault('flow-control', `stream ${id}`)
    receive.receive(offset, data, isLast, now)
    this.#count(stream, receive.highestBytes - before)
    this.#settle(stream)
    this.#stalledMs.set(id, receive.stalledMs(now))
  }

  #count(stream: SimulatedStream, bytes: number): void {
    this.#receivedBytes += bytes
    if (this.#receivedBytes > this.#window.limit) throw new QuicFault('flow-control', `stream ${stream.id}`)
  }

  /**
   * Gives the connection back what this stream will not hold any more, and forgets the stream when it is
   * over.
   */
  #settle(stream: SimulatedStream): void {
    const { receive } = stream
    if (receive !== undefined) {
      const bytes = receive.isOpen ? receive.readBytes : receive.highestBytes
      this.#window.consume(bytes - stream.creditedBytes)
      stream.window.consume(bytes - stream.creditedBytes)
      stream.creditedBytes = bytes
    }
    if (!stream.isDone || !this.#streams.delete(stream.id)) return
    this.#sendable.delete(stream)
    if (this.#isOwn(stream.id)) return
    const { isBidirectional } = stream
    const count = ++this.#peers[isBidirectional ? 'bidirectional' : 'unidirectional'].limit
    const queued = this.#control.findIndex(
      frame => frame.type === 'max-streams' && frame.isBidirectional === isBidirectional,
    )
    if (queued >= 0) this.#control.splice(queued, 1)
    this.#control.push({ type: 'max-streams', isBidirectional, count })
  }

  /**
   * The stream of a frame; undefined when it is over already. RFC 9000 3.2: a stream opens all of its type
   * before it.
   */
  #find(id: number, side: 'send' | 'receive'): SimulatedStream | undefined {
    const direction: StreamDirection = (id & 2) === 0 ? 'bidirectional' : 'unidirectional'
    const index = Math.floor(id / 4)
    const isOwn = this.#isOwn(id)
    const hasSide = direction === 'bidirectional' || isOwn === (side === 'send')
    if (!hasSide) throw new QuicFault('stream-state', `stream ${id} has no such side`)
    if (isOwn) {
      if (index >= this.#own[direction].opened)
        throw new QuicFault('stream-state', `stream ${id} is not open`)
      return this.#streams.get(id)
    }
    const peers = this.#peers[direction]
    if (index >= peers.limit) throw new QuicFault('stream-limit', `stream ${id} of ${peers.limit}`)
    while (peers.opened <= index) this.#create(peers.opened++ * 4 + (id & 3))
    return this.#streams.get(id)
  }

  #create(id: number): SimulatedStream {
    const isBidirectional = (id & 2) === 0
    const isOwn = this.#isOwn(id)
    const stream = new SimulatedStream(
      id,
      {
        send: isBidirectional || isOwn ? new SendStream(id) : undefined,
        receive: isBidirectional || !isOwn ? new ReceiveStream() : undefined,
      },
      {
        sendBytes: this.#streamSendLimit,
        windowBytes: this.#quic.streamWindowBytes,
        maxWindowBytes: this.#quic.maxStreamWindowBytes,
      },
    )
    this.#streams.set(id, stream)
    return stream
  }

  #isOwn(id: number): boolean {
    return (id & 1) === (this.#role === 'server' ? 1 : 0)
  }

  #capacity(stream: SimulatedStream, send: SendStream): number {
    let waiting = 0
    for (const other of this.#sendable) waiting += other.send?.unsentBytes ?? 0
    const ofStream = stream.sendLimit - send.writtenBytes
    const ofConnection = this.#sendLimit - this.#writtenBytes
    return Math.max(0, Math.min(ofStream, ofConnection, this.#host.congestionRoom() - waiting))
  }

  #maySend(stream: SimulatedStream, send: SendStream): boolean {
    const direction = stream.isBidirectional ? 'bidirectional' : 'unidirectional'
    if (this.#isOwn(stream.id) && stream.index >= this.#own[direction].limit) return false
    return send.hasFrame(this.#limitOf(stream, send))
  }

  /** What was sent once may be sent again; new bytes need credit of the stream and of the connection. */
  #limitOf(stream: SimulatedStream, send: SendStream): number {
    return Math.min(stream.sendLimit, send.sentBytes + Math.max(0, this.#sendLimit - this.#sentBytes))
  }
}
