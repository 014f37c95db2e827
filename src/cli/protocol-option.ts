import type { Protocol } from '../index.ts'
import { BUILT_PROTOCOLS, KNOWN_PROTOCOLS, NOT_BUILT } from '../service/config/built-features.ts'
import { usageError } from './usage-error.ts'

/** `--protocol`: undefined is auto. Protocols that are not built are refused by name. */
export function protocolOption(text: string | undefined): Protocol | undefined {
  if (text === undefined || text === 'auto') return undefined
  const protocol = knownProtocol(text, ['auto', ...KNOWN_PROTOCOLS])
  if (BUILT_PROTOCOLS.has(protocol)) return protocol
  throw usageError(`--protocol ${protocol}: ${NOT_BUILT}`)
}

/** The same where only numbers are asked for: every protocol is fine. */
export function sizingProtocolOption(text: string | undefined): Protocol | undefined {
  return text === undefined ? undefined : knownProtocol(text, KNOWN_PROTOCOLS)
}

function knownProtocol(text: string, choices: readonly string[]): Protocol {
  const protocol = KNOWN_PROTOCOLS.find(known => known === text)
  if (protocol === undefined)
    throw usageError(`--protocol must be one of ${choices.join(', ')}, not ${JSON.stringify(text)}`)
  return protocol
}
