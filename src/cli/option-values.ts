import type { Protocol } from '../index.ts'
import { KNOWN_PROTOCOLS } from '../service/config/built-features.ts'
import { usageError } from './usage-error.ts'

/** RFC 9110 5.5; obs-text is as much as there is of others than ASCII. */
const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** `--header 'K: V'`: the lower-case name and the value. */
export function headerOption(text: string): [string, string] {
  const [, name, value] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw usageError(`--header must be 'Name: value', not ${JSON.stringify(text)}`)
  }
  if (!isToken(name)) throw usageError(`--header: ${JSON.stringify(name)} is no name of a field`)
  // Not shown: it may be a secret.
  if (NOT_VALUE.test(value))
    throw usageError(`--header: the value of ${name} has a character that none may have`)
  return [name.toLowerCase(), value]
}

/** Methods and field names (RFC 9110 5.6.2). */
export function isToken(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text)
}

/** `--protocol`: undefined is auto. */
export function protocolOption(text: string | undefined): Protocol | undefined {
  return text === undefined || text === 'auto' ? undefined : knownProtocol(text, ['auto', ...KNOWN_PROTOCOLS])
}

/** The same where only numbers are asked for, which have no auto. */
export function sizingProtocolOption(text: string | undefined): Protocol | undefined {
  return text === undefined ? undefined : knownProtocol(text, KNOWN_PROTOCOLS)
}

function knownProtocol(text: string, choices: readonly string[]): Protocol {
  const protocol = KNOWN_PROTOCOLS.find(known => known === text)
  if (protocol === undefined)
    throw usageError(`--protocol must be one of ${choices.join(', ')}, not ${JSON.stringify(text)}`)
  return protocol
}
