import type { KeepAliveHint } from '../../../base/events/connection.ts'
import { isToken } from '../../../base/http/char-tables.ts'
import type { CodecRole } from './codec-failure.ts'
import { codecFailure } from './codec-failure.ts'
import { decimalOf } from './message-framing.ts'

/** What Connection said, as bits. */
export const OPTION_CLOSE = 1
export const OPTION_KEEP_ALIVE = 2
export const OPTION_UPGRADE = 4
/** It names fields that must be dropped: see dropNominated. */
export const OPTION_NOMINATES = 8

/**
 * Options that are no nomination of a field that could still be in a list: the codec consumes these anyway.
 */
const CONSUMED = new Set(['te', 'http2-settings', 'proxy-connection', 'connection'])

/** What delimits a message and names its host: no nomination takes it off. */
const FRAMING = new Set(['host', 'content-length', 'transfer-encoding'])

/**
 * Fields that are for the whole path (RFC 9110 7.6.1: "a sender MUST NOT send a connection option
 * corresponding to a field that is intended for all recipients"). Nominating one is how a client makes a
 * proxy strip what the next hop relies on: the framing, who is asking, or for whom. A request that does so is
 * refused.
 *
 * A response that does so is the origin's mistake, and only its own: the field is taken off, as 7.6.1 demands
 * of an intermediary. Not the framing, which was read before and is written anew for the next hop: without
 * its length a response to HEAD would say something else.
 */
const NEVER_NOMINATED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'content-range',
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
  'vary',
  'range',
  'expect',
  'early-data',
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
])

/** Reads the Connection field. */
export function readConnectionOptions(value: string | undefined, role: CodecRole): number {
  if (value === undefined) return 0
  // The spellings of nearly every message.
  if (value === 'keep-alive' || value === 'Keep-Alive') return OPTION_KEEP_ALIVE
  if (value === 'close') return OPTION_CLOSE
  let options = 0
  for (const option of listMembers(value)) {
    if (!isToken(option))
      throw codecFailure(role, 'broken', 'Connection has something that is no token', value)
    if (option === 'close') options |= OPTION_CLOSE
    else if (option === 'keep-alive') options |= OPTION_KEEP_ALIVE
    else if (option === 'upgrade') options |= OPTION_UPGRADE
    else if (NEVER_NOMINATED.has(option) && role.broken === 'MM_BAD_REQUEST') {
      throw codecFailure(
        role,
        'broken',
        'Connection names a field that is not only for this connection',
        value,
      )
    } else if (!CONSUMED.has(option) && !FRAMING.has(option)) options |= OPTION_NOMINATES
  }
  return options
}

/** The list without the fields that Connection nominates. */
export function dropNominated(headers: readonly string[], connection: string): string[] {
  const nominated = new Set(listMembers(connection))
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (!nominated.has(name) || FRAMING.has(name)) kept.push(name, headers[i + 1] as string) // a value
  }
  return kept
}

/**
 * The protocol that Upgrade asks for: its first, lower case. `h2c` does not count: it would carry requests
 * past every check that a proxy makes, and RFC 9113 3.1 has withdrawn it.
 */
export function upgradeProtocol(value: string | undefined, role: CodecRole): string | undefined {
  if (value === undefined) return undefined
  for (const protocol of listMembers(value)) {
    if (!isUpgradeProtocol(protocol)) {
      throw codecFailure(role, 'broken', 'Upgrade has something that is no protocol', value)
    }
    if (protocol !== 'h2c' && protocol !== 'h2') return protocol
  }
  return undefined
}

/**
 * What a final response offers to switch to (RFC 9110 7.8: a 426 must, others may). `h2` and `h2c` are left
 * out: the origin offers them on its own connection, and we would not do them on ours. Undefined: nothing is
 * left, or it is malformed, and an offer is no more than advice.
 */
export function upgradeOffer(value: string): string | undefined {
  const offered: string[] = []
  for (const member of value.split(',')) {
    const protocol = trimBlanks(member)
    const isHttp2 = /^h2c?$/i.test(protocol)
    if (protocol === '' || isHttp2) continue
    if (!isUpgradeProtocol(protocol)) return undefined
    offered.push(protocol)
  }
  return offered.length === 0 ? undefined : offered.join(', ')
}

/** `name`, or `name/version`. */
export function isUpgradeProtocol(text: string): boolean {
  const slash = text.indexOf('/')
  return slash < 0 ? isToken(text) : isToken(text.slice(0, slash)) && isToken(text.slice(slash + 1))
}

/** Whether TE has the member `trailers`. */
export function hasTrailersMember(te: string | undefined): boolean {
  return te !== undefined && (te === 'trailers' || listMembers(te).includes('trailers'))
}

/** Reads `timeout=5, max=100`. It is advice: what is malformed is skipped. */
export function parseKeepAliveHint(value: string | undefined): KeepAliveHint | undefined {
  if (value === undefined) return undefined
  const hint: KeepAliveHint = {}
  for (const member of listMembers(value)) {
    const equals = member.indexOf('=')
    const number = decimalOf(trimBlanks(member.slice(equals + 1)))
    if (equals < 0 || number === undefined) continue
    const name = trimBlanks(member.slice(0, equals))
    if (name === 'timeout') hint.timeoutMs = number * 1000
    else if (name === 'max') hint.maxRequests = number
  }
  return hint.timeoutMs === undefined && hint.maxRequests === undefined ? undefined : hint
}

/** The members of a comma-separated list, lower case; empty ones do not count (RFC 9110 5.6.1.2). */
function listMembers(value: string): string[] {
  const members: string[] = []
  for (const member of value.toLowerCase().split(',')) {
    const trimmed = trimBlanks(member)
    if (trimmed !== '') members.push(trimmed)
  }
  return members
}

/** Without SP and HTAB at both ends. String.trim would take NBSP too, which is one byte of obs-text here. */
function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && (text[start] === ' ' || text[start] === '\t')) start++
  while (end > start && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(start, end)
}
