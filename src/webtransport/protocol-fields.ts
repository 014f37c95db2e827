/**
 * The fields by which a session agrees on a protocol (draft-ietf-webtrans-http3 3.3): strings of RFC 9651
 * 3.3.3.
 */
export const AVAILABLE_PROTOCOLS = 'wt-available-protocols'
export const CHOSEN_PROTOCOL = 'wt-protocol'

/** More than anybody offers; the rest is not looked at. */
const MAX_OFFERED = 64
const STRING = /^[ \t]*"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:;[^,"]*)?[ \t]*(?:,|$)/

/** A name that a string of RFC 9651 can hold. */
export function isProtocolName(name: unknown): name is string {
  return typeof name === 'string' && /^[\x20-\x7e]{1,512}$/.test(name)
}

export function encodeProtocols(names: readonly string[]): string {
  return names.map(name => `"${name.replace(/["\\]/g, '\\$&')}"`).join(', ')
}

/** What a field lists; nothing where it cannot be read, as RFC 9651 has it. */
export function readProtocols(field: string | undefined): string[] {
  const names: string[] = []
  let rest = field ?? ''
  while (rest !== '' && names.length < MAX_OFFERED) {
    const match = STRING.exec(rest)
    if (match === null) return []
    names.push((match[1] ?? '').replace(/\\(["\\])/g, '$1'))
    rest = rest.slice(match[0].length)
  }
  return names
}
