import type { StreamDirection } from '../engine.ts'

/** Stream ids (RFC 9000 2.1): bit 0 is the opener's role, bit 1 the direction; the rest counts. */
export type Role = 'client' | 'server'

export const isUnidirectional = (stream: number): boolean => (stream & 2) !== 0

export const isOpenedBy = (role: Role, stream: number): boolean =>
  (stream & 1) === (role === 'server' ? 1 : 0)

/** The first id of a kind; the others follow in steps of 4. */
export const firstStream = (role: Role, direction: StreamDirection): number =>
  (role === 'server' ? 1 : 0) + (direction === 'unidirectional' ? 2 : 0)

/** Ids above 2^31 do not survive bit operations, but no connection comes that far: quiche keeps 40 bytes for each that ever was. */
export const sequenceOf = (stream: number): number => Math.floor(stream / 4)

/**
 * Which ids of one kind were seen, in little memory: all below a mark, and those that came before their time. They come nearly in
 * order, since a peer opens them so.
 */
export class SeenStreams {
  #next: number
  readonly #ahead = new Set<number>()

  constructor(first: number) {
    this.#next = first
  }

  /** False: it was seen before. */
  add(stream: number): boolean {
    if (stream < this.#next || this.#ahead.has(stream)) return false
    if (stream !== this.#next) {
      this.#ahead.add(stream)
      return true
    }
    this.#next += 4
    while (this.#ahead.delete(this.#next)) this.#next += 4
    return true
  }
}
