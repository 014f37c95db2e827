import { isIP } from 'node:net'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import { normalName } from './records/dns-name.ts'

/** Names in one table: lists that block advertisements have some hundred thousand. */
const MAX_NAMES = 500_000
/** Of one name, as many as a race over addresses could ever get through. */
const MAX_ADDRESSES = 32

/** What /etc/hosts says, by normal name. */
export type HostsTable = ReadonlyMap<string, readonly ResolvedAddress[]>

/**
 * Reads a hosts file (hosts(5)): an address and its names per line, `#` begins a comment. Addresses of a name
 * that stands on several lines add up, as they do for getaddrinfo. A line that cannot be read is passed over,
 * and so is an address with a zone, which no other machine could be reached under.
 */
export function parseHosts(text: string): HostsTable {
  const table = new Map<string, ResolvedAddress[]>()
  for (const line of text.split('\n')) {
    const [address, ...names] = withoutComment(line, '#').split(/[ \t]+/)
    const family = address === undefined || address.includes('%') ? 0 : isIP(address)
    if (address === undefined || (family !== 4 && family !== 6)) continue
    for (const each of names) {
      const name = normalName(each)
      const known = table.get(name)
      if (known === undefined) {
        if (table.size < MAX_NAMES) table.set(name, [{ address, family }])
      } else if (known.length < MAX_ADDRESSES && !known.some(other => other.address === address)) {
        known.push({ address, family })
      }
    }
  }
  return table
}

/** A line up to the first of these characters, without the blanks around it. */
export function withoutComment(line: string, signs: string): string {
  let end = 0
  while (end < line.length && !signs.includes(line.charAt(end))) end++
  return line.slice(0, end).trim()
}
