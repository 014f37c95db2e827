import type { Protocol } from '../index.ts'
import { KNOWN_PROTOCOLS } from '../service/config/built-features.ts'
import { usageError } from './usage-error.ts'

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
