import { createHash, generateKeyPair, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'

/**
 * Just enough of DER (ITU-T X.690) to write a certificate: definite lengths, primitive and constructed
 * values. Nothing here reads DER: Node's own X509Certificate does that, and the tests hold what we write
 * against it.
 */

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const BOOLEAN = 0x01
const OBJECT_IDENTIFIER = 0x06
const UTF8_STRING = 0x0c
const GENERALIZED_TIME = 0x18
const UTC_TIME = 0x17
const SEQUENCE = 0x30
const SET = 0x31

/** Any value: tag, length, contents. */
function derValue(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const size: number[] = []
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest & 0xff)
  return Buffer.concat([Buffer.of(tag, 0x80 | size.length, ...size), body])
}

const derSequence = (...items: readonly Uint8Array[]): Buffer => derValue(SEQUENCE, ...items)

const derSet = (...items: readonly Uint8Array[]): Buffer => derValue(SET, ...items)

/** A non-negative integer, most significant byte first. */
function derInteger(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  // Two's complement: a leading 1 bit would make it negative (X.690 8.3).
  const needsZero = digits.length === 0 || (digits[0] ?? 0) >= 0x80
  return derValue(INTEGER, needsZero ? Buffer.of(0) : Buffer.alloc(0), digits)
}

const derBoolean = (value: boolean): Buffer => derValue(BOOLEAN, Buffer.of(value ? 0xff : 0))

const derOctets = (bytes: Uint8Array): Buffer => derValue(OCTET_STRING, bytes)

/** `unusedBits` of the last byte do not count. */
const derBits = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  derValue(BIT_STRING, Buffer.of(unusedBits), bytes)

const derText = (text: string): Buffer => derValue(UTF8_STRING, Buffer.from(text, 'utf8'))

/** `1.2.840.10045.2.1`: the first two arcs share a byte, the others are base 128 (X.690 8.19). */
function derObjectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of arcs) {
    const digits = [arc & 0x7f]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
      digits.unshift((rest & 0x7f) | 0x80)
    }
    bytes.push(...digits)
  }
  return derValue(OBJECT_IDENTIFIER, Buffer.from(bytes))
}

/** RFC 5280 4.1.2.5: two-digit years until 2049, four digits from then on. */
function derTime(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  if (date.getUTCFullYear() < 2050) return derValue(UTC_TIME, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
  return derValue(GENERALIZED_TIME, Buffer.from(`${digits}Z`, 'latin1'))
}

/** `[n]` around a constructed value, or in place of a primitive one's tag. */
const derTagged = (n: number, constructed: boolean, contents: Uint8Array): Buffer =>
  derValue((constructed ? 0xa0 : 0x80) | n, contents)

/**
 * Certificates for tests and demos, made on the spot: an authority that lives as long as the process, and
 * leaves signed by it. ECDSA on P-256 (a key takes well under a millisecond). X.509 v3 as RFC 5280 profiles
 * it, written as DER; keys, hashes and signatures are OpenSSL's through node:crypto. No package is needed,
 * so that `middlemile/testing` works wherever Node does.
 */

/** A certificate authority of a test, which only those trust who are given its certificate. */
export interface CertificateAuthority {
  /** The authority's own certificate, PEM: what a client trusts. */
  readonly cert: string
  /** PEM (PKCS#8). */
  readonly key: string
  /** A leaf for these names, good for servers, and for clients too when `clientAuth` is set. */
  issue(options: IssueOptions): Promise<IssuedCertificate>
}

/** What a certificate says. */
export interface IssueOptions {
  /** DNS names (`*.example` is fine) and IP addresses. The first one is the common name as well. */
  names: readonly string[]
  /** Default: an hour ago. */
  notBefore?: Date
  /** Default: in 30 days. A date in the past makes an expired certificate. */
  notAfter?: Date
  /** Adds the client purpose. */
  clientAuth?: boolean
}

/** All PEM; the three fields fit node:tls as they are. */
export interface IssuedCertificate {
  readonly cert: string
  readonly key: string
  /** The certificate of the authority that signed it. */
  readonly ca: string
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

// Bits of KeyUsage, most significant first (RFC 5280 4.2.1.3).
const DIGITAL_SIGNATURE = 0x80
const CERT_SIGN_AND_CRL_SIGN = 0x06

const newKeyPair = promisify(generateKeyPair)

/**
 * Makes an authority. Every call makes another one, so that a test can have a trusted and a foreign one.
 *
 * @example
 * ```ts
 * const authority = await createCertificateAuthority()
 * const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
 * const origin = await startQuickOrigin({ tls })
 * const transport = createTransport({ defaults: { tls: { ca: authority.cert } } })
 * ```
 */
export async function createCertificateAuthority(
  commonName = 'middlemile test authority',
): Promise<CertificateAuthority> {
  const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' })
  const issuer = distinguishedName(commonName)
  const keyId = keyIdentifier(publicKey)
  const now = Date.now()
  const cert = signCertificate(privateKey, {
    issuer,
    subject: issuer,
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + 365 * DAY_MS),
    publicKey,
    extensions: [
      extension(OID.basicConstraints, true, derSequence(derBoolean(true))),
      extension(OID.keyUsage, true, derBits(Buffer.of(CERT_SIGN_AND_CRL_SIGN), 1)),
      extension(OID.subjectKeyIdentifier, false, derOctets(keyId)),
    ],
  })

  return {
    cert,
    key: pemOf(privateKey),
    async issue({ names, notBefore, notAfter, clientAuth = false }) {
      const [first] = names
      if (first === undefined) throw new RangeError('a certificate needs at least one name')
      const leaf = await newKeyPair('ec', { namedCurve: 'P-256' })
      const end = notAfter ?? new Date(Date.now() + 30 * DAY_MS)
      const purposes = [derObjectIdentifier(OID.serverAuth)]
      if (clientAuth) purposes.push(derObjectIdentifier(OID.clientAuth))
      const leafCert = signCertificate(privateKey, {
        issuer,
        subject: distinguishedName(first),
        // An expired certificate was valid once: its start lies before its end.
        notBefore: notBefore ?? new Date(Math.min(Date.now() - HOUR_MS, end.getTime() - DAY_MS)),
        notAfter: end,
        publicKey: leaf.publicKey,
        extensions: [
          extension(OID.basicConstraints, true, derSequence()),
          extension(OID.keyUsage, true, derBits(Buffer.of(DIGITAL_SIGNATURE), 7)),
          extension(OID.extendedKeyUsage, false, derSequence(...purposes)),
          extension(OID.subjectAltName, false, derSequence(...names.map(alternativeName))),
          extension(OID.subjectKeyIdentifier, false, derOctets(keyIdentifier(leaf.publicKey))),
          extension(OID.authorityKeyIdentifier, false, derSequence(derTagged(0, false, keyId))),
        ],
      })
      return { cert: leafCert, key: pemOf(leaf.privateKey), ca: cert }
    },
  }
}

interface CertificateFields {
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly Buffer[]
}

/** The certificate as PEM (RFC 5280 4.1). */
function signCertificate(signingKey: KeyObject, fields: CertificateFields): string {
  const algorithm = derSequence(derObjectIdentifier(OID.ecdsaWithSha256))
  const toBeSigned = derSequence(
    derTagged(0, true, derInteger(Buffer.of(2))), // version 3
    derInteger(Buffer.concat([Buffer.of(1), randomBytes(15)])), // positive, unique, short (4.1.2.2)
    algorithm,
    fields.issuer,
    derSequence(derTime(fields.notBefore), derTime(fields.notAfter)),
    fields.subject,
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    derTagged(3, true, derSequence(...fields.extensions)),
  )
  const signature = sign('sha256', toBeSigned, { key: signingKey, dsaEncoding: 'der' })
  const base64 = derSequence(toBeSigned, algorithm, derBits(signature)).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function distinguishedName(commonName: string): Buffer {
  return derSequence(derSet(derSequence(derObjectIdentifier(OID.commonName), derText(commonName))))
}

function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const id = derObjectIdentifier(oid)
  return critical ? derSequence(id, derBoolean(true), derOctets(value)) : derSequence(id, derOctets(value))
}

/** GeneralName: [2] is a DNS name, [7] the bytes of an address (RFC 5280 4.2.1.6). */
function alternativeName(name: string): Buffer {
  const family = isIP(name)
  if (family === 0) return derTagged(2, false, Buffer.from(name, 'latin1'))
  return derTagged(7, false, family === 4 ? Buffer.from(name.split('.').map(Number)) : ipv6Bytes(name))
}

function ipv6Bytes(address: string): Buffer {
  // The URL parser writes an embedded IPv4 part as hexadecimal groups and leaves one `::` at the most.
  const normal = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [head = '', tail = ''] = normal.split('::')
  const groupsOf = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const before = groupsOf(head)
  const after = groupsOf(tail)
  const bytes = Buffer.alloc(16)
  before.forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2))
  after.forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - (after.length - i) * 2))
  return bytes
}

/** SHA-1 of the public key, as RFC 5280 4.2.1.2 suggests: a name, not a safeguard. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function pemOf(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
