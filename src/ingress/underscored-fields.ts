import { TransportError } from '../base/errors.ts'
import { type HeaderList, NO_HEADERS } from '../base/http/headers.ts'

/** See IngressLimits. */
export const UNDERSCORE_RULES = ['drop', 'refuse', 'pass'] as const
export type UnderscoreRule = (typeof UNDERSCORE_RULES)[number]

export function hasUnderscore(fields: HeaderList): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.includes('_') === true) return true
  return false
}

/** The fields, head or trailers, without those whose name has an underscore. */
export function withoutUnderscored(fields: HeaderList): HeaderList {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    if (!name.includes('_')) kept.push(name, fields[i + 1] as string) // odd indexes are values
  }
  return kept.length === 0 ? NO_HEADERS : kept
}

/** The error for a request that has such a field, under the rule `refuse`. */
export function underscoreRefused(): TransportError {
  return new TransportError(
    'MM_BAD_REQUEST',
    'a field name has an underscore, which ingress.underscoredFields refuses',
  )
}
