import { combinedHeaderValue, type HeaderList } from '../../entry/dispatch.ts'

/** What a field or a parameter of the query has to be. */
export type ValueRule =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'present' }
  | { readonly kind: 'absent' }

/** What a route asks of a request beside host and path. All of it has to hold. */
export interface RouteConditions {
  /** Undefined: any. */
  readonly methods: readonly string[] | undefined
  /** By names in lower case. */
  readonly headers: readonly (readonly [name: string, rule: ValueRule])[]
  readonly query: readonly (readonly [name: string, rule: ValueRule])[]
}

export const NO_CONDITIONS: RouteConditions = { methods: undefined, headers: [], query: [] }

export function isUnconditional({ methods, headers, query }: RouteConditions): boolean {
  return methods === undefined && headers.length === 0 && query.length === 0
}

/** What of a request is looked at. */
export interface ConditionedRequest {
  readonly method: string
  readonly headers: HeaderList
}

/** `query` is without its question mark. */
export function meetsConditions(
  { methods, headers, query: parameters }: RouteConditions,
  request: ConditionedRequest,
  query: string,
): boolean {
  if (methods !== undefined && !methods.includes(request.method)) return false
  for (const [name, rule] of headers) {
    if (!meetsRule(rule, combinedHeaderValue(request.headers, name))) return false
  }
  for (const [name, rule] of parameters) if (!meetsRule(rule, queryValue(query, name))) return false
  return true
}

/**
 * The first value of a parameter, decoded as forms encode them; undefined: there is none. What is no valid
 * encoding is taken as it stands.
 */
export function queryValue(query: string, name: string): string | undefined {
  let at = 0
  while (at < query.length) {
    const ampersand = query.indexOf('&', at)
    const end = ampersand === -1 ? query.length : ampersand
    const equals = query.indexOf('=', at)
    const nameEnd = equals === -1 || equals > end ? end : equals
    if (decoded(query.slice(at, nameEnd)) === name) return decoded(query.slice(nameEnd + 1, end))
    at = end + 1
  }
  return undefined
}

function decoded(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

function meetsRule(rule: ValueRule, value: string | undefined): boolean {
  switch (rule.kind) {
    case 'exact':
      return value === rule.value
    case 'prefix':
      return value?.startsWith(rule.value) === true
    case 'present':
      return value !== undefined
    default:
      return value === undefined
  }
}

/** How the routes of one place are ordered: methods, then fields, then parameters; more of them first. */
export function compareConditions(a: RouteConditions, b: RouteConditions): number {
  return (
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length
  )
}

/** Whether every request that meets `a` meets `b` as well. */
export function impliesConditions(a: RouteConditions, b: RouteConditions): boolean {
  const areMethods = b.methods === undefined || a.methods?.every(method => b.methods?.includes(method))
  return areMethods === true && impliesRules(a.headers, b.headers) && impliesRules(a.query, b.query)
}

function impliesRules(a: RouteConditions['headers'], b: RouteConditions['headers']): boolean {
  return b.every(([name, rule]) => a.some(([other, given]) => other === name && impliesRule(given, rule)))
}

function impliesRule(given: ValueRule, rule: ValueRule): boolean {
  if (rule.kind === 'absent' || given.kind === 'absent') return rule.kind === given.kind
  if (rule.kind === 'present') return true
  if (given.kind === 'present') return false
  if (rule.kind === 'exact') return given.kind === 'exact' && given.value === rule.value
  return given.value.startsWith(rule.value)
}
