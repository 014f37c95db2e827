import { TransportError } from '../errors.ts'

/**
 * Callers without types may hand over anything: each check throws MM_INVALID_ARGUMENT with the name of what
 * it does not like.
 */
export function checkNumber(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    `${name} must be a number that is not negative, not ${String(value)}`,
  )
}

/** Every option of these groups is a number that is not negative. */
export function checkNumbers<T extends object>(group: string, values: T): T {
  for (const [name, value] of Object.entries(values)) checkNumber(`${group}.${name}`, value)
  return values
}

export function checkWord(name: string, value: unknown, words: readonly string[]): void {
  if (words.some(word => word === value)) return
  const others = words
    .slice(0, -1)
    .map(word => `'${word}'`)
    .join(', ')
  const choice = `${others} or '${words.at(-1)}'`
  throw new TransportError('MM_INVALID_ARGUMENT', `${name} must be ${choice}, not ${JSON.stringify(value)}`)
}

export function checkFlag(name: string, value: unknown): void {
  if (typeof value !== 'boolean')
    throw new TransportError('MM_INVALID_ARGUMENT', `${name} must be true or false`)
}
