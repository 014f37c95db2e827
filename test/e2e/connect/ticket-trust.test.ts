import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../src/base/options/options.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import {
  startTicketOrigin,
  type Visit,
  visitsOfOneDialer,
  visitsOfTransports,
} from '../../support/ticket-memory.ts'

let authority: CertificateAuthority
let foreign: CertificateAuthority
let good: IssuedCertificate
let clients: readonly [IssuedCertificate, IssuedCertificate]
let tls: TlsOptions

beforeAll(async () => {
  authority = await createCertificateAuthority()
  foreign = await createCertificateAuthority('foreign')
  good = await authority.issue({ names: ['origin.test'] })
  const [first, second] = ['first.test', 'second.test'].map(name =>
    authority.issue({ names: [name], clientAuth: true }),
  )
  clients = [await first!, await second!]
  tls = { ca: authority.cert }
})

let temporary: TemporaryDirectory
beforeEach(() => {
  temporary = makeTemporaryDirectory('ticket-trust')
})
afterEach(() => temporary.remove())

/** Runs as if Node had come with another OpenSSL. */
async function withLibrary<T>(version: string, work: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(process.versions, 'openssl')!
  Object.defineProperty(process.versions, 'openssl', { ...before, value: version })
  try {
    return await work()
  } finally {
    Object.defineProperty(process.versions, 'openssl', before)
  }
}

/**
 * Resumption skips every check of the certificate. Each of these connects with trust first, so that a ticket
 * is there, and then in a way in which it must not be used. (That node:tls itself would resume in each of
 * these cases, and call the connection authorized, was measured with Node 20 and 24.)
 */
describe.each<[string, () => Visit]>([
  ['in memory', visitsOfOneDialer],
  ['in a state directory', () => visitsOfTransports({ directory: join(temporary.path, 'state') })],
])('a ticket %s is never used', (_where, visits) => {
  it.each<[string, string, () => TlsOptions]>([
    ['for another origin at the same address', 'evil.test', () => tls],
    ['for another name', 'origin.test', () => ({ ...tls, serverName: 'evil.test' })],
    ['with another CA', 'origin.test', () => ({ ca: foreign.cert })],
    ["with Node's own list of authorities", 'origin.test', () => ({})],
  ])('%s, and the certificate is refused', async (_what, host, other) => {
    await using server = await startTicketOrigin(good)
    const visit = visits()
    expect(await visit('origin.test', server.port, tls)).toBe('full')
    expect(await visit(host, server.port, other())).toBe('MM_TLS_CERTIFICATE')
    expect(await visit('origin.test', server.port, tls)).toBe('resumed')
    expect(server.seen.filter(kind => kind === 'resumed')).toEqual(['resumed'])
  })

  it.each<[string, () => TlsOptions]>([
    ['with other groups for the key exchange', () => ({ ...tls, groups: 'P-256' })],
    ['with other ciphers', () => ({ ...tls, ciphers: 'TLS_AES_128_GCM_SHA256' })],
    ['with another lowest version', () => ({ ...tls, minVersion: 'TLSv1.3' })],
    ['with a CA more', () => ({ ca: [authority.cert, foreign.cert] })],
    ['without verification', () => ({ ...tls, rejectUnauthorized: false })],
  ])('%s, and the handshake is a full one', async (_what, other) => {
    await using server = await startTicketOrigin(good)
    const visit = visits()
    const kinds = []
    for (const options of [tls, other(), tls, other()]) {
      kinds.push(await visit('origin.test', server.port, { ...options }))
    }
    expect(kinds).toEqual(['full', 'full', 'resumed', 'resumed'])
    expect(server.seen).toEqual(kinds)
  })

  it.each<[string, () => Promise<IssuedCertificate>]>([
    ['of an authority that is not trusted', () => foreign.issue({ names: ['origin.test'] })],
    ['for another name', () => authority.issue({ names: ['other.test'] })],
  ])(
    'where it comes from a connection that was not verified, to a server with a certificate %s',
    async (_what, issue) => {
      await using server = await startTicketOrigin(await issue())
      const visit = visits()
      const careless = { ...tls, rejectUnauthorized: false }
      expect(await visit('origin.test', server.port, careless)).toBe('full')
      expect(await visit('origin.test', server.port, tls)).toBe('MM_TLS_CERTIFICATE')
      expect(await visit('origin.test', server.port, careless)).toBe('resumed')
      expect(server.seen.filter(kind => kind === 'resumed')).toEqual(['resumed'])
    },
  )

  it('with another client certificate, or none, since the session carries the old one', async () => {
    await using server = await startTicketOrigin({
      ...good,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: false,
    })
    const visit = visits()
    const [first, second] = clients.map(({ cert, key }) => ({ ...tls, cert, key }))
    for (const options of [first!, second!, tls, second!, first!])
      await visit('origin.test', server.port, options)
    expect(server.seen).toEqual([
      'full first.test',
      'full second.test',
      'full',
      'resumed second.test',
      'resumed first.test',
    ])
  })

  it('by another version of the TLS library', async () => {
    await using server = await startTicketOrigin(good)
    const visit = visits()
    const kinds = []
    const own = process.versions['openssl']
    for (const version of [own, '3.99.0', own]) {
      kinds.push(await withLibrary(version, () => visit('origin.test', server.port, { ...tls })))
    }
    expect(kinds).toEqual(['full', 'full', 'resumed'])
    expect(server.seen).toEqual(kinds)
  })
})

describe('tickets in a state directory', () => {
  let directory: string
  let faults: string[]
  beforeEach(() => {
    directory = join(temporary.path, 'state')
    faults = []
  })
  const visits = (keyFile?: string): Visit =>
    visitsOfTransports({ directory, keyFile }, message => void faults.push(message))
  const records = (): string[] =>
    readdirSync(join(directory, 'tickets')).map(name => join(directory, 'tickets', name))
  const NOT_OURS = expect.stringContaining('not ours, or was changed')

  it.each<[string, (record: string) => void]>([
    ['truncated', record => truncateSync(record, readFileSync(record).length - 1)],
    ['empty', record => truncateSync(record, 0)],
    ['changed in one bit', record => flip(record, 40)],
    ['changed in its head', record => flip(record, 0)],
    ['changed in its tag', record => flip(record, readFileSync(record).length - 1)],
    ['of somebody else', record => writeFileSync(record, randomBytes(900))],
    ['sealed by another key', () => writeFileSync(join(directory, 'key'), randomBytes(32))],
  ])(
    'that are %s are gone, with a warning, and are made anew with the next connection',
    async (_how, spoil) => {
      await using server = await startTicketOrigin(good)
      const visit = visits()
      await visit('origin.test', server.port, tls)
      const [record] = records()
      spoil(record!)
      expect(faults).toEqual([])
      const kinds = [
        await visit('origin.test', server.port, tls),
        await visit('origin.test', server.port, tls),
      ]
      expect([kinds, faults]).toEqual([['full', 'resumed'], [NOT_OURS]])
      expect(server.seen).toEqual(['full', ...kinds])
    },
  )

  it('are not used where they were moved to: the record of one peer under the name of another', async () => {
    await using evil = await startTicketOrigin(await foreign.issue({ names: ['evil.test'] }))
    const visit = visits()
    // Trusted by nobody but this first visit, which does not look.
    await visit('evil.test', evil.port, { rejectUnauthorized: false })
    const [ofEvil] = records()
    const stolen = readFileSync(ofEvil!)
    rmSync(ofEvil!)
    await using server = await startTicketOrigin(good)
    await visit('origin.test', server.port, tls)
    const [ofOrigin] = records()
    writeFileSync(ofOrigin!, stolen)
    expect(await visit('origin.test', server.port, tls)).toBe('full')
    expect(faults).toEqual([NOT_OURS])
  })

  it('open by the key of the operator, and by no other', async () => {
    const [keyFile, other] = [join(temporary.path, 'key'), join(temporary.path, 'other')]
    for (const file of [keyFile, other]) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 })
    await using server = await startTicketOrigin(good)
    const kinds = []
    for (const file of [keyFile, keyFile, other, other]) {
      kinds.push(await visits(file)('origin.test', server.port, tls))
    }
    expect([kinds, faults]).toEqual([['full', 'resumed', 'full', 'resumed'], [NOT_OURS]])
    expect(readdirSync(directory)).not.toContain('key')
  })

  it.each<[string, (keyFile: string) => void]>([
    ['is missing', () => {}],
    ['is too short', keyFile => writeFileSync(keyFile, 'abc', { mode: 0o600 })],
    ['others may read', keyFile => (writeFileSync(keyFile, randomBytes(32)), chmodSync(keyFile, 0o644))],
  ])(
    'are not kept with a key file that %s, with a warning, and every request is answered',
    async (_why, make) => {
      const keyFile = join(temporary.path, 'key')
      make(keyFile)
      await using server = await startTicketOrigin(good)
      const kinds = []
      for (let i = 0; i < 2; i++) kinds.push(await visits(keyFile)('origin.test', server.port, tls))
      expect([kinds, records()]).toEqual([['full', 'full'], []])
      expect(faults).toEqual(
        Array(2).fill(expect.stringContaining(`state.keyFile cannot be used: ${keyFile}`)),
      )
    },
  )
})

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(file, bytes)
}
