import type {
  QuicConnection,
  QuicEvent,
  QuicStats,
  StreamDirection,
  StreamRead,
} from '../../../src/quic/engine.ts'

interface Inbox {
  bytes: Buffer
  /** What lies in it and was not read: `bytes[at, length)`. */
  at: number
  length: number
  isEnded: boolean
  isTold: boolean
}

const NO_STATS: QuicStats = {
  receivedPackets: 0,
  receivedBytes: 0,
  sentPackets: 0,
  sentBytes: 0,
  lostPackets: 0,
  rttMs: 0,
  congestionWindowBytes: 0,
}

/**
 * One end of a QUIC connection without QUIC: what is written at one end can be read at the other at once. It
 * has all the room in the world, and nothing is lost, so that what is measured over it is HTTP/3 alone.
 */
export class MemoryQuic implements QuicConnection {
  readonly role: 'client' | 'server'
  readonly isEstablished = true
  readonly isInEarlyData = false
  readonly isClosed = false
  readonly maxDatagramBytes = 0
  readonly migrationRefusal = 'memory does not move'
  receivedBytes = 0
  #peer: MemoryQuic | undefined
  readonly #inboxes = new Map<number, Inbox>()
  #readable: number[] = []
  readonly #opened: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }

  constructor(role: 'client' | 'server') {
    this.role = role
  }

  static pair(): readonly [client: MemoryQuic, server: MemoryQuic] {
    const client = new MemoryQuic('client')
    const server = new MemoryQuic('server')
    client.#peer = server
    server.#peer = client
    return [client, server]
  }

  /** Something waits to be read. */
  get hasNews(): boolean {
    return this.#readable.length > 0
  }

  nextEvent(): QuicEvent | undefined {
    const stream = this.#readable.shift()
    if (stream === undefined) return undefined
    const inbox = this.#inboxes.get(stream)
    if (inbox !== undefined) inbox.isTold = false
    return { type: 'readable', stream }
  }

  streamsLeft(): number {
    return 128
  }

  openStream(direction: StreamDirection): number {
    const sequence = this.#opened[direction]
    this.#opened[direction] = sequence + 1
    return sequence * 4 + (direction === 'unidirectional' ? 2 : 0) + (this.role === 'server' ? 1 : 0)
  }

  write(stream: number, bytes: Uint8Array, isLast: boolean): number {
    this.#peer?.deliver(stream, bytes, isLast)
    return bytes.length
  }

  deliver(stream: number, bytes: Uint8Array, isLast: boolean): void {
    let inbox = this.#inboxes.get(stream)
    if (inbox === undefined) {
      inbox = { bytes: Buffer.allocUnsafe(2048), at: 0, length: 0, isEnded: false, isTold: false }
      this.#inboxes.set(stream, inbox)
    }
    if (inbox.length + bytes.length > inbox.bytes.length) {
      const grown = Buffer.allocUnsafe(2 * (inbox.length + bytes.length))
      inbox.bytes.copy(grown, 0, 0, inbox.length)
      inbox.bytes = grown
    }
    inbox.bytes.set(bytes, inbox.length)
    inbox.length += bytes.length
    inbox.isEnded = isLast
    this.receivedBytes += bytes.length
    if (inbox.isTold) return
    inbox.isTold = true
    this.#readable.push(stream)
  }

  read(stream: number, into: Buffer): StreamRead | undefined {
    const inbox = this.#inboxes.get(stream)
    if (inbox === undefined) return undefined
    const bytes = inbox.bytes.copy(into, 0, inbox.at, inbox.length)
    inbox.at += bytes
    if (inbox.at === inbox.length) inbox.at = inbox.length = 0
    const isEnd = inbox.isEnded && inbox.length === 0
    if (isEnd) this.#inboxes.delete(stream)
    else if (inbox.length > 0 && !inbox.isTold) {
      inbox.isTold = true
      this.#readable.push(stream)
    }
    return [bytes, isEnd]
  }

  stats(): QuicStats {
    return NO_STATS
  }

  prioritize(): void {
    // everything leaves at once
  }

  receive(): void {
    throw new Error('there are no datagrams')
  }

  onTimeout(): void {
    // there are no timers
  }

  nextDatagram(): undefined {
    return undefined
  }

  nextTimeoutAt(): number {
    return Number.POSITIVE_INFINITY
  }

  reset(stream: number): void {
    throw new Error(`stream ${stream} was reset`)
  }

  stop(stream: number): void {
    throw new Error(`stream ${stream} was stopped`)
  }

  sendDatagram(): boolean {
    return false
  }

  ping(): void {
    // nobody waits for an answer
  }

  close(_isApplication: boolean, code: number, reason: string): void {
    throw new Error(`closed with ${code}: ${reason}`)
  }
}
