import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer, type TlsOptions as TlsServerOptions } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { TlsOptions } from '../../../src/base/options/options.ts'
import { descriptorOf } from '../../../src/base/socket/stream-socket.ts'
import { FastOpen } from '../../../src/connect/fast-open/fast-open.ts'
import { socketCalls } from '../../../src/connect/native/socket-calls.ts'
import { type FastOpenProbeOptions, probeFastOpen } from '../../../src/origin/probing/fast-open.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { startBlackHole } from '../../support/loopback-server.ts'
import { type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until } from '../../support/until.ts'

/** What a probe sees of TCP Fast Open: the kernel's own, in network namespaces of our own. */

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

const noAbort = new AbortController().signal

interface Server extends AsyncDisposable {
  readonly port: number
  open(): number
}

/** TLS, with Fast Open unless `queue` is 0. */
async function startServer(host = '127.0.0.1', queue = 16, tls: TlsServerOptions = {}): Promise<Server> {
  const certificate = await authority.issue({ names: ['localhost'] })
  const server = createTlsServer({ ...certificate, ALPNProtocols: ['h2', 'http/1.1'], ...tls })
  const sockets = new Set<object>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', socket => socket.on('error', () => {}).resume())
  server.on('tlsClientError', () => {})
  server.listen(0, host)
  await once(server, 'listening')
  const loaded = socketCalls()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  if (queue > 0) expect(loaded.calls.set(descriptorOf(server)!, 'fastOpenQueue', queue)).toBe(0)
  return {
    port: (server.address() as AddressInfo).port, // as: it listens on a port
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      await new Promise(resolve => server.close(resolve))
    },
  }
}

interface Look extends Partial<FastOpenProbeOptions> {
  host?: string
  signal?: AbortSignal
}

function look(port: number, { host = '127.0.0.1', signal = noAbort, ...changes }: Look = {}) {
  const family = host.includes(':') ? 6 : 4
  const options: FastOpenProbeOptions = {
    clock: systemClock,
    fastOpen: new FastOpen({ clock: systemClock }),
    tls: { ca: authority.cert },
    serverName: 'localhost',
    protocols: ['h3', 'h2', 'http/1.1'],
    timeoutMs: 5000,
    ...changes,
  }
  return probeFastOpen({ address: host, family, port, transport: 'tcp' }, options, signal)
}

const descriptors = (): number => readdirSync('/proc/self/fd').length
const taken = (found: object = {}) => ({ found: { cookie: true, taken: true, ...found } })

describe('TCP Fast Open in a probe', () => {
  const missing = requireFastOpenNamespace()

  it.for(['127.0.0.1', '::1'])(
    'asks for a cookie, and sees data taken with the SYN, at %s',
    async (host, ctx) => {
      ctx.skip(missing !== undefined, missing)
      using namespace = enterFastOpenNamespace(3)
      await using server = await startServer(host)
      const fastOpen = new FastOpen({ clock: systemClock })
      const before = namespace.counters()
      const finding = await look(server.port, { host, fastOpen })
      expect(finding).toEqual(
        taken({
          firstFlightBytes: expect.any(Number),
          because: expect.stringMatching(/^the SYN carried \d+ bytes$/),
        }),
      )
      const after = namespace.counters()
      expect(after.TCPFastOpenActive - before.TCPFastOpenActive).toBe(1)
      expect(after.TCPFastOpenPassive - before.TCPFastOpenPassive).toBe(1)
      await until(() => server.open() === 0, 'both connections are closed')
      expect(fastOpen.facts([host])).toMatchObject([{ fact: `TCP Fast Open is used to ${host}` }])
    },
  )

  it('needs one connect where the kernel has a cookie', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using namespace = enterFastOpenNamespace(3)
    await using server = await startServer()
    await look(server.port)
    const before = namespace.counters()
    expect(await look(server.port)).toMatchObject(taken())
    expect(namespace.counters().TCPFastOpenPassive - before.TCPFastOpenPassive).toBe(1)
    namespace.flushCookies()
    expect(await look(server.port)).toMatchObject(taken())
  })

  it('measures the ClientHello, which is smaller with fewer groups', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using _namespace = enterFastOpenNamespace(3)
    await using server = await startServer()
    const sizeWith = async (tls: TlsOptions): Promise<number> => {
      const finding = await look(server.port, { tls: { ca: authority.cert, ...tls } })
      if (!('found' in finding)) throw new Error(JSON.stringify(finding))
      return finding.found.firstFlightBytes ?? 0
    }
    const usual = await sizeWith({})
    const small = await sizeWith({ groups: 'X25519', minVersion: 'TLSv1.3' })
    expect(small).toBeGreaterThan(200)
    expect(small).toBeLessThan(usual)
    expect(small).toBeLessThan(1400)
  })

  it('sees that the peer gives no cookie, or takes no data with the one that it gave', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using namespace = enterFastOpenNamespace(3)
    await using without = await startServer('127.0.0.1', 0)
    const fastOpen = new FastOpen({ clock: systemClock })
    expect(await look(without.port, { fastOpen })).toEqual({
      found: {
        cookie: false,
        taken: false,
        firstFlightBytes: undefined,
        because: 'the peer gives no cookie',
      },
    })
    await using server = await startServer()
    expect(await look(server.port, { fastOpen })).toMatchObject(taken())
    // Cookies are by address: the other port has one now, and knows nothing of it.
    expect(await look(without.port, { fastOpen })).toMatchObject({
      found: {
        cookie: true,
        taken: false,
        because: 'the peer took the connection, but not the data of the SYN',
      },
    })
    namespace.setFastOpen(1)
    expect(await look(server.port, { fastOpen })).toMatchObject({ found: { cookie: true, taken: false } })
    expect(fastOpen.facts(['127.0.0.1'])).toMatchObject([
      { fact: 'TCP Fast Open is not used to 127.0.0.1', evidence: expect.stringContaining('in a row') },
    ])
  })

  it('is not looked at where this machine cannot', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using namespace = enterFastOpenNamespace(2)
    await using server = await startServer()
    expect(await look(server.port)).toEqual({
      skipped: 'net.ipv4.tcp_fastopen is 2, which forbids Fast Open to clients (0x1 is not set)',
    })
    const noCalls = { clock: systemClock, calls: { unavailable: 'koffi is not installed' } }
    expect(await look(server.port, { fastOpen: new FastOpen(noCalls) })).toEqual({
      skipped: 'koffi is not installed',
    })
    // Forbidden since it was read.
    namespace.setFastOpen(3)
    const fastOpen = new FastOpen({ clock: systemClock })
    expect(fastOpen.unavailable).toBeUndefined()
    namespace.setFastOpen(0)
    expect(await look(server.port, { fastOpen })).toEqual({
      skipped: 'the kernel does not let this process use Fast Open',
    })
  })

  it('is as strict about certificates as always, with data in the SYN and without', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using _namespace = enterFastOpenNamespace(3)
    const foreign = await createCertificateAuthority('foreign')
    await using server = await startServer()
    const complaint = { code: 'MM_TLS_CERTIFICATE' }
    for (const _cookie of ['none', 'has one']) {
      expect(await look(server.port, { serverName: 'other.test' })).toMatchObject(complaint)
      expect(await look(server.port, { tls: { ca: foreign.cert } })).toMatchObject(complaint)
      expect(await look(server.port)).toMatchObject(taken())
    }
    expect(await look(server.port, { tls: { ca: foreign.cert, rejectUnauthorized: false } })).toMatchObject(
      taken(),
    )
    await until(() => server.open() === 0, 'all connections are closed')
  })

  it('says what became of it where nobody listens, or answers', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using _namespace = enterFastOpenNamespace(3)
    const port = await freePort()
    const refused = {
      fault: `127.0.0.1:${port} refused the connection (ECONNREFUSED)`,
      code: 'MM_CONNECT_REFUSED',
    }
    expect(await look(port)).toEqual(refused)
    await using server = await startServer()
    await look(server.port)
    expect(await look(port), 'with a cookie the refusal comes from a read').toEqual(refused)
    await using hole = await startBlackHole('127.0.0.1')
    expect(await look(hole.port, { timeoutMs: 200 })).toEqual({
      fault: `127.0.0.1:${hole.port} no TLS handshake with Fast Open within 200 ms`,
      code: 'MM_TLS_TIMEOUT',
    })
    const gone = look(hole.port, { signal: AbortSignal.timeout(50) })
    await expect(gone).rejects.toMatchObject({ code: 'MM_ABORTED' })
  })

  it('leaves no descriptor, however it ends', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using _namespace = enterFastOpenNamespace(3)
    await using server = await startServer()
    const port = await freePort()
    const round = async (): Promise<void> => {
      await Promise.all([
        look(server.port),
        look(port),
        look(server.port, { serverName: 'other.test' }),
        look(server.port, { signal: AbortSignal.timeout(1) }).catch(() => {}),
      ])
      await until(() => server.open() === 0, 'all connections are closed')
    }
    await round()
    const before = descriptors()
    for (let i = 0; i < 25; i++) await round()
    await until(() => descriptors() <= before, 'no descriptor is left')
  })

  it('sees what nginx does', async ctx => {
    const lacks = missing ?? requireBinary('nginx')
    ctx.skip(lacks !== undefined, lacks)
    using _namespace = enterFastOpenNamespace(3)
    await using nginx = await startNginx({ authority })
    expect(await look(nginx.tlsPort)).toMatchObject({ found: { cookie: false, taken: false } })
  })
})

describe('TCP Fast Open over a link with a middlebox', () => {
  const missing = requireFastOpenNamespace() ?? requireLossyLink()

  async function overLink(link: LossyLink, run: (port: number) => Promise<void>): Promise<void> {
    await link.setFastOpen(3)
    const away = link.enter('server')
    const starting = startServer('10.78.0.2')
    const server = await starting.finally(() => away[Symbol.dispose]())
    await using _server = server
    using _here = link.enter('client')
    await run(server.port)
  }

  it('is seen to work over a link of 40 ms', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(20)
    await overLink(link, async port => {
      expect(await look(port, { host: '10.78.0.2' })).toMatchObject(taken())
      const { withData, mostDataBytes } = await link.syns()
      expect(withData).toBe(1)
      const again = await look(port, { host: '10.78.0.2' })
      expect(again).toMatchObject(taken({ firstFlightBytes: mostDataBytes }))
    })
  })

  it.for(['syn-data', 'syn-fast-open'] as const)('is seen to be dropped: %s', async (filter, ctx) => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(1)
    await overLink(link, async port => {
      await link.filter(filter)
      const fastOpen = new FastOpen({ clock: systemClock })
      expect(await look(port, { host: '10.78.0.2', fastOpen })).toMatchObject({
        found: { taken: false, because: expect.stringContaining('sent again') },
      })
      expect(fastOpen.verdict('10.78.0.2')).toMatchObject({ use: false })
    })
  })
})
