import type { Socket } from 'node:dgram'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { accessLogFile, type ForwardConfig, metric, startForwardProxy } from '../../support/forward-proxy.ts'
import { connectHttp3Peer } from '../../support/http3-peer-client.ts'
import { CODE, FRAME, headers, SETTING, varint } from '../../support/http3-wire.ts'
import { requireQuic } from '../../support/require-quic.ts'
import type { TestConnector } from '../../support/start-connector.ts'
import { openUdpSocket } from '../../support/udp-port.ts'
import {
  CANCEL,
  http2Client,
  type TunnelClient,
  tunnelOverHttp1,
  tunnelOverHttp2,
  udpCapsule,
  udpPath,
} from '../../support/udp-tunnel-client.ts'
import { until } from '../../support/until.ts'

let authority: CertificateAuthority
let identity: IssuedCertificate
let echo: Socket
let echoPort: number
/** Where the datagrams came from that the echo has answered last. */
let lastSender = 0
beforeAll(async () => {
  authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  echo = await openUdpSocket()
  echoPort = echo.address().port
  echo.on('message', (datagram, { port, address }) => {
    lastSender = port
    echo.send(datagram, port, address)
  })
})
afterAll(() => echo?.close())

/** A connector whose listener takes HTTP/1.1 in cleartext, or with TLS all that there is. */
function startProxy(
  forward: Partial<ForwardConfig> = {},
  config: Parameters<typeof startForwardProxy>[1] & { readonly isSecure?: boolean } = {},
): Promise<TestConnector> {
  const { isSecure = false, ...others } = config
  const allow = [`udp://localhost:${echoPort}`, `udp://127.0.0.1:${echoPort}`]
  const tls = { cert: identity.cert, key: identity.key }
  const listen = [{ address: '127.0.0.1:0', tls, protocols: ['h2' as const, 'http/1.1' as const] }]
  return startForwardProxy({ allow, ...forward }, { ...(isSecure && { listen }), ...others })
}

describe('CONNECT-UDP at the connector', () => {
  it('is an Upgrade over HTTP/1.1, whose capsules may come byte by byte', async () => {
    const log = accessLogFile()
    await using proxy = await startProxy({}, { accessLog: { to: log.file, format: 'json' } })
    const client = await tunnelOverHttp1(proxy.port, udpPath('localhost', echoPort))
    expect(client.head).toMatch(/^HTTP\/1\.1 101 /)
    expect(client.head.toLowerCase()).toContain('capsule-protocol: ?1')
    expect(client.head.toLowerCase()).toContain('upgrade: connect-udp')
    expect(String(await client.exchange(Buffer.from('hello')))).toBe('hello')
    for (const byte of udpCapsule(Buffer.from('slowly'))) {
      client.stream.write(Buffer.of(byte))
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    await until(() => client.payloads.length === 2, 'the slow one came back')
    expect(String(client.payloads[1])).toBe('slowly')
    expect(await metric(proxy, 'middlemile_udp_tunnels', { route: 'out' })).toBe(1)
    client.stream.end()
    await until(() => client.stream.destroyed, 'the tunnel has ended')
    await expect.poll(() => metric(proxy, 'middlemile_udp_tunnels')).toBe(0)
    await expect.poll(() => log.read()).toContain('"status":200')
    expect(log.read()).toContain(`localhost:${echoPort}`)
  })

  it('is an extended CONNECT over HTTP/2, with the client of Node', async () => {
    await using proxy = await startProxy({}, { isSecure: true })
    const session = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => session.destroy())
    const client = await tunnelOverHttp2(session, udpPath('127.0.0.1', echoPort))
    expect(client.headers).toMatchObject({ ':status': 200, 'capsule-protocol': '?1' })
    const long = Buffer.alloc(1_400, 'x')
    expect(await client.exchange(long)).toEqual(long)
    // Others than the target cannot send into it.
    const stranger = await openUdpSocket()
    stranger.send(Buffer.from('spoofed'), lastSender, '127.0.0.1')
    expect(String(await client.exchange(Buffer.from('mine')))).toBe('mine')
    expect(client.payloads.map(String)).not.toContain('spoofed')
    stranger.close()
    client.stream.close(CANCEL)
    await expect.poll(() => metric(proxy, 'middlemile_tunnels')).toBe(0)
  })

  it('answers datagrams of HTTP/3 with datagrams, drops other contexts, and forgets tunnels that are over', async ctx => {
    const missing = requireQuic()
    ctx.skip(missing !== undefined, missing)
    const tls = { cert: identity.cert, key: identity.key }
    await using proxy = await startProxy({}, { listen: [{ address: '127.0.0.1:0', tls, protocols: ['h3'] }] })
    const settings = [[SETTING.H3_DATAGRAM, 1]] as const
    await using peer = await connectHttp3Peer(proxy.port, { ca: authority.cert, settings })
    const head = headers(
      [':method', 'CONNECT'],
      [':protocol', 'connect-udp'],
      [':scheme', 'https'],
      [':authority', 'proxy.example'],
      [':path', udpPath('localhost', echoPort)],
      ['capsule-protocol', '?1'],
    )
    const isAnswered = (stream: number): boolean => peer.framesOf(stream)[0]?.type === FRAME.HEADERS
    const stream = peer.openRequest(head, false)
    await peer.until(() => isAnswered(stream), 'the tunnel')
    const datagram = (context: number, text: string): Buffer =>
      Buffer.concat([varint(stream / 4), varint(context), Buffer.from(text)])
    peer.sendDatagram(datagram(2, 'of an extension'))
    peer.sendDatagram(datagram(0, 'ping'))
    await peer.until(() => peer.datagrams.length > 0, 'a datagram')
    expect(peer.datagrams).toEqual([datagram(0, 'ping')])
    expect(await metric(proxy, 'middlemile_udp_tunnels')).toBe(1)
    peer.reset(stream, CODE.H3_REQUEST_CANCELLED)
    peer.stop(stream, CODE.H3_REQUEST_CANCELLED)
    await expect.poll(() => metric(proxy, 'middlemile_udp_tunnels')).toBe(0)
    // Strays would end the connection with a third of these; they may have been on their way.
    for (let i = 0; i < 3_000; i += 1) {
      peer.sendDatagram(datagram(0, 'late'))
      if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    const again = peer.openRequest(head, false)
    await peer.until(() => isAnswered(again), 'another tunnel')
  })

  const refusals: readonly (readonly [string, string | undefined, Partial<ForwardConfig>, number, string])[] =
    [
      ['a path that the template does not have', '/masque/localhost/443', {}, 400, 'MM_NO_TARGET'],
      ['an address in an unusual notation', udpPath('127.1', 443), {}, 400, 'MM_NO_TARGET'],
      ['a host that is not on the list', udpPath('other.example', 443), {}, 403, 'MM_TARGET_REFUSED'],
      [
        'a host that only CONNECT may name',
        undefined,
        { allow: ['localhost:PORT'] },
        403,
        'MM_TARGET_REFUSED',
      ],
      ['an address that is private', undefined, { allowPrivate: [] }, 403, 'MM_ADDRESS_REFUSED'],
      ['one tunnel more than there may be', undefined, { maxTunnels: 0 }, 503, 'MM_TUNNEL_LIMIT'],
      [
        'nobody that is known',
        undefined,
        { auth: { users: [`ann:${'0'.repeat(64)}`] } },
        407,
        'MM_CLIENT_CREDENTIALS',
      ],
    ]
  it.each(refusals)('refuses %s', async (_what, path, forward, status, code) => {
    const allow = forward.allow?.map(entry => entry.replace('PORT', String(echoPort)))
    await using proxy = await startProxy(
      { ...forward, ...(allow !== undefined && { allow }) },
      { isSecure: true },
    )
    const session = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => session.destroy())
    const refused = await tunnelOverHttp2(session, path ?? udpPath('localhost', echoPort))
    expect(refused.headers[':status']).toBe(status)
    expect(refused.headers['proxy-status']).toContain('middlemile')
    if (code === 'MM_ADDRESS_REFUSED') {
      expect(await metric(proxy, 'middlemile_tunnels_total', { outcome: 'failed' })).toBe(1)
    } else expect(await metric(proxy, 'middlemile_forward_refused_total', { code })).toBe(1)
    expect(await metric(proxy, 'middlemile_tunnels')).toBe(0)
  })

  it('ends a tunnel through which nothing goes, and one of whose target ICMP says that nobody listens', async () => {
    const log = accessLogFile()
    const closed = await openUdpSocket()
    const { port } = closed.address()
    await new Promise<void>(resolve => closed.close(() => resolve()))
    await using proxy = await startProxy(
      { allow: [`udp://localhost:${echoPort},${port}`], udpIdleTimeout: 300 },
      { isSecure: true, accessLog: { to: log.file, format: 'json' } },
    )
    const session = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => session.destroy())
    const idle = await tunnelOverHttp2(session, udpPath('localhost', echoPort))
    await idle.exchange(Buffer.from('a'))
    const unheard = await tunnelOverHttp2(session, udpPath('localhost', port))
    unheard.send(Buffer.from('anybody?'))
    unheard.send(Buffer.from('anybody?'))
    await until(() => unheard.stream.closed, 'the tunnel to nobody has ended')
    await until(() => idle.stream.closed, 'the quiet tunnel has ended')
    expect(await metric(proxy, 'middlemile_tunnels_total', { outcome: 'idle' })).toBe(1)
    await expect.poll(() => log.read()).toContain('MM_TUNNEL_IDLE')
    expect(log.read()).toContain('MM_CONNECT_REFUSED')
  })

  it('ends the tunnel of a client whose capsules are broken, and no other', async () => {
    await using proxy = await startProxy({}, { isSecure: true })
    const session = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => session.destroy())
    const path = udpPath('localhost', echoPort)
    const good = await tunnelOverHttp2(session, path)
    const broken = await tunnelOverHttp2(session, path)
    broken.stream.write(Buffer.concat([varint(0), varint(100_000), Buffer.alloc(10)]))
    await until(() => broken.stream.closed, 'the broken one has ended')
    // Capsules of extensions pass by, however many and however long.
    for (let i = 0; i < 2_000; i += 1) good.stream.write(Buffer.concat([varint(0x21), varint(0)]))
    good.stream.write(Buffer.concat([varint(0x2a), varint(1_000_000)]))
    for (let i = 0; i < 100; i += 1) good.stream.write(Buffer.alloc(10_000))
    expect(String(await good.exchange(Buffer.from('still there')))).toBe('still there')
  })

  it('drops what a client does not take, and holds no more of it than its bound', async () => {
    await using proxy = await startProxy({ udpQueueBytes: 65_536 }, { isSecure: true })
    const session = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => session.destroy())
    const stalled = await tunnelOverHttp2(session, udpPath('localhost', echoPort))
    stalled.stream.pause()
    const before = process.memoryUsage().rss
    const sender = stalled.stream
    for (let round = 0; round < 200; round += 1) {
      for (let i = 0; i < 50; i += 1) sender.write(udpCapsule(Buffer.alloc(1_200)))
      await new Promise(resolve => setImmediate(resolve))
    }
    const dropped = (): Promise<number> =>
      metric(proxy, 'middlemile_udp_tunnel_datagrams_total', { what: 'dropped' })
    await expect.poll(dropped, { timeout: 10_000 }).toBeGreaterThan(1_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000)
    stalled.stream.close(CANCEL)
    const next = await http2Client(`https://127.0.0.1:${proxy.port}`)
    onTestFinished(() => next.destroy())
    const other = await tunnelOverHttp2(next, udpPath('localhost', echoPort))
    // The target may still be busy, and lose some.
    const answers = (): number => {
      other.send(Buffer.from('next'))
      return other.payloads.length
    }
    await expect.poll(answers, { timeout: 5_000 }).toBeGreaterThan(0)
  })

  it('carries 1,000 tunnels at once, refuses the next, and has none of their sockets left', async () => {
    await using proxy = await startProxy({}, { isSecure: true })
    const sessions = await Promise.all(
      Array.from({ length: 11 }, () => http2Client(`https://127.0.0.1:${proxy.port}`)),
    )
    onTestFinished(() => sessions.forEach(session => session.destroy()))
    const path = udpPath('127.0.0.1', echoPort)
    const clients: TunnelClient[] = []
    for (const session of sessions.slice(0, 10))
      clients.push(...(await Promise.all(Array.from({ length: 100 }, () => tunnelOverHttp2(session, path)))))
    const answers = await Promise.all(
      clients.map((client, at) => client.exchange(Buffer.from(`tunnel ${at}`))),
    )
    expect(answers.map(String)).toEqual(clients.map((_, at) => `tunnel ${at}`))
    const last = sessions.at(-1)
    const beyond = last && (await tunnelOverHttp2(last, path))
    expect(beyond?.headers[':status']).toBe(503)
    expect(await metric(proxy, 'middlemile_udp_tunnels')).toBe(1_000)
    for (const session of sessions) session.destroy()
    await expect.poll(() => metric(proxy, 'middlemile_udp_tunnels'), { timeout: 10_000 }).toBe(0)
  })
})
