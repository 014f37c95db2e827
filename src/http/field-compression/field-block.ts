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
