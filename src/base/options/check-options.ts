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

/** The bounds of a number, both included. */
export interface NumberRange {
  readonly min: number
  readonly max: number
  /** 0 is fine although it is below `min`: it says that there is no such limit. */
  readonly orZero?: true
}

/** What each option of a group may be; all are whole numbers. What is not in it is at least 1. */
export type OptionRanges<Options> = Readonly<Partial<Record<keyof Options & string, NumberRange>>>

/** Where nothing else is said. A limit of 0 would end every connection at the first thing that it counts. */
const POSITIVE: NumberRange = { min: 1, max: Number.MAX_SAFE_INTEGER }

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkRanges<Options extends object>(
  group: string,
  options: Options,
  ranges: OptionRanges<Options>,
): Options {
  for (const [name, value] of Object.entries({ ...options })) {
    const { min, max, orZero } = ranges[name as keyof Options & string] ?? POSITIVE // or an unknown name
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) continue
    if (orZero && value === 0) continue
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${group}.${name} must be ${orZero ? '0 or ' : ''}a whole number from ${min} to ${max}, not ${String(value)}`,
    )
  }
  return options
}

/** One option must not be below another. Throws MM_INVALID_ARGUMENT. */
export function checkNotBelow<Options extends object>(
  group: string,
  options: Options,
  name: keyof Options & string,
  floor: keyof Options & string,
): void {
  if (options[name] >= options[floor]) return
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    `${group}.${name} must not be below ${group}.${floor} (${String(options[floor])}), not ${String(options[name])}`,
  )
}
