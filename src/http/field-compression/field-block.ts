import type { HeaderList } from '../../base/http/headers.ts'

/** A decoded field section. */
export interface FieldBlock {
  /**
   * Flat name, value, …, pseudo-fields included, in wire order. Never changed; may be shared between equal
   * blocks.
   */
  readonly fields: HeaderList
  /**
   * Size of the list (RFC 7541 4.1, RFC 9114 4.2.2): 32 bytes more for each field than its name and value.
   */
  readonly bytes: number
  /**
   * Whatever the reader makes of it, kept with the block so that a cached block is judged once. Starts
   * undefined.
   */
  meaning: unknown
}

/**
 * The peer sent a field block that nobody can decode. The tables of both sides no longer agree, so that the
 * connection is lost (RFC 9113 4.3: COMPRESSION_ERROR). The parts that QPACK shares throw it too.
 */
export class HpackError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'HpackError'
  }
}
