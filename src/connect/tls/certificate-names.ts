import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** What is kept of a certificate that a full handshake has verified. */
export interface VerifiedCertificate {
  /** How long it is still valid. */
  readonly endsInMs: number
  /** See certificateNames(). */
  readonly names: readonly string[]
}

/** Of one certificate. One with more names covers those that stand first. */
const MAX_NAMES = 256

/** Host names as certificates spell them, the wildcard in place of the left-most label (RFC 9525 6.3). */
const DNS_NAME = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/
const MAX_NAME_CHARS = 255

/** For a certificate that was verified just now. */
export function verifiedCertificate(certificate: X509Certificate): VerifiedCertificate {
  return {
    endsInMs: Date.parse(certificate.validTo) - Date.now(),
    names: certificateNames(certificate.subjectAltName),
  }
}

/**
 * The host names and IP addresses in a subjectAltName, as X509Certificate writes it: `DNS:a.example,
 * DNS:*.b.example, IP Address:192.0.2.1`. In lower case, addresses as URLs spell them. What is neither (URI,
 * mail), and what no origin could be called, is left out; the common name is none (RFC 9525 6.3).
 */
export function certificateNames(
  subjectAltName: string | undefined,
  maxNames: number = MAX_NAMES,
): readonly string[] {
  const names = new Set<string>()
  for (const entry of entriesOf(subjectAltName ?? '')) {
    const name = nameOf(entry)
    if (name !== undefined) names.add(name)
    if (names.size === maxNames) break
  }
  return [...names]
}

/** Entries are separated by `, `. A value that has such a thing in it is written as a JSON string. */
function* entriesOf(text: string): Iterable<string> {
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (isQuoted && char === '\\') at += 1
    else if (char === '"') isQuoted = !isQuoted
    else if (char === ',' && !isQuoted) {
      yield text.slice(start, at).trim()
      start = at + 1
    }
  }
  if (start < text.length) yield text.slice(start).trim()
}

function nameOf(entry: string): string | undefined {
  if (entry.startsWith('IP Address:')) return addressOf(entry.slice('IP Address:'.length))
  if (!entry.startsWith('DNS:')) return undefined
  const name = entry.slice('DNS:'.length).toLowerCase()
  // An address that is called a name is none.
  if (name.length > MAX_NAME_CHARS || isIP(name) !== 0 || !DNS_NAME.test(name)) return undefined
  return name.replace(/\.$/, '')
}

function addressOf(address: string): string | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  return family === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1)
}

/**
 * Whether one of the names covers the host, by the rules of RFC 9525 6.3, 6.4 and 6.5:
 * 1. An IP address is covered by the same address only.
 * 2. A host name is covered by the same name, whatever the case; a dot at the end is no part of it. Names
 *    that are not ASCII are compared in their IDNA form, which hosts of origins and certificates are in.
 * 3. `*` stands for exactly one label, the left-most one and the whole of it; two more labels stand behind it
 *    (`*.example` covers nothing, as in node:tls).
 * `host`: of an origin (Origin.host). `names`: from certificateNames().
 */
export function coversName(names: readonly string[], host: string): boolean {
  if (isAddress(host)) return names.includes(host) // 1
  const wanted = withoutDot(host.toLowerCase())
  const parent = parentOf(wanted)
  return names.some(given => {
    const name = withoutDot(given.toLowerCase())
    if (!name.startsWith('*')) return name === wanted // 2
    const covered = name.slice('*.'.length)
    return name.startsWith('*.') && covered.includes('.') && covered === parent // 3
  })
}

/** As URLs spell them: no host name has a colon, or nothing but digits. */
function isAddress(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host)
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** What stands behind the left-most label; undefined: nothing does, or the label is empty. */
function parentOf(name: string): string | undefined {
  const dotAt = name.indexOf('.')
  return dotAt > 0 ? name.slice(dotAt + 1) : undefined
}
