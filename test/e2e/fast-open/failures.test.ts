import type { Socket } from 'node:net'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import {
  changeFastOpenKey,
  fastOpenWorld,
  giveFastOpenToAll,
  listenWithFastOpen,
  startFastOpenOrigin,
} from '../../support/fast-open-world.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { startNginx } from '../../support/nginx.ts'
import { offeredTicket } from '../../support/offered-ticket.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { startSwitchedPort } from '../../support/switched-port.ts'
import { freePort } from '../../support/tcp-port.ts'

/** Connects that Fast Open has deferred, and that fail: by the server's word, or for want of one. */

const missing = requireFastOpenNamespace()
const STUCK = 'nothing came until the connect was made without it'
const ONCE_MORE = 'once more without Fast Open'

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

/** The kernel has a cookie for 127.0.0.1 after this. */
async function getCookie(): Promise<void> {
  await using origin = await startFastOpenOrigin({ authority })
  await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols: ['http/1.1'] })
  await world.ask('/')
}

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `a connect that was deferred, by %s ${missing ?? ''}`,
  protocol => {
    const protocols = [protocol]

    it('is refused as any other', async () => {
      using _namespace = enterFastOpenNamespace(3)
      const port = await freePort()
      const target = { port, ca: authority.cert, protocols }
      const failure = async (tfo: 'on' | 'off') => {
        await using world = fastOpenWorld({ ...target, origin: { tfo } })
        return await world.ask('/').catch((error: unknown) => error)
      }
      const without = await failure('off')
      await getCookie()
      const withIt = await failure('on')
      const refusal = `127.0.0.1:${port} refused the connection (ECONNREFUSED)`
      expect([without, withIt]).toMatchObject([
        { code: 'MM_CONNECT_REFUSED', message: expect.stringContaining(refusal) },
        { code: 'MM_CONNECT_REFUSED', message: expect.stringContaining(refusal) },
      ])
    })

    it('leaves the request to the next address when it is refused', async () => {
      using namespace = enterFastOpenNamespace(3)
      await getCookie()
      await using origin = await startFastOpenOrigin({ authority })
      const closed = await freePort()
      await using world = fastOpenWorld({
        port: origin.port,
        ca: authority.cert,
        protocols,
        // Only a refusal makes it go on so soon.
        origin: {
          endpoints: [`127.0.0.1:${closed}`, `127.0.0.1:${origin.port}`],
          timeouts: { connectMs: 60_000, attemptDelayMs: 60_000 },
        },
      })
      const { text, info } = await world.ask('/')
      expect([text, info.remoteAddress, info.retries]).toEqual(['here', `127.0.0.1:${origin.port}`, 0])
      expect(info.attempts).toMatchObject([
        { endpoint: `127.0.0.1:${closed}`, outcome: 'failed' },
        { endpoint: `127.0.0.1:${closed}`, outcome: 'failed', because: ONCE_MORE },
        { endpoint: `127.0.0.1:${origin.port}`, outcome: 'connected' },
      ])
      expect(namespace.counters().TCPSynRetrans).toBe(0)
    })

    it('is not blamed for what befell another port of its address', async () => {
      using namespace = enterFastOpenNamespace(3)
      await getCookie()
      await using origin = await startFastOpenOrigin({ authority })
      let accepted = 0
      // It hangs until the connect is made without Fast Open, which it refuses.
      await using other = await startLoopbackServer({
        onConnection: socket => void (accepted++ > 0 && socket.destroy()),
      })
      listenWithFastOpen(other.server)
      await using world = fastOpenWorld({
        port: origin.port,
        ca: authority.cert,
        protocols,
        origin: {
          endpoints: [`127.0.0.1:${other.port}`, `127.0.0.1:${origin.port}`],
          timeouts: { fastOpenMs: 200, attemptDelayMs: 60_000 },
        },
      })
      const before = namespace.counters().TCPFastOpenActive
      const { info } = await world.ask('/')
      expect(info.attempts).toMatchObject([
        { endpoint: `127.0.0.1:${other.port}`, outcome: 'failed' },
        { endpoint: `127.0.0.1:${other.port}`, outcome: 'failed', because: ONCE_MORE },
        { endpoint: `127.0.0.1:${origin.port}`, outcome: 'connected' },
      ])
      expect(namespace.counters().TCPFastOpenActive - before).toBe(2)
      expect([info.tfo, world.fastOpens()]).toEqual(['used', ['used']])
    })

    it('ends with the first certificate that does not fit', async () => {
      using namespace = enterFastOpenNamespace(3)
      await getCookie()
      await using origin = await startFastOpenOrigin({ authority, names: ['other.test'] })
      const before = namespace.counters().TCPFastOpenPassive
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      await expect(world.ask('/')).rejects.toMatchObject({
        code: 'MM_TLS_CERTIFICATE',
        message: expect.stringContaining('is for other names'),
      })
      expect([origin.accepted(), namespace.counters().TCPFastOpenPassive - before]).toEqual([1, 1])
    })

    it('ends with an authority that is not trusted', async () => {
      using _namespace = enterFastOpenNamespace(3)
      await getCookie()
      const foreign = await createCertificateAuthority('foreign')
      await using origin = await startFastOpenOrigin({ authority: foreign })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
      await expect(world.ask('/')).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
      expect(origin.accepted()).toBe(1)
    })

    it('ends when there is no protocol in common', async () => {
      using namespace = enterFastOpenNamespace(3)
      await getCookie()
      const certificate = await authority.issue({ names: ['localhost'] })
      const other: Protocol = protocol === 'h2' ? 'http/1.1' : 'h2'
      // One says so by an alert. The other knows no ALPN, and speaks HTTP/1.1 to everybody.
      const refusing = [{ ALPNProtocols: [other] }, ...(protocol === 'h2' ? [{}] : [])]
      for (const alpn of refusing) {
        await using origin = await startLoopbackServer({ tls: { ...certificate, ...alpn } })
        listenWithFastOpen(origin.server)
        const before = namespace.counters().TCPFastOpenPassive
        await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols })
        await expect(world.ask('/')).rejects.toMatchObject({ code: 'MM_ALPN_MISMATCH' })
        expect([origin.accepted(), namespace.counters().TCPFastOpenPassive - before]).toEqual([1, 1])
      }
    })

    const missingForEarly = requireOpenssl() ?? requireBinary('nginx')
    describe.skipIf(missingForEarly !== undefined).each([false, true])(
      `early data: %s ${missingForEarly ?? ''}`,
      early => {
        /**
         * A port that leads to nginx, and elsewhere when a test says so; every listener has Fast Open. A
         * ticket and a cookie are there.
         */
        async function setUp() {
          const namespace = enterFastOpenNamespace(3)
          giveFastOpenToAll()
          const nginx = await startNginx({ http2: true, extraServer: NGINX_EARLY })
          const way = await startSwitchedPort(nginx.tlsPort)
          const world = fastOpenWorld({ port: way.port, ca: nginx.certificates.ca, protocols, early })
          await world.ask('/early')
          await world.untilIdleIsClosed()
          return {
            nginx,
            way,
            world,
            async [Symbol.asyncDispose]() {
              await world[Symbol.asyncDispose]()
              await way[Symbol.asyncDispose]()
              await nginx.stop()
              namespace[Symbol.dispose]()
            },
          }
        }

        it('is made once more when the server resets it in the handshake', async () => {
          await using setting = await setUp()
          const { way, world, nginx } = setting
          let resets = 0
          way.leadsTo = client => {
            way.leadsTo = nginx.tlsPort
            client.once('data', () => {
              resets++
              client.resetAndDestroy()
            })
          }
          const { status, info } = await world.ask('/early')
          expect([status, resets]).toEqual([200, 1])
          if (early) {
            // The refusal may not have been meant for Fast Open, which the next connect has found out.
            expect(world.retries()).toEqual(['early-data-lost'])
            expect(info).toMatchObject({ tfo: 'used', resumed: false })
          } else {
            expect(info).toMatchObject({ tfo: 'fallback', tfoBecause: STUCK, retries: 0 })
            expect(info.attempts).toMatchObject([
              { outcome: 'failed', error: expect.stringContaining('ECONNRESET') },
              { outcome: 'connected', because: ONCE_MORE },
            ])
          }
        })

        it('fails when it is reset each time', async () => {
          await using setting = await setUp()
          const { way, world } = setting
          way.leadsTo = client => void client.once('data', () => client.resetAndDestroy())
          await expect(world.ask('/early')).rejects.toMatchObject({
            code: expect.stringMatching(/^MM_(CONNECT_FAILED|CONNECTION_LOST)$/),
          })
        })

        it('is made once more, without a ticket, when the server chokes on the ticket', async () => {
          await using setting = await setUp()
          const { way, world, nginx } = setting
          let alerts = 0
          /** Behind the alert nothing is asked of the server. */
          const choke = (client: Socket): void => {
            client.once('data', (hello: Buffer) => {
              if (offeredTicket(hello) === undefined) throw new Error('this was to offer a ticket')
              alerts++
              way.leadsTo = nginx.tlsPort
              client.end(Buffer.from('15030300020228', 'hex')) // a fatal handshake_failure
            })
          }
          way.leadsTo = choke
          const { status, info } = await world.ask('/early')
          expect([status, alerts, info.resumed]).toEqual([200, 1, false])
          if (early) expect(world.retries()).toEqual(['early-data-lost'])
          else
            expect(info.attempts).toMatchObject([
              { outcome: 'failed' },
              { outcome: 'connected', because: `${ONCE_MORE} and the ticket` },
            ])
          // The server has spoken: nothing was wrong with Fast Open.
          expect(world.fastOpens()).not.toContain(STUCK)
          await world.untilIdleIsClosed()
          expect((await world.ask('/early')).info).toMatchObject({ resumed: true, tfo: 'used' })
        })

        it('ends when another server has the address, whose certificate does not fit', async () => {
          await using setting = await setUp()
          await using impostor = await startFastOpenOrigin({ authority, names: ['localhost'] })
          setting.way.leadsTo = impostor.port
          await expect(setting.world.ask('/early')).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
          // What went early may be sent once more; a connect that only offered a ticket ends there.
          expect(impostor.accepted()).toBe(early ? 2 : 1)
        })

        it('falls back, and later does not, when the server has come back with other keys', async () => {
          await using setting = await setUp()
          const { world, nginx } = setting
          expect((await world.ask('/early')).info).toMatchObject({ resumed: true, tfo: 'used' })
          await world.untilIdleIsClosed()
          changeFastOpenKey()
          await nginx.restart()
          const { status, text, info } = await world.ask('/early')
          expect([status, text.startsWith('early: \nreused: .\n')]).toEqual([200, true])
          expect(info).toMatchObject({
            resumed: false,
            tfo: 'fallback',
            tfoBecause: 'the peer took the connection, but not the data of the SYN',
            earlyData: early ? 'rejected' : 'none',
          })
          await world.untilIdleIsClosed()
          expect((await world.ask('/early')).info).toMatchObject({
            resumed: true,
            tfo: 'used',
            earlyData: early ? 'accepted' : 'none',
          })
        })

        it('is refused while the server is away, and uses Fast Open when it is back', async () => {
          await using setting = await setUp()
          const { nginx } = setting
          const { ca } = nginx.certificates
          await using world = fastOpenWorld({ port: nginx.tlsPort, ca, protocols, early })
          await world.ask('/early')
          await world.untilIdleIsClosed()
          await nginx.server.stop()
          await expect(world.ask('/early')).rejects.toMatchObject({ code: 'MM_CONNECT_REFUSED' })
          await nginx.restart()
          const { status, info } = await world.ask('/early')
          expect([status, info.tfo]).toEqual([200, 'used'])
        })
      },
    )
  },
)
