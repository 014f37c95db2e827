/**
 * Reads values that come from a file which anyone may have damaged. Each gives what is right, or undefined;
 * none throws, and none looks at more of a list or an object than it may.
 */

/** A time in ms since 1970 beyond the year 9999 is none, and neither is one before 1970. */
const MAX_TIME_MS = 253_402_300_800_000

export function readObject(json: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  return json as Readonly<Record<string, unknown>> // an object that is no array
}

/**
 * The members of an object as pairs, no more than `max`. Nothing but a list of pairs is safe from a member
 * named `__proto__`.
 */
export function readMembers(json: unknown, max: number): readonly (readonly [string, unknown])[] {
  const object = readObject(json)
  return object === undefined ? [] : Object.entries(object).slice(0, max)
}

export function readText(json: unknown, maxChars: number): string | undefined {
  return typeof json === 'string' && json.length <= maxChars ? json : undefined
}

export function readNumber(json: unknown, min: number, max: number): number | undefined {
  return typeof json === 'number' && json >= min && json <= max ? json + 0 : undefined // + 0: JSON has no -0
}

export function readInteger(json: unknown, min: number, max: number): number | undefined {
  return Number.isInteger(json) ? readNumber(json, min, max) : undefined
}

export function readTime(json: unknown): number | undefined {
  return readInteger(json, 0, MAX_TIME_MS)
}

export function readOneOf<T>(json: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find(each => each === json)
}

/** What can be read of the first `max` members of a list. */
export function readList<T>(
  json: unknown,
  max: number,
  read: (member: unknown) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(json)) return undefined
  return json
    .slice(0, max)
    .map(read)
    .filter(member => member !== undefined)
}

export function readTexts(json: unknown, max: number, maxChars: number): readonly string[] | undefined {
  return readList(json, max, member => readText(member, maxChars))
}
