import type { CryptoPiece } from './initial-packets.ts'

/** What a ClientHello may have, as over TCP. */
const MAX_HELLO_BYTES = 16_384
/** Pieces of one: browsers shuffle a dozen or two. */
const MAX_PIECES = 128
/** Datagrams that are held for one client: two or three have the key shares of today. */
const MAX_DATAGRAMS = 6
/** Clients at once whose ClientHello has not come whole. */
const MAX_CLIENTS = 256
/** A client that lost a datagram sends all of them again, after a second at the latest. */
const LIFETIME_MS = 3_000

/** One client that may have more to say before it is answered. */
export interface HeldClient {
  /** Those that came, in order. */
  readonly datagrams: readonly Buffer[]
  /** The beginning of its ClientHello, as far as it has come without a gap. */
  readonly hello: Buffer
  /** No more is waited for. */
  readonly isFull: boolean
}

interface Held {
  readonly sinceMs: number
  readonly datagrams: Buffer[]
  readonly pieces: CryptoPiece[]
}

/**
 * The first datagrams of clients whose ClientHello is spread over several (RFC 9001 4.3), whatever their
 * order. Bounded in clients, datagrams, bytes and pieces; who does not go on is forgotten when others come.
 */
export class HeldInitials {
  readonly #clients = new Map<string, Held>()

  get size(): number {
    return this.#clients.size
  }

  has(client: string): boolean {
    return this.#clients.has(client)
  }

  /** One more datagram, which is borrowed, with what it carries of the ClientHello. */
  receive(client: string, datagram: Buffer, pieces: readonly CryptoPiece[]): HeldClient {
    const held = this.#clients.get(client)
    const all = [...(held?.pieces ?? []), ...pieces]
    const datagrams = [...(held?.datagrams ?? []), datagram]
    const isFull =
      all.length > MAX_PIECES ||
      datagrams.length >= MAX_DATAGRAMS ||
      (held === undefined && this.#clients.size >= MAX_CLIENTS)
    return { datagrams, hello: isFull ? Buffer.alloc(0) : joined(all), isFull }
  }

  /** It is not whole yet: the datagram and its pieces are kept. */
  keep(client: string, datagram: Buffer, pieces: readonly CryptoPiece[], now: number): void {
    this.#forgetOld(now)
    const held = this.#clients.get(client) ?? { sinceMs: now, datagrams: [], pieces: [] }
    this.#clients.set(client, held)
    if (held.datagrams.length >= MAX_DATAGRAMS) return
    held.datagrams.push(Buffer.from(datagram))
    held.pieces.push(...pieces)
  }

  delete(client: string): void {
    this.#clients.delete(client)
  }

  /** In order of their coming. */
  #forgetOld(now: number): void {
    for (const [client, { sinceMs }] of this.#clients) {
      if (now - sinceMs < LIFETIME_MS) return
      this.#clients.delete(client)
    }
  }
}

/** The bytes from the beginning up to the first gap. */
function joined(pieces: readonly CryptoPiece[]): Buffer {
  const sorted = pieces.toSorted((a, b) => a.offset - b.offset)
  const parts: Buffer[] = []
  let length = 0
  for (const { offset, bytes } of sorted) {
    if (offset > length || length >= MAX_HELLO_BYTES) break
    const fresh = bytes.subarray(length - offset)
    parts.push(fresh)
    length += fresh.length
  }
  return Buffer.concat(parts, length)
}
