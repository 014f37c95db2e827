import type { StreamDirection } from '../engine.ts'

/** Stream ids (RFC 9000 2.1): bit 0 is the opener's role, bit 1 the direction; the rest counts. */
export type Role = 'client' | 'server'

export const isUnidirectional = (stream: number): boolean => (stream & 2) !== 0

export const isOpenedBy = (role: Role, stream: number): boolean =>
  (stream & 1) === (role === 'server' ? 1 : 0)

/** The first id of a kind; the others follow in steps of 4. */
export const firstStream = (role: Role, direction: StreamDirection): number =>
  (role === 'server' ? 1 : 0) + (direction === 'unidirectional' ? 2 : 0)

/**
 * Ids above 2^31 do not survive bit operations, but no connection comes that far: quiche keeps 40 bytes for
 * each that ever was.
 */
export const sequenceOf = (stream: number): number => Math.floor(stream / 4)
