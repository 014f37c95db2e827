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
 * The host names and IP addresses in a subjectAltName, as X509Certificate writes it: `DNS:a.example, DNS:*.b.example,
 * IP Address:192.0.2.1`. In lower case, addresses as URLs spell them. What is neither (URI, mail), and what no
 * origin could be called, is left out; the common name is none (RFC 9525 6.3).
 */
export function certificateNames(subjectAltName: string | undefined): readonly string[] {
  const names = new Set<string>()
  for (const entry of entriesOf(subjectAltName ?? '')) {
    const name = nameOf(entry)
    if (name !== undefined) names.add(name)
    if (names.size === MAX_NAMES) break
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
