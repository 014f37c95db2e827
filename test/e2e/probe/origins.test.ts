import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { FastOpen } from '../../../src/connect/fast-open/fast-open.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { startNginx } from '../../support/nginx.ts'
import { startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { startOpensslServer } from '../../support/openssl-server.ts'
import { probeReal } from '../../support/probe-real.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { freeDualPort, openUdpSocket } from '../../support/udp-port.ts'

/** Whole probes of real origins. */

let authority: CertificateAuthority
let ca: string
beforeAll(async () => {
  authority = await createCertificateAuthority()
  ca = authority.cert
})

const found = (value: unknown) => ({ found: value })
const isFastOpenAvailable = (): boolean => new FastOpen({ clock: systemClock }).unavailable === undefined
const timed = (changes: object = {}) => found(expect.objectContaining({ ms: expect.any(Number), ...changes }))

describe('a probe of an origin', () => {
  it('finds all that caddy has', async ctx => {
    const missing = requireBinary('caddy') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ authority, http2: true, http3: true })
    const endpoint = `127.0.0.1:${caddy.tlsPort}`
    const report = await probeReal(caddy.url, { ca })
    expect(report).toMatchObject({
      origin: caddy.url,
      isReachable: true,
      addresses: found([{ address: '127.0.0.1', family: 4 }]),
      tcp: [{ endpoint, connect: timed() }],
      tls: [
        { version: 'TLSv1.3', handshake: timed({ protocol: 'h2' }) },
        { version: 'TLSv1.2', handshake: timed({ protocol: 'h2' }) },
      ],
      certificate: found({ issuer: expect.stringContaining('CN=') }),
      alpn: [
        { protocol: 'h2', accepted: found(true) },
        { protocol: 'http/1.1', accepted: found(true) },
      ],
      tickets: found({ version: 'TLSv1.3', issued: 1, maxEarlyDataBytes: 0 }),
      fastOpen: isFastOpenAvailable() ? found({ taken: false }) : { skipped: expect.any(String) },
      altSvc: found([{ protocol: 'h3', host: '', port: caddy.tlsPort, maxAgeSeconds: 2_592_000 }]),
      quic: [
        {
          endpoint,
          host: 'localhost',
          source: 'origin',
          answer: timed({ versions: expect.arrayContaining(['0x00000001']) }),
        },
      ],
      http3: [{ endpoint, handshake: timed({ protocol: 'h3' }) }],
    })
    for (const kind of ['tcp', 'tls', 'quic', 'h3'] as const)
      expect(report.roundTripMs[kind]).toBeGreaterThan(0)
    expect(report.durationMs).toBeLessThan(9_000)
  })

  it('finds that nginx has no HTTP/3', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority, tlsProtocols: ['TLSv1.2', 'TLSv1.3'] })
    const report = await probeReal(nginx.url, { ca })
    expect(report).toMatchObject({
      isReachable: true,
      tls: [{ handshake: timed({ protocol: 'http/1.1' }) }, { handshake: timed({ protocol: 'http/1.1' }) }],
      alpn: [
        { protocol: 'h2', accepted: found(false) },
        { protocol: 'http/1.1', accepted: found(true) },
      ],
      tickets: found({ version: 'TLSv1.3', issued: 2, maxEarlyDataBytes: 0 }),
      altSvc: found([]),
      quic: [{ answer: { why: 'refused', code: 'MM_CONNECT_REFUSED' } }],
      http3: [{ handshake: { skipped: 'the UDP port cannot be reached' } }],
    })
    expect(Object.keys(report.roundTripMs).sort()).toEqual(['tcp', 'tls'])
  })

  it('finds an origin that speaks nothing but HTTP/3', async ctx => {
    const missing = requireBinary('gtlsserver') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using server = await startNgtcp2Server({ authority })
    const report = await probeReal(server.url, { ca })
    expect(report).toMatchObject({
      isReachable: true,
      tcp: [{ connect: { code: 'MM_CONNECT_REFUSED' } }],
      certificate: { skipped: 'none of its addresses took a TCP connection' },
      quic: [{ answer: timed({ versions: expect.arrayContaining(['0x00000001']) }) }],
      http3: [{ handshake: timed({ protocol: 'h3' }) }],
    })
    expect(Object.keys(report.roundTripMs).sort()).toEqual(['h3', 'quic'])
  })

  it('distinguishes a black hole from a refusal, also where HTTP/3 is advertised', async ctx => {
    const missing = requireBinary('nginx') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    // Its Alt-Svc names its own port, which refuses, and another one that swallows everything.
    const hole = await openUdpSocket()
    const { port } = hole.address()
    await using nginx = await startNginx({
      authority,
      extraServer: `add_header alt-svc 'h3=":$server_port", h3=":${port}"' always;`,
    })
    const report = await probeReal(nginx.url, { ca })
    hole.close()
    expect(report.quic).toMatchObject([
      { endpoint: `127.0.0.1:${nginx.tlsPort}`, source: 'origin', answer: { why: 'refused' } },
      { endpoint: `127.0.0.1:${port}`, source: 'alt-svc', answer: { why: 'silent' } },
    ])
    expect(report.http3).toMatchObject([
      { handshake: { skipped: 'the UDP port cannot be reached' } },
      {
        handshake: {
          code: 'MM_CONNECT_TIMEOUT',
          fault: expect.stringContaining('did not complete the handshake within'),
        },
      },
    ])
    expect(report).toMatchObject({ isReachable: true, tls: [{ handshake: timed() }, { handshake: timed() }] })
  })

  it('leaves a silent UDP port alone where nothing speaks for it, within its time', async () => {
    const port = await freeDualPort()
    const hole = await openUdpSocket(port)
    await using server = await startLoopbackServer({
      port,
      tls: await authority.issue({ names: ['localhost'] }),
    })
    const report = await probeReal(`https://localhost:${server.port}`, { ca, timeoutMs: 2500 })
    hole.close()
    expect(report.quic).toMatchObject([{ answer: { why: 'silent' } }])
    expect(report.http3).toMatchObject([
      { handshake: { skipped: 'nothing answered there, and nothing says that it should' } },
    ])
    // The server never answers the HEAD: what that would have brought is missing, and nothing else.
    expect(report.durationMs).toBeLessThan(4_500)
    expect(report).toMatchObject({ altSvc: { fault: expect.any(String) }, tickets: found({ issued: 2 }) })
  })

  it('follows an HTTPS record to another port, with the trust of the origin', async ctx => {
    const missing = requireBinary('caddy', 'nginx') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority })
    await using caddy = await startCaddy({ authority, http3: true })
    const foreign = await createCertificateAuthority('foreign')
    await using stranger = await startCaddy({ authority: foreign, http3: true })
    const record = (port: number) => ({
      priority: 1,
      target: '.',
      ttlSeconds: 60,
      alpn: ['h3'],
      port,
      addressHints: [],
    })
    const report = await probeReal(nginx.url, {
      ca,
      serviceRecords: async () => found([record(caddy.tlsPort), record(stranger.tlsPort)]) as never,
    })
    expect(report.http3).toMatchObject([
      { endpoint: `127.0.0.1:${nginx.tlsPort}`, handshake: { skipped: expect.any(String) } },
      {
        endpoint: `127.0.0.1:${caddy.tlsPort}`,
        source: 'https-record',
        handshake: timed({ protocol: 'h3' }),
      },
      {
        endpoint: `127.0.0.1:${stranger.tlsPort}`,
        source: 'https-record',
        handshake: { code: 'MM_TLS_CERTIFICATE' },
      },
    ])
    expect(report.quic[2]).toMatchObject({ answer: timed() })
  })

  it('reads early data out of tickets', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await startOpensslServer({
      authority,
      switches: ['-max_early_data', '4096', '-alpn', 'http/1.1'],
    })
    const report = await probeReal(`https://localhost:${server.port}`, { ca, timeoutMs: 2500 })
    expect(report).toMatchObject({
      tickets: found({ version: 'TLSv1.3', issued: 2, lifetimeSeconds: 7200, maxEarlyDataBytes: 4096 }),
      alpn: [
        { protocol: 'h2', accepted: found(false) },
        { protocol: 'http/1.1', accepted: found(true) },
      ],
    })
  })

  it('says what is wrong with a certificate, over TCP and over QUIC', async ctx => {
    const missing = requireBinary('caddy') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ authority, names: ['other.test'], http2: true, http3: true })
    const report = await probeReal(caddy.url, { ca })
    const wrong = {
      code: 'MM_TLS_CERTIFICATE',
      fault: expect.stringContaining('the certificate for localhost is for other names'),
    }
    expect(report).toMatchObject({
      isReachable: true,
      certificate: wrong,
      tls: [{ handshake: wrong }, { handshake: wrong }],
      alpn: [{ accepted: wrong }, { accepted: wrong }],
      tickets: { skipped: 'no TLS handshake was completed' },
      altSvc: { fault: expect.any(String) },
      quic: [{ answer: timed() }],
      http3: [{ handshake: wrong }],
    })
    expect(Object.keys(report.roundTripMs).sort()).toEqual(['quic', 'tcp'])
  })

  it('says that a name has no address', async () => {
    const report = await probeReal('https://nowhere.test', { ca })
    expect(report).toMatchObject({
      isReachable: false,
      addresses: { code: 'MM_DNS_FAILED', fault: 'nowhere.test has no address (ENOTFOUND)' },
      tcp: [],
      quic: [],
      http3: [],
      roundTripMs: {},
    })
    expect(report.durationMs).toBeLessThan(4_000)
  })

  it('tries each address, and goes on with the one that works', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority })
    const report = await probeReal(nginx.url, { ca, hosts: { localhost: ['::1', '127.0.0.1', '127.0.0.9'] } })
    const outcomes = report.tcp.map(({ endpoint, connect }) => [endpoint, 'found' in connect])
    expect(outcomes).toEqual([
      [`127.0.0.1:${nginx.tlsPort}`, true],
      [`[::1]:${nginx.tlsPort}`, false],
      [`127.0.0.9:${nginx.tlsPort}`, false],
    ])
    expect(report.tls).toMatchObject([{ handshake: timed() }, { handshake: timed() }])
    expect(report.quic.map(({ answer }) => 'why' in answer && answer.why)).toEqual([
      'refused',
      'refused',
      'refused',
    ])
  })

  it('looks at a cleartext origin as far as that goes', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority })
    const report = await probeReal(nginx.plainUrl, { ca })
    const skipped = { skipped: 'the origin is http: there is no TLS, and no QUIC' }
    expect(report).toMatchObject({
      isReachable: true,
      tcp: [{ connect: timed() }],
      tickets: skipped,
      altSvc: skipped,
    })
    expect(report.quic).toMatchObject([{ answer: skipped }])
  })
})
