import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { BODY_BYTES } from '../../test/support/body-files.ts'

/**
 * Bytes of the bodies that are measured, by the last part of their paths. `200m` is 200 million, and the
 * bench's own.
 */
export const BODY_SIZES = {
  '1k': BODY_BYTES['1k'],
  '100k': BODY_BYTES['100k'],
  '10m': BODY_BYTES['10m'],
  '200m': 200_000_000,
} as const
export type BodySize = keyof typeof BODY_SIZES

/** What is not in here takes longer than it teaches, except where a scenario is about it. */
export function chooseSizes(wanted: readonly string[], measurable: readonly BodySize[]): readonly BodySize[] {
  return measurable.filter(size => wanted.includes(size))
}

/** A file of zeros that takes no space on the disk: encryption and copying do not look at what they are. */
export function writeZeros(path: string, bytes: number): void {
  const file = openSync(path, 'w')
  ftruncateSync(file, bytes)
  closeSync(file)
}
