import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearestName } from '../base/nearest-name.ts'
import { type Protocol, TransportError } from '../index.ts'
import { KNOWN_PROTOCOLS } from '../service/config/built-features.ts'

type OptionSpec = NonNullable<ParseArgsConfig['options']>

interface ParseConfig<Spec extends OptionSpec> {
  args: string[]
  options: Spec
  allowPositionals: true
  strict: true
}

/** A mistake on the command line: exit code 2. */
export function usageError(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}

/** parseArgs with its complaints turned into usage errors, an unknown option with the nearest known one. */
export function parseOptions<const Spec extends OptionSpec>(
  args: readonly string[],
  options: Spec,
): ReturnType<typeof parseArgs<ParseConfig<Spec>>> {
  try {
    return parseArgs<ParseConfig<Spec>>({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
  } catch (error) {
    throw usageError(complaint(error, options))
  }
}

function complaint(error: unknown, options: OptionSpec): string {
  const message = error instanceof Error ? error.message : String(error)
  const [, unknown] = /^Unknown option '(-[^']*)'/.exec(message) ?? []
  if (unknown === undefined) return message.split('\n', 1).join('')
  const nearest = nearestName(unknown.replace(/^-+/, ''), Object.keys(options))
  return nearest === undefined
    ? `unknown option ${unknown}`
    : `unknown option ${unknown}; did you mean --${nearest}?`
}

/** A whole number of at least `min`, or undefined when the option is absent. */
export function countOption(name: string, text: string | undefined, min = 1): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value
  throw usageError(`--${name} must be a whole number of at least ${min}, not ${JSON.stringify(text)}`)
}

/** A number above 0, or undefined when the option is absent. */
export function positiveOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw usageError(`--${name} must be a number above 0, not ${JSON.stringify(text)}`)
}

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
