import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { Endpoint } from '../../../src/base/http/endpoint.ts'
import type { TlsOptions } from '../../../src/base/options/options.ts'
import { TLS_HINTS } from '../../../src/base/tls-hints.ts'
import { connectTcp } from '../../../src/origin/probing/probe-with-timeout.ts'
import { TlsProbe } from '../../../src/origin/probing/tls-probe.ts'
import type { TlsHandshakeOptions } from '../../../src/select/probe/probe-tools.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { startNginx } from '../../support/nginx.ts'
import { type OpensslServerOptions, startOpensslServer } from '../../support/openssl-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until } from '../../support/until.ts'

/** TCP connects and TLS handshakes of a probe, with real servers. */

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

const noAbort = new AbortController().signal
const endpointAt = (port: number, address = '127.0.0.1'): Endpoint => ({
  address,
  family: address.includes(':') ? 6 : 4,
  port,
  transport: 'tcp',
})

interface Look extends Partial<TlsHandshakeOptions> {
  tls?: TlsOptions
  serverName?: string
  timeoutMs?: number
  signal?: AbortSignal
}

function handshake(port: number, look: Look = {}) {
  const { tls, serverName = 'localhost', timeoutMs = 5000, signal = noAbort, ...wanted } = look
  const probe = new TlsProbe({
    clock: systemClock,
    tls: tls ?? { ca: authority.cert },
    serverName,
    timeoutMs,
  })
  return probe.handshake(endpointAt(port), { alpn: ['h2', 'http/1.1'], ticketsForMs: 0, ...wanted }, signal)
}

async function openssl(...switches: string[]) {
  const options: OpensslServerOptions = { authority, switches }
  return await startOpensslServer(options)
}

describe('the TCP connect of a probe', () => {
  const connect = (port: number, timeoutMs = 2000, address?: string) =>
    connectTcp(endpointAt(port, address), { clock: systemClock, timeoutMs }, noAbort)

  it('is timed twice, and leaves no connection', async () => {
    await using server = await startLoopbackServer()
    const finding = await connect(server.port)
    expect(finding).toEqual({ found: { ms: expect.any(Number) } })
    if ('found' in finding) expect(finding.found.ms).toBeGreaterThan(0)
    await until(() => server.accepted() === 2 && server.open() === 0, 'both connections are closed')
  })

  it('says what became of it', async () => {
    const port = await freePort()
    expect(await connect(port)).toEqual({
      fault: `127.0.0.1:${port} refused the connection (ECONNREFUSED)`,
      code: 'MM_CONNECT_REFUSED',
    })
    await using hole = await startBlackHole('127.0.0.1')
    expect(await connect(hole.port, 200)).toEqual({
      fault: `127.0.0.1:${hole.port} did not answer within 200 ms`,
      code: 'MM_CONNECT_TIMEOUT',
    })
    await expect(connect(443, 100, 'localhost')).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
  })
})

describe('the TLS handshake of a probe', () => {
  it('is done with one version at a time, and reports what was agreed on', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority, http2: true })
    const found = { ms: expect.any(Number), protocol: 'h2' }
    expect(await handshake(nginx.tlsPort, { version: 'TLSv1.3' })).toMatchObject({
      found: { ...found, cipher: expect.stringMatching(/^TLS_/) },
    })
    const older = await handshake(nginx.tlsPort, { version: 'TLSv1.2' })
    expect(older).toMatchObject({ found: { ...found, cipher: expect.stringMatching(/^ECDHE-/) } })
    if ('found' in older) {
      expect(older.found.certificate?.issuer).toContain('CN=')
      expect(Date.parse(older.found.certificate?.validUntil ?? '')).toBeGreaterThan(Date.now())
    }
    expect(await handshake(nginx.tlsPort, { alpn: ['http/1.1'] })).toMatchObject({
      found: { protocol: 'http/1.1' },
    })
  })

  it('finds out which versions and protocols a server does not have', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ authority, tlsProtocols: ['TLSv1.2'] })
    expect(await handshake(nginx.tlsPort, { version: 'TLSv1.3' })).toMatchObject({
      code: 'MM_TLS_FAILED',
      fault: expect.stringContaining('has no TLS version in common with us'),
    })
    expect(await handshake(nginx.tlsPort, { version: 'TLSv1.2' })).toMatchObject({
      found: { protocol: 'http/1.1' },
    })
    expect(await handshake(nginx.tlsPort, { alpn: ['h2'] })).toMatchObject({ code: 'MM_ALPN_MISMATCH' })
  })

  it('offers no version that the configuration forbids', async () => {
    const tls = { ca: authority.cert, minVersion: 'TLSv1.3' } as const
    await using server = await startLoopbackServer()
    expect(await handshake(server.port, { tls, version: 'TLSv1.2' })).toEqual({
      skipped: 'not allowed by tls.minVersion and tls.maxVersion',
    })
    expect(server.accepted()).toBe(0)
  })

  it('reads a server that has no ALPN for what it is', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await openssl()
    expect(await handshake(server.port)).toMatchObject({ found: { protocol: undefined } })
  })

  it('is as strict about certificates as always', async () => {
    const foreign = await createCertificateAuthority('foreign')
    const expired = {
      notBefore: new Date(Date.now() - 2 * 86_400_000),
      notAfter: new Date(Date.now() - 86_400_000),
    }
    const cases = [
      [await authority.issue({ names: ['other.test'] }), 'is for other names', 'names'],
      [await authority.issue({ names: ['localhost'], ...expired }), 'has expired', 'expired'],
      [
        await foreign.issue({ names: ['localhost'] }),
        'comes from an authority that is not trusted',
        'untrusted',
      ],
    ] as const
    for (const [certificate, complaint, hint] of cases) {
      await using server = await startLoopbackServer({ tls: certificate })
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        expect(await handshake(server.port, { version, ticketsForMs: 50 })).toMatchObject({
          code: 'MM_TLS_CERTIFICATE',
          fault: expect.stringContaining(`the certificate for localhost ${complaint}`),
          hint: TLS_HINTS[hint],
        })
      }
    }
  })

  it('gives no certificate where any is accepted', async () => {
    const foreign = await createCertificateAuthority('foreign')
    await using server = await startLoopbackServer({ tls: await foreign.issue({ names: ['other.test'] }) })
    const finding = await handshake(server.port, { tls: { rejectUnauthorized: false } })
    expect(finding).toMatchObject({ found: { certificate: undefined } })
  })

  it('says how far it came', async () => {
    await using mute = await startLoopbackServer()
    expect(await handshake(mute.port, { timeoutMs: 150 })).toEqual({
      fault: `127.0.0.1:${mute.port} no TLS handshake within 150 ms`,
      code: 'MM_TLS_TIMEOUT',
    })
    await using hole = await startBlackHole('127.0.0.1')
    expect(await handshake(hole.port, { timeoutMs: 150 })).toMatchObject({ code: 'MM_CONNECT_TIMEOUT' })
    await using plain = await startLoopbackServer({
      onConnection: socket => void socket.end('HTTP/1.1 400 No\r\n\r\n'),
    })
    expect(await handshake(plain.port)).toMatchObject({
      code: 'MM_TLS_FAILED',
      fault: expect.stringContaining('does not speak TLS on this port'),
    })
  })

  it('stops when its caller gives up, with nothing left', async () => {
    await using mute = await startLoopbackServer()
    const caller = new AbortController()
    const running = handshake(mute.port, { signal: caller.signal })
    await until(() => mute.open() === 1, 'the connection')
    caller.abort()
    await expect(running).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await until(() => mute.open() === 0, 'the connection is gone')
  })
})

describe('the tickets of a probe', () => {
  const tickets = async (port: number, version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3') => {
    const finding = await handshake(port, { version, ticketsForMs: 200 })
    return 'found' in finding ? finding.found.tickets : finding
  }

  it('are counted and read', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await openssl()
    expect(await tickets(server.port)).toEqual({
      version: 'TLSv1.3',
      issued: 2,
      lifetimeSeconds: 7200,
      maxEarlyDataBytes: 0,
    })
    expect(await tickets(server.port, 'TLSv1.2')).toMatchObject({
      version: 'TLSv1.2',
      issued: 1,
      lifetimeSeconds: 7200,
      maxEarlyDataBytes: 0,
    })
  })

  it('say how much early data may go with them', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await openssl('-max_early_data', '12345')
    expect(await tickets(server.port)).toMatchObject({ issued: 2, maxEarlyDataBytes: 12_345 })
  })

  it('are none where the server issues none', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await openssl('-num_tickets', '0')
    expect(await tickets(server.port)).toEqual({
      version: 'TLSv1.3',
      issued: 0,
      lifetimeSeconds: undefined,
      maxEarlyDataBytes: 0,
    })
  })

  it('count even if they refer to state that the server keeps itself', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    // OpenSSL takes -no_ticket to mean that it keeps the sessions: TLS 1.3 still sends (stateful) tickets,
    // TLS 1.2 an id.
    await using server = await openssl('-no_ticket')
    expect(await tickets(server.port)).toMatchObject({ issued: 2 })
    expect(await tickets(server.port, 'TLSv1.2')).toMatchObject({ issued: 1, lifetimeSeconds: undefined })
    await using none = await openssl('-no_ticket', '-no_cache')
    expect(await tickets(none.port, 'TLSv1.2')).toMatchObject({ issued: 0 })
  })

  it('come with everything that a server of HTTP/2 says of its own accord', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({
      authority,
      http2: true,
      extraHttp: 'ssl_early_data on; ssl_session_timeout 77s;',
    })
    expect(await tickets(nginx.tlsPort)).toEqual({
      version: 'TLSv1.3',
      issued: 2,
      lifetimeSeconds: 77,
      maxEarlyDataBytes: 16_384,
    })
  })

  it('do not hide that the server demands a certificate of ours, which it says after a handshake of TLS 1.3', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    await using server = await openssl('-Verify', '1', '-verify_return_error')
    expect(await handshake(server.port, { version: 'TLSv1.3', ticketsForMs: 500 })).toMatchObject({
      code: 'MM_TLS_FAILED',
      fault: expect.stringContaining('demands a client certificate'),
    })
    expect(await handshake(server.port, { version: 'TLSv1.2' })).toMatchObject({ code: 'MM_TLS_FAILED' })
  })

  it('are waited for no longer than the connection lives', async () => {
    const identity = await authority.issue({ names: ['localhost'] })
    await using server = await startLoopbackServer({
      tls: identity,
      onConnection: socket => void setTimeout(() => socket.end(), 50),
    })
    const startedAt = performance.now()
    expect(await handshake(server.port, { ticketsForMs: 4000 })).toMatchObject({
      found: { tickets: { issued: 2 } },
    })
    expect(performance.now() - startedAt).toBeLessThan(3_900)
  })
})
