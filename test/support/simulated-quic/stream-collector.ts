import type { QuicEvent, QuicLink, QuicLinkOwner } from '../../../src/quic/engine.ts'

/** What became of a stream at the side that reads it. */
export interface CollectedStream {
  readonly bytes: Buffer
  readonly outcome: 'open' | 'end' | 'reset'
  /** When it came to its end, in milliseconds of the clock. */
  readonly endedAtMs: number
}

/**
 * An owner of a link that notes all events, reads everything unless told otherwise, and writes what it is
 * given as room comes.
 */
export class StreamCollector implements QuicLinkOwner {
  readonly link: QuicLink
  readonly events: QuicEvent[] = []
  /** Streams that are not read. */
  readonly asleep = new Set<number>()
  isClosed = false
  onEvent: (event: QuicEvent, now: number) => void = () => {}
  readonly #chunks = new Map<number, Buffer[]>()
  readonly #ends = new Map<number, { outcome: 'end' | 'reset'; atMs: number }>()
  readonly #pending = new Map<number, Buffer>()

  constructor(link: QuicLink) {
    this.link = link
    link.owner = this
  }

  onTurn(now: number): void {
    const { connection } = this.link
    for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) {
      if (event.type !== 'readable' && event.type !== 'writable') this.events.push(event)
      if (event.type === 'readable') this.read(event.stream, now)
      else if (event.type === 'writable') this.#pour(event.stream)
      else if (event.type === 'reset') this.#ends.set(event.stream, { outcome: 'reset', atMs: now })
      this.onEvent(event, now)
    }
  }

  onClosed(): void {
    this.isClosed = true
  }

  /** Events but those of reading and writing, as their types. */
  get eventTypes(): string[] {
    return this.events.map(({ type }) => type)
  }

  /** Sends all of it and the end, as fast as the connection takes it. */
  send(stream: number, bytes: Buffer): void {
    this.#pending.set(stream, bytes)
    this.#pour(stream)
    this.link.schedule()
  }

  /** Opens a stream and sends on it. Throws when there is none. */
  open(bytes: Buffer, direction: 'bidirectional' | 'unidirectional' = 'bidirectional'): number {
    const stream = this.link.connection.openStream(direction)
    if (stream === undefined) throw new Error(`no ${direction} stream is left`)
    this.send(stream, bytes)
    return stream
  }

  /** Of what was given to send(): not taken yet. */
  pendingBytes(stream: number): number {
    return this.#pending.get(stream)?.length ?? 0
  }

  read(stream: number, now: number): void {
    const piece = Buffer.alloc(16_384)
    const chunks = this.#chunks.get(stream) ?? []
    this.#chunks.set(stream, chunks)
    while (!this.asleep.has(stream)) {
      const read = this.link.connection.read(stream, piece)
      if (read === undefined) return
      chunks.push(Buffer.from(piece.subarray(0, read[0])))
      if (read[1]) this.#ends.set(stream, { outcome: 'end', atMs: now })
    }
  }

  collected(stream: number): CollectedStream {
    const end = this.#ends.get(stream)
    return {
      bytes: Buffer.concat(this.#chunks.get(stream) ?? []),
      outcome: end?.outcome ?? 'open',
      endedAtMs: end?.atMs ?? Infinity,
    }
  }

  /** Streams that have ended, in the order of their ends. */
  get ended(): number[] {
    return [...this.#ends.keys()]
  }

  #pour(stream: number): void {
    const bytes = this.#pending.get(stream)
    if (bytes === undefined) return
    const taken = this.link.connection.write(stream, bytes, true)
    if (taken === bytes.length) this.#pending.delete(stream)
    else this.#pending.set(stream, bytes.subarray(taken))
  }
}
