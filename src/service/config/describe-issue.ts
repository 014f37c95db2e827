import type { z } from 'zod'
import { nearestName } from '../../base/nearest-name.ts'
import type { UnplacedFault } from './config-fault.ts'

type Issue = z.core.$ZodIssue

/** A validation issue in the words of an operator; one issue about three unknown keys is three faults. */
export function describeIssue(
  issue: Issue,
  knownKeys: (path: readonly string[]) => readonly string[],
): UnplacedFault[] {
  const path = issue.path.map(step => (typeof step === 'number' ? step : String(step)))
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path.map(String))
    return issue.keys.map(key => ({ path: [...path, key], message: unknownKey(key, known), atKey: true }))
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => ({ path, message, atKey: true }))
  }
  return [{ path, message: describeValue(issue) }]
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = nearestName(key, known)
  if (nearest !== undefined) return `unknown key; did you mean ${JSON.stringify(nearest)}?`
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`
}

function describeValue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `missing: ${article(issue.expected)} is needed`
      return `must be ${article(issue.expected)}, not ${shown(issue.input)}`
    case 'invalid_value': {
      const values = issue.values.map(String)
      const nearest = typeof issue.input === 'string' ? nearestName(issue.input, values) : undefined
      const suggestion = nearest === undefined ? '' : `; did you mean ${JSON.stringify(nearest)}?`
      return `must be ${oneOf(values)}, not ${shown(issue.input)}${suggestion}`
    }
    case 'too_small':
      return bound(issue.origin, 'at least', issue.minimum, issue.input)
    case 'too_big':
      return bound(issue.origin, 'at most', issue.maximum, issue.input)
    default:
      return issue.message
  }
}

function bound(kind: string, words: string, limit: number | bigint, input: unknown): string {
  if (kind === 'array') return `must have ${words} ${limit} ${limit === 1 ? 'entry' : 'entries'}`
  if (kind === 'string') return `must have ${words} ${limit} ${limit === 1 ? 'character' : 'characters'}`
  return `must be ${words} ${limit}, not ${shown(input)}`
}

const NOUNS: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

function article(expected: string): string {
  return NOUNS[expected] ?? expected
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`
}

/** A value in a message, short and on one line. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value) ?? `a ${typeof value}`
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
