import { createPrivateKey } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { QuicServerTls } from '../../../src/quic/engine.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { type PairOptions, QuicPair, readAll } from '../../support/quic-pair.ts'

/** The quiche engine in both roles, in memory: datagrams are carried by hand, so that loss is exact. */

let authority: CertificateAuthority
let foreign: CertificateAuthority
let serverTls: QuicServerTls
let good: PairOptions

beforeAll(async () => {
  authority = await createCertificateAuthority()
  foreign = await createCertificateAuthority('somebody else')
  const identity = await authority.issue({ names: ['localhost', '*.wild.test', '127.0.0.1', '::1'] })
  // One key for all servers: that a ticket is not taken shall never be for lack of it.
  serverTls = { ...identity, ticketKey: Buffer.alloc(48, 1) }
  good = { tls: { ca: authority.cert }, serverTls }
})

const text = (value: string): Buffer => Buffer.from(value, 'latin1')

/** A pair whose handshake is complete. */
function connected(options: Partial<PairOptions> = {}): QuicPair {
  const pair = new QuicPair(theEngine(), { ...good, ...options })
  pair.run()
  expect(pair.client.isEstablished && pair.server.isEstablished).toBe(true)
  return pair
}

const endOf = (pair: QuicPair): unknown => pair.client.end

describe.skipIf(noQuic !== undefined)('handshake', () => {
  it('is complete on both sides, with the protocol, the certificates and a ticket', () => {
    const pair = connected()
    const established = pair.clientEvents.find(({ type }) => type === 'established')
    expect(established).toMatchObject({ handshake: { protocol: 'h3', isResumed: false } })
    expect(pair.client.handshake?.certificates.length).toBeGreaterThan(0)
    expect(pair.clientEvents.filter(({ type }) => type === 'ticket').length).toBeGreaterThan(0)
    expect(pair.serverEvents[0]).toMatchObject({ type: 'established', handshake: { protocol: 'h3' } })
  })

  it.each([
    ['a name that is not in the certificate', () => ({ serverName: 'other.test' }), 298],
    ['two labels for a wildcard', () => ({ serverName: 'a.b.wild.test' }), 298],
    ['another address', () => ({ serverName: '127.0.0.2' }), 298],
    ['an authority that is not trusted', () => ({ tls: { ca: foreign.cert } }), 304],
    ['the default authorities', () => ({ tls: {} }), 304],
  ])('refuses %s', (_, options, code) => {
    const pair = new QuicPair(theEngine(), { ...good, ...options() })
    pair.run()
    expect(pair.client.isEstablished).toBe(false)
    expect(endOf(pair)).toMatchObject({ cause: 'local', isApplication: false, code })
    expect(pair.clientEvents.at(-1)).toMatchObject({ type: 'ended' })
  })

  it.each(['localhost', 'x.wild.test', '127.0.0.1', '::1'])('takes the name %s', serverName => {
    connected({ serverName })
  })

  it('refuses certificates that have expired or are not valid yet', async () => {
    const names = ['localhost']
    const expired = await authority.issue({ names, notAfter: new Date(Date.now() - 3_600_000) })
    const early = await authority.issue({ names, notBefore: new Date(Date.now() + 3_600_000) })
    for (const identity of [expired, early]) {
      const pair = new QuicPair(theEngine(), { ...good, serverTls: identity })
      pair.run()
      expect(endOf(pair)).toMatchObject({ cause: 'local', code: 301 })
    }
  })

  it('takes any certificate when it shall not verify', () => {
    connected({ tls: { rejectUnauthorized: false }, serverName: 'whoever.test' })
  })

  it('ends when no protocol is shared', () => {
    const pair = new QuicPair(theEngine(), { ...good, serverProtocols: ['hq'] })
    pair.run()
    expect(endOf(pair)).toMatchObject({ cause: 'peer', isApplication: false, code: 376 })
  })

  it('shows a client certificate, with an encrypted key too, and ends without one', async () => {
    const client = await authority.issue({ names: ['client'], clientAuth: true })
    const demanding = { ...serverTls, clientCa: authority.cert }
    const tls = { ca: authority.cert, cert: client.cert, key: client.key }
    const passphrase = 'open sesame'
    const key = createPrivateKey(client.key)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
      .toString()
    for (const identity of [tls, { ...tls, key, passphrase }]) {
      const pair = connected({ serverTls: demanding, tls: identity })
      expect(pair.server.handshake?.certificates.length).toBeGreaterThan(0)
    }
    const wrong = { ...tls, key, passphrase: 'wrong' }
    expect(() => new QuicPair(theEngine(), { ...good, tls: wrong })).toThrow('key cannot be read')

    const none = new QuicPair(theEngine(), { ...good, serverTls: demanding })
    none.run()
    expect(endOf(none)).toMatchObject({ cause: 'peer', code: 372 })

    const stranger = await foreign.issue({ names: ['client'], clientAuth: true })
    const refused = new QuicPair(theEngine(), {
      ...good,
      serverTls: demanding,
      tls: { ...tls, cert: stranger.cert, key: stranger.key },
    })
    refused.run()
    expect(endOf(refused)).toMatchObject({ cause: 'peer', code: 304 })
  })

  it.each([
    ['TLS 1.2 only', { maxVersion: 'TLSv1.2' as const }, 'TLS 1.3'],
    ['ciphers', { ciphers: 'ECDHE' }, 'ciphers'],
    ['a CA that is no PEM', { ca: 'nonsense' }, 'ca has no PEM certificate'],
    ['a certificate without its key', { cert: 'x' }, 'go together'],
    ['a key that is none', { cert: '', key: 'x' }, 'cert has no PEM certificate'],
  ])('refuses %s before anything is sent', (_, tls, message) => {
    expect(() => new QuicPair(theEngine(), { ...good, tls })).toThrow(message)
  })

  it('refuses a key of another certificate', async () => {
    const other = await authority.issue({ names: ['client'] })
    const tls = { cert: serverTls.cert, key: other.key }
    expect(() => new QuicPair(theEngine(), { ...good, tls })).toThrow('not that of the first certificate')
  })

  it('hands over the secrets, and leaves no file', () => {
    const lines: string[] = []
    const pair = connected({ keylog: line => lines.push(line.toString('latin1')) })
    pair.client.close(true, 0x100, '')
    pair.run()
    pair.client.fail('done')
    const labels = lines.map(line => line.split(' ')[0])
    expect(labels).toContain('CLIENT_HANDSHAKE_TRAFFIC_SECRET')
    expect(labels).toContain('SERVER_TRAFFIC_SECRET_0')
    expect(lines.every(line => /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]+\n$/.test(line))).toBe(true)
  })
})

describe.skipIf(noQuic !== undefined)('tickets and early data', () => {
  const ticketOf = (pair: QuicPair): Buffer => {
    const events = pair.clientEvents.filter(event => event.type === 'ticket')
    return events.at(-1)!.ticket
  }
  const early = (): Partial<PairOptions> => ({ serverTls: { ...serverTls, earlyData: true } })

  it('are resumed, and reported as resumed', () => {
    const pair = connected({ ticket: ticketOf(connected()) })
    expect(pair.client.handshake?.isResumed).toBe(true)
    expect(pair.client.handshake?.certificates.length).toBeGreaterThan(0)
  })

  it('sends early data, which is accepted', () => {
    const options = {
      ...early(),
      serverTls: { ...serverTls, earlyData: true, ticketKey: Buffer.alloc(48, 1) },
    }
    const ticket = ticketOf(connected(options))
    const pair = new QuicPair(theEngine(), { ...good, ...options, ticket, earlyData: true })
    expect(pair.client.openStream('bidirectional')).toBeUndefined()
    pair.toServer()
    expect(pair.client.isInEarlyData).toBe(true)
    const stream = pair.client.openStream('bidirectional')!
    expect(pair.client.write(stream, text('early'), true)).toBe(5)
    pair.toServer()
    expect(pair.server.isInEarlyData).toBe(true)
    expect(readAll(pair.server, stream)).toEqual({ bytes: text('early'), isEnd: true })
    pair.run()
    const types = pair.clientEvents.map(event => event.type)
    expect(pair.clientEvents).toContainEqual({ type: 'early-data', outcome: 'accepted' })
    expect(types.indexOf('early-data')).toBeLessThan(types.indexOf('established'))
    expect(pair.client.isInEarlyData).toBe(false)
  })

  it.each([
    ['another ticket key', () => ({ ...serverTls, earlyData: true, ticketKey: Buffer.alloc(48, 2) })],
    ['early data switched off', () => serverTls],
  ])('sends rejected early data again: %s', async (_, otherTls) => {
    const ticket = ticketOf(connected(early()))
    const pair = new QuicPair(theEngine(), { ...good, serverTls: otherTls(), ticket, earlyData: true })
    pair.toServer()
    const stream = pair.client.openStream('bidirectional')!
    pair.client.write(stream, text('early'), true)
    pair.run()
    expect(pair.clientEvents).toContainEqual({ type: 'early-data', outcome: 'rejected' })
    await pair.runUntil(() => pair.serverEvents.some(event => event.type === 'readable'), 2_000)
    expect(readAll(pair.server, stream)).toEqual({ bytes: text('early'), isEnd: true })
  })

  it('offers no early data unless it was asked for, and none without a ticket', () => {
    const ticket = ticketOf(connected(early()))
    for (const options of [{ ticket }, { earlyData: true }]) {
      const pair = new QuicPair(theEngine(), { ...good, ...early(), ...options })
      pair.toServer()
      expect(pair.client.isInEarlyData).toBe(false)
      expect(pair.client.openStream('bidirectional')).toBeUndefined()
    }
  })

  it.each([
    ['another name', () => ({ serverName: 'x.wild.test' })],
    ['another authority list', () => ({ tls: { ca: [authority.cert, foreign.cert] } })],
    ['verification, when it had none', () => ({})],
  ])('does not use a ticket for %s', (what, options) => {
    const unverified = { tls: { ca: authority.cert, rejectUnauthorized: false } }
    const first = connected(what.startsWith('verification') ? unverified : {})
    const pair = connected({ ...options(), ticket: ticketOf(first) })
    expect(pair.client.handshake?.isResumed).toBe(false)
  })

  it('looks at the certificate of a resumed connection', async () => {
    const { QuicheEngine } = await import('../../../src/quic/quiche/quiche-engine.ts')
    const { loadBinding } = await import('../../../src/quic/quiche/binding.ts')
    const found = loadBinding()
    if (!('binding' in found)) throw new Error(found.unavailable)
    let now = Date.now()
    const engine = new QuicheEngine(found.binding, found.version, () => now)
    const first = new QuicPair(engine, good)
    first.run()
    now += 400 * 86_400_000 // BoringSSL reads the clock of the system, and would not look anyway
    const second = new QuicPair(engine, { ...good, ticket: ticketOf(first) })
    second.run()
    expect(second.client.isEstablished).toBe(false)
    expect(endOf(second)).toMatchObject({ cause: 'local', code: 298, reason: 'the certificate has expired' })
  })

  it('makes a full handshake with a ticket that is garbage', () => {
    const ticket = ticketOf(connected())
    const broken = [
      Buffer.alloc(0),
      Buffer.from('mmQ'),
      ticket.subarray(0, ticket.length - 1),
      Buffer.concat([ticket, Buffer.alloc(1)]),
      Buffer.alloc(1_000_000),
    ]
    for (let i = 0; i < ticket.length; i += 17) {
      const flipped = Buffer.from(ticket)
      flipped[i]! ^= 1
      broken.push(flipped)
    }
    for (const bad of broken) {
      expect(connected({ ticket: bad }).client.handshake?.isResumed).toBe(false)
    }
  })
})

describe.skipIf(noQuic !== undefined)('the end of a connection', () => {
  it('is reported with its code', () => {
    const pair = connected()
    pair.client.close(true, 0x101, 'because')
    expect(pair.client.end).toMatchObject({ cause: 'local', isApplication: true, code: 0x101 })
    pair.run()
    expect(pair.serverEvents.at(-1)).toEqual({
      type: 'ended',
      end: { cause: 'peer', isApplication: true, code: 0x101, reason: 'because' },
    })
    expect(pair.server.write(1, text('x'), false)).toBe(0)
    expect(pair.server.openStream('bidirectional')).toBeUndefined()
  })

  it('comes after what was there to read', () => {
    const other = connected()
    const words = other.client.openStream('bidirectional')!
    other.client.write(words, text('last bytes'), true)
    const datagrams: Buffer[] = []
    for (let out = other.client.nextDatagram(0); out !== undefined; out = other.client.nextDatagram(0)) {
      datagrams.push(Buffer.from(out.bytes))
    }
    other.client.close(true, 0x100, '')
    const closing = other.client.nextDatagram(0)!
    datagrams.push(Buffer.from(closing.bytes))
    for (const bytes of datagrams) other.server.receive(bytes, closing.from, closing.to, 0)
    const types: string[] = []
    for (let event = other.server.nextEvent(); event !== undefined; event = other.server.nextEvent()) {
      types.push(event.type)
      if (event.type === 'readable') expect(readAll(other.server, words).bytes).toEqual(text('last bytes'))
    }
    expect(types).toEqual(['readable', 'ended'])
  })

  it('is idle when nothing comes', async () => {
    const pair = connected({ quic: { idleTimeoutMs: 60 } })
    pair.lose = () => true
    await pair.runUntil(() => pair.client.isClosed)
    expect(pair.client.end).toMatchObject({ cause: 'idle' })
  })

  it('is at once when the socket failed', () => {
    const pair = connected()
    pair.client.fail('gone')
    expect(pair.client.isClosed).toBe(true)
    expect(pair.client.nextEvent()).toEqual({
      type: 'ended',
      end: { cause: 'unusable', isApplication: false, code: 0, reason: 'gone' },
    })
    expect(pair.client.nextTimeoutAt(0)).toBe(Number.POSITIVE_INFINITY)
  })
})
