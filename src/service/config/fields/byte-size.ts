/** What a size may look like, for messages. */
export const BYTE_SIZE_FORM = 'a number of bytes or a size such as 512B, 64KiB, 1MiB, 10MB'

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** Bytes of `65536`, `64KiB`, `1.5MB`; units in any case. Undefined when it is none of these. */
export function parseByteSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(value.trim())
  const unitBytes = UNIT_BYTES[match?.[2]?.toLowerCase() ?? '']
  if (unitBytes === undefined) return undefined
  const bytes = Math.round(Number(match?.[1]) * unitBytes)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
