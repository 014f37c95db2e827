/**
 * The pattern language of paths, by segments:
 *
 * - `/users/all` is itself;
 * - `{name}` stands for one segment that is not empty, or with text around it for a part of one:
 *   `/report-{year}.pdf`;
 * - `{name...}`, in the last segment, stands for everything that follows, slashes and nothing included, or
 *   with text behind it for what ends so: `/images/{rest...}.png`.
 *
 * There is no alternation and no repetition, so that a segment is compared once and a match takes time that
 * is linear in the path. A regular expression of JavaScript backtracks: a path could be written that stops
 * the process (ReDoS), and of two expressions nobody can say which one is more specific.
 */
export interface PathPattern {
  readonly segments: readonly PatternSegment[]
  readonly tail: PatternTail
  /** Of all captures, in their order. */
  readonly names: readonly string[]
}

/** `before` and `after` stand around what is captured. */
type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'capture'; readonly before: string; readonly after: string }

/**
 * What may follow the segments: nothing; what is captured, if it ends in `after`; or, for a prefix, anything
 * at all, with its slash or nothing.
 */
type PatternTail =
  | { readonly kind: 'end' }
  | { readonly kind: 'rest'; readonly after: string }
  | { readonly kind: 'any' }

/** The prefix of every path. */
export const EVERY_PATH: PathPattern = { segments: [], tail: { kind: 'any' }, names: [] }

/** A path that is longer is a mistake, and each level of the tree costs a call. */
export const MAX_PATTERN_SEGMENTS = 64
const MAX_PATTERN_LENGTH = 1_024
const CAPTURE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,31}$/

/** The beginning of a path, by whole segments; a slash at its end changes nothing. */
export function prefixPattern(path: string): PathPattern | string {
  const fault = lengthFault(path)
  if (fault !== undefined) return fault
  const trimmed = withoutTrailingSlashes(path)
  const segments = trimmed === '' ? [] : trimmed.slice(1).split('/')
  return { segments: segments.map(text => ({ kind: 'literal', text })), tail: { kind: 'any' }, names: [] }
}

/** A string: what is wrong with it. */
export function parsePathPattern(text: string): PathPattern | string {
  const fault = lengthFault(text)
  if (fault !== undefined) return fault
  const segments: PatternSegment[] = []
  const names: string[] = []
  const parts = text.slice(1).split('/')
  for (const [index, part] of parts.entries()) {
    const parsed = parseSegment(part)
    if (typeof parsed === 'string') return parsed
    if (parsed.name === undefined) {
      segments.push({ kind: 'literal', text: part })
      continue
    }
    if (names.includes(parsed.name)) return `{${parsed.name}} is there twice`
    names.push(parsed.name)
    if (!parsed.isRest) segments.push({ kind: 'capture', before: parsed.before, after: parsed.after })
    else if (index < parts.length - 1) return `{${parsed.name}...} must be in the last segment`
    else if (parsed.before !== '') return `{${parsed.name}...} must begin its segment`
    else return { segments, tail: { kind: 'rest', after: parsed.after }, names }
  }
  return { segments, tail: { kind: 'end' }, names }
}

/** The pattern without the names that are given to its captures: patterns of one shape match the same. */
export function patternShape({ segments, tail }: PathPattern): string {
  const parts = segments.map(segment =>
    segment.kind === 'literal' ? `/${segment.text}` : `/${segment.before}{}${segment.after}`,
  )
  return parts.join('') + (tail.kind === 'rest' ? `/{...}${tail.after}` : tail.kind === 'any' ? '/**' : '')
}

function lengthFault(text: string): string | undefined {
  if (!/^\/[^?#\s\\]*$/.test(text)) return 'must begin with / and have no query, space or backslash'
  if (text.length > MAX_PATTERN_LENGTH) return `must have ${MAX_PATTERN_LENGTH} characters at the most`
  const slashes = text.split('/').length - 1
  if (slashes > MAX_PATTERN_SEGMENTS) return `must have ${MAX_PATTERN_SEGMENTS} segments at the most`
  return undefined
}

interface ParsedSegment {
  readonly before: string
  readonly after: string
  /** Undefined: there is no capture. */
  readonly name: string | undefined
  readonly isRest: boolean
}

function parseSegment(part: string): ParsedSegment | string {
  const open = part.indexOf('{')
  const close = part.indexOf('}')
  if (open === -1 && close === -1) return { before: part, after: '', name: undefined, isRest: false }
  if (open === -1 || close < open) return `a brace of ${JSON.stringify(part)} has no other one`
  const inner = part.slice(open + 1, close)
  const after = part.slice(close + 1)
  if (/[{}]/.test(inner + after)) return `a segment has one capture at the most, not ${JSON.stringify(part)}`
  const isRest = inner.endsWith('...')
  const name = isRest ? inner.slice(0, -3) : inner
  if (!CAPTURE_NAME.test(name))
    return `{${inner}} must be a name of letters, digits and _, with ... behind it for all that follows`
  return { before: part.slice(0, open), after, name, isRest }
}

function withoutTrailingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--
  return path.slice(0, end)
}
