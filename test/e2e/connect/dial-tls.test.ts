import { once } from 'node:events'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { TestDialer } from '../../support/dial-to.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { until } from '../../support/until.ts'

let authority: CertificateAuthority
let foreign: CertificateAuthority
let good: IssuedCertificate
const ALPN = { ALPNProtocols: ['http/1.1'] }

beforeAll(async () => {
  authority = await createCertificateAuthority()
  foreign = await createCertificateAuthority('foreign')
  good = await authority.issue({ names: ['origin.test', '127.0.0.1'] })
})

describe('a dial with TLS', () => {
  it('does a full handshake with the name of the origin, and reports how', async () => {
    await using server = await startLoopbackServer({ tls: { ...good, ...ALPN } })
    const result = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect(result).toMatchObject({
      alpnProtocol: 'http/1.1',
      offeredTicket: false,
      handshake: { kind: 'full', tlsVersion: 'TLSv1.3' },
    })
    expect(result.handshake.timings.connectMs).toBeGreaterThan(0)
    expect(result.handshake.timings.tlsMs).toBeGreaterThan(0)
    expect(await server.handshakesSeen(1)).toEqual([
      { serverName: 'origin.test', resumed: false, clientName: undefined },
    ])
    result.socket.destroy()
  })

  it('delivers what arrives through the read port', async () => {
    await using server = await startLoopbackServer({
      tls: good,
      onConnection: socket => void socket.write('hello'),
    })
    const { socket, readPort } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    let text = ''
    readPort.attach({
      onRead(buffer, start, end) {
        text += buffer.toString('latin1', start, end)
        return true
      },
      onFault() {},
    })
    text += readPort.takeEarly()?.toString() ?? ''
    socket.resume()
    await until(() => text === 'hello', 'the bytes')
    socket.destroy()
  })

  it('takes a server without ALPN for http/1.1', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const { socket, alpnProtocol } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect(alpnProtocol).toBe('http/1.1')
    socket.destroy()
  })

  it('does the handshake with the winner only, and once', async () => {
    await using v4 = await startLoopbackServer({ tls: good })
    await using v6 = await startLoopbackServer({ tls: good, address: '::1', port: v4.port })
    const { socket } = await new TestDialer().dial(`https://origin.test:${v4.port}`, {
      addresses: ['::1', '127.0.0.1'],
      tls: { ca: authority.cert },
      timeouts: { attemptDelayMs: 0 },
    })
    await until(() => v4.open() + v6.open() === 1, 'the loser is gone')
    await until(() => v4.handshakes.length + v6.handshakes.length === 1, 'one handshake')
    socket.destroy()
  })
})

describe('certificates', () => {
  it.each<[string, string, () => Promise<IssuedCertificate>, RegExp]>([
    ['for another name', 'other.test', async () => good, /for other names.*ERR_TLS_CERT_ALTNAME_INVALID/],
    [
      'of an authority that is not trusted',
      'origin.test',
      () => foreign.issue({ names: ['origin.test'] }),
      /not trusted/,
    ],
    [
      'that has expired',
      'origin.test',
      () => authority.issue({ names: ['origin.test'], notAfter: new Date(Date.now() - 60_000) }),
      /has expired \(CERT_HAS_EXPIRED/,
    ],
    [
      'that is not valid yet',
      'origin.test',
      () => authority.issue({ names: ['origin.test'], notBefore: new Date(Date.now() + 3_600_000) }),
      /not valid yet/,
    ],
    [
      'without the address of the origin',
      '127.0.0.1',
      () => authority.issue({ names: ['origin.test'] }),
      /for other names/,
    ],
  ])('%s are refused, and no other address is tried', async (_what, host, issue, words) => {
    await using v4 = await startLoopbackServer({ tls: await issue() })
    await using v6 = await startLoopbackServer({ tls: await issue(), address: '::1', port: v4.port })
    const dialer = new TestDialer()
    const error = await dialer.failure(`https://${host}:${v4.port}`, {
      addresses: ['127.0.0.1', '::1'],
      tls: { ca: authority.cert },
    })
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
    expect(error.message).toMatch(words)
    expect(v6.accepted()).toBe(0)
    expect(dialer.outcomes()).toEqual([`127.0.0.1:${v4.port} failed`])
    await until(() => v4.open() === 0, 'the connection is closed')
    expect(dialer.tickets.peers).toBe(0)
  })

  it('of our own authority are refused when Node has its own list only', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`)
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
  })

  it('of any kind are accepted with rejectUnauthorized false', async () => {
    await using server = await startLoopbackServer({ tls: await foreign.issue({ names: ['x.test'] }) })
    const { socket } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { rejectUnauthorized: false },
    })
    socket.destroy()
  })

  it('with the address of the origin are accepted, and no name is sent', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const { socket } = await new TestDialer().dial(`https://127.0.0.1:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect((await server.handshakesSeen(1))[0]?.serverName).toBe(false)
    socket.destroy()
  })

  it('must be for the origin, not for the address where it is looked for', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const error = await new TestDialer().failure(`https://127.0.0.2:${server.port}`, {
      addresses: ['127.0.0.1'],
      tls: { ca: authority.cert },
    })
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
  })

  it('are checked against serverName, which is sent as well', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    const { socket } = await dialer.dial(`https://other.test:${server.port}`, {
      tls: { ca: authority.cert, serverName: 'origin.test' },
    })
    expect((await server.handshakesSeen(1))[0]?.serverName).toBe('origin.test')
    socket.destroy()
    const error = await dialer.failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert, serverName: 'evil.test' },
    })
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
  })

  it('are checked without the dot that makes a name absolute', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const { socket } = await new TestDialer().dial(`https://origin.test.:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect((await server.handshakesSeen(1))[0]?.serverName).toBe('origin.test')
    socket.destroy()
  })
})

describe('client certificates', () => {
  const demanding = (): object => ({
    ...good,
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: true,
  })

  it('are presented', async () => {
    await using server = await startLoopbackServer({ tls: demanding() })
    const client = await authority.issue({ names: ['client.test'], clientAuth: true })
    const { socket } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert, cert: client.cert, key: client.key },
    })
    expect((await server.handshakesSeen(1))[0]?.clientName).toBe('client.test')
    socket.destroy()
  })

  it('that are missing end the handshake over TLS 1.2', async () => {
    await using server = await startLoopbackServer({ tls: { ...demanding(), maxVersion: 'TLSv1.2' } })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect(error.code).toBe('MM_TLS_FAILED')
  })

  it('that are missing fail on the socket over TLS 1.3, whose client is done before the server has looked', async () => {
    await using server = await startLoopbackServer({ tls: demanding() })
    const { socket } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toMatch(/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/)
  })

  it('that cannot be read are an error of the caller', async () => {
    const error = await new TestDialer().failure('https://origin.test:1', { tls: { cert: 'x', key: 'y' } })
    expect(error.code).toBe('MM_INVALID_ARGUMENT')
  })
})

describe('a TLS handshake that fails', () => {
  it('for want of an answer ends with MM_TLS_TIMEOUT, and the connection is closed', async () => {
    await using server = await startLoopbackServer()
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      timeouts: { tlsMs: 100 },
    })
    expect(error.code).toBe('MM_TLS_TIMEOUT')
    expect(error.message).toContain('did not complete the TLS handshake within 100 ms')
    await until(() => server.open() === 0, 'the connection is closed')
  })

  it('because the server closes leads to the other addresses', async () => {
    await using rude = await startLoopbackServer({ onConnection: socket => socket.destroy() })
    await using server = await startLoopbackServer({ tls: good, address: '::1', port: rude.port })
    const dialer = new TestDialer()
    const { socket } = await dialer.dial(`https://origin.test:${rude.port}`, {
      addresses: ['127.0.0.1', '::1'],
      tls: { ca: authority.cert },
    })
    expect(dialer.outcomes()).toEqual([`127.0.0.1:${rude.port} failed`, `[::1]:${rude.port} connected`])
    expect(dialer.attempts[0]?.error).toContain('closed the connection during the TLS handshake')
    expect(await server.handshakesSeen(1)).toHaveLength(1)
    socket.destroy()
  })

  it('because the server speaks another protocol says so', async () => {
    await using server = await startLoopbackServer({
      onConnection: socket => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`)
    expect(error).toMatchObject({ code: 'MM_TLS_FAILED' })
    expect(error.message).toContain('does not speak TLS on this port')
  })

  it('because no TLS version is common says so', async () => {
    await using server = await startLoopbackServer({ tls: { ...good, maxVersion: 'TLSv1.2' } })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert, minVersion: 'TLSv1.3' },
    })
    expect(error).toMatchObject({ code: 'MM_TLS_FAILED' })
    expect(error.message).toContain('no TLS version in common')
  })

  it('because no cipher is common says so', async () => {
    const tls = { maxVersion: 'TLSv1.2' as const, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }
    await using server = await startLoopbackServer({ tls: { ...good, ...tls } })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    })
    expect(error.code).toBe('MM_TLS_FAILED')
  })

  it('because ALPN finds nothing in common is MM_ALPN_MISMATCH', async () => {
    await using server = await startLoopbackServer({ tls: { ...good, ALPNProtocols: ['h2'] } })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
    })
    expect(error.code).toBe('MM_ALPN_MISMATCH')
  })

  it('because a server without ALPN cannot speak what is wanted is MM_ALPN_MISMATCH', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
      alpnProtocols: ['h2'],
    })
    expect(error.code).toBe('MM_ALPN_MISMATCH')
    expect(error.message).toContain('chose no protocol by ALPN; offered were h2')
    await until(() => server.open() === 0, 'the connection is closed')
  })

  // Node emits the ticket of TLS 1.2 right after secureConnect, whatever became of the socket in there.
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('leaves no ticket behind: %s', async maxVersion => {
    await using server = await startLoopbackServer({ tls: { ...good, maxVersion } })
    const dialer = new TestDialer()
    await dialer.failure(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
      alpnProtocols: ['h2'],
    })
    await until(() => server.open() === 0, 'the connection is closed')
    expect(dialer.tickets.peers).toBe(0)
  })
})
