import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OriginOptions, Protocol } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type EarlyWorld, earlyWorld, NGINX_EARLY } from '../../support/early-world.ts'
import { type Nginx, type NginxOptions, parseReflection, startNginx } from '../../support/nginx.ts'
import { nginxLog } from '../../support/nginx-log.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { type SwitchedPort, startSwitchedPort } from '../../support/switched-port.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTicketKey } from '../../support/ticket-key.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')

/**
 * What becomes of requests in early data that the origin does not take, or that meet another origin than the
 * one the ticket is of.
 */
describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `refused early data over TCP by %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    let authority: CertificateAuthority
    let nginx: Nginx
    let way: SwitchedPort
    let world: EarlyWorld
    beforeAll(async () => {
      authority = await createCertificateAuthority()
      nginx = await startNginx({ authority, http2: true, extraServer: NGINX_EARLY })
    })
    afterAll(() => nginx.stop())
    beforeEach(async () => {
      way = await startSwitchedPort(nginx.tlsPort)
    })
    afterEach(async () => {
      await world[Symbol.asyncDispose]()
      await way[Symbol.asyncDispose]()
    })

    const connect = (origin: OriginOptions = {}): void => {
      const protocols = origin.protocols ?? [protocol]
      world = earlyWorld({
        port: way.port,
        ca: authority.cert,
        protocols,
        // Nothing but what early data costs is sent again.
        origin: { retry: { maxRetries: 0, budgetMin: 0, budgetRatio: 0 }, ...origin },
      })
    }
    const warmUp = async (): Promise<void> => {
      expect((await world.ask('/early')).info).toMatchObject({ protocol, resumed: false })
      await world.untilIdleIsClosed()
    }
    const other = (options: NginxOptions): Promise<Nginx> =>
      startNginx({ authority, http2: true, extraServer: NGINX_EARLY, ...options })

    it('reaches an origin with other ticket keys behind a full handshake, once, on the same connection', async () => {
      connect({ pool: { idleTimeoutMs: 200 } })
      await warmUp()
      await using log = await nginxLog(NGINX_EARLY, other)
      way.leadsTo = log.nginx.tlsPort
      const [early, held] = await Promise.all([
        world.ask('/early'),
        world.ask('/early', { method: 'POST', body: 'x' }),
      ])
      expect(early.info).toMatchObject({ resumed: false, earlyData: 'rejected', retries: 0 })
      expect(parseReflection(early.text)).toMatchObject({ early: '', reused: '.' })
      expect([held.status, held.info.earlyData]).toEqual([200, 'none'])
      const again = await world.ask('/early')
      expect(again.info).toMatchObject({ reused: true })
      expect(new Set(world.outcomes())).toEqual(
        new Set(protocol === 'h2' ? ['rejected'] : ['rejected', 'unused']),
      )
      const [pool] = world.transport.stats().pools
      expect(pool?.opened).toMatchObject({ full: way.accepted, resumed: 0, earlyData: 0 })
      expect(world.retries()).toEqual([])
      expect(await log.lines()).toEqual(['GET /early', 'GET /early', 'POST /early'].toSorted())
      // The tickets of the new keys are good.
      await world.untilIdleIsClosed()
      expect((await world.ask('/early')).info.earlyData).toBe('accepted')
    })

    it('is answered behind a full handshake by an origin that has restarted, and accepted with a new ticket', async () => {
      connect()
      await warmUp()
      await nginx.restart()
      expect((await world.ask('/early')).info).toMatchObject({ earlyData: 'rejected', retries: 0 })
      await world.untilIdleIsClosed()
      expect((await world.ask('/early')).info).toMatchObject({ earlyData: 'accepted', retries: 0 })
    })

    it('reaches one that speaks another protocol by now', async () => {
      const others = protocol === 'h2' ? (['h2', 'http/1.1'] as const) : (['http/1.1', 'h2'] as const)
      connect({ protocols: others })
      if (protocol === 'http/1.1') {
        await using first = await other({ http2: false })
        way.leadsTo = first.tlsPort
        await warmUp()
        way.leadsTo = nginx.tlsPort // h2 and http/1.1: it takes what it is offered
        expect((await world.ask('/early')).status).toBe(200)
        return
      }
      await warmUp()
      await using second = await other({ http2: false })
      way.leadsTo = second.tlsPort
      const { info, text } = await world.ask('/early')
      expect(info).toMatchObject({ protocol: 'http/1.1', resumed: false, earlyData: 'none', retries: 1 })
      expect(parseReflection(text)['early']).toBe('')
      expect(world.retries()).toEqual(['early-data-lost'])
      await world.untilIdleIsClosed()
      expect((await world.ask('/early')).info).toMatchObject({ protocol: 'http/1.1', earlyData: 'accepted' })
    })

    it('reaches one that speaks TLS 1.2 only by now', async () => {
      connect()
      await warmUp()
      await using second = await other({ tlsProtocols: ['TLSv1.2'] })
      way.leadsTo = second.tlsPort
      const [early, held] = await Promise.all([
        world.ask('/early'),
        world.ask('/early', { method: 'POST', body: 'x' }),
      ])
      expect([early.status, held.status]).toEqual([200, 200])
      expect(early.info).toMatchObject({ earlyData: 'none', retries: 1 })
      expect(world.retries()).toContain('early-data-lost')
    })

    describe('lost in its handshake', () => {
      const faults: [string, (client: Socket) => void][] = [
        ['garbage', client => client.once('data', () => client.write('HTTP/1.1 400 Bad Request\r\n\r\n'))],
        ['random records', client => client.once('data', () => client.write(Buffer.alloc(2_000, 0x16)))],
        ['an alert', client => client.once('data', () => client.end(Buffer.from('15030300020228', 'hex')))],
        ['a reset', client => client.once('data', () => client.resetAndDestroy())],
        ['an end', client => client.once('data', () => client.end())],
        ['an end at once', client => client.end()],
        [
          'half a ServerHello',
          client => client.once('data', () => client.end(Buffer.from('160303007a020000', 'hex'))),
        ],
      ]
      it.each(faults)(
        '%s sends it again over a new connection, not early, with a full handshake',
        async (_, fault) => {
          connect()
          await warmUp()
          const back = nginx.tlsPort
          way.leadsTo = client => {
            way.leadsTo = back
            fault(client)
          }
          const { status, info, text } = await world.ask('/early')
          expect([status, parseReflection(text)['early']]).toEqual([200, ''])
          expect(info).toMatchObject({ resumed: false, earlyData: 'none', retries: 1 })
          expect(world.retries()).toEqual(['early-data-lost'])
          expect(way.offered.at(-1)).toBeUndefined()
          await world.untilIdleIsClosed()
          expect((await world.ask('/early')).info.earlyData).toBe('accepted')
        },
      )

      it.each(faults.slice(0, 5))('%s sends on too what was held back', async (_, fault) => {
        connect({ pool: { idleTimeoutMs: 30, maxConnections: 1 }, retry: {} })
        await warmUp()
        const back = nginx.tlsPort
        way.leadsTo = client => {
          way.leadsTo = back
          fault(client)
        }
        const answers = await Promise.all([
          world.ask('/early', { method: 'POST', body: 'x' }),
          world.ask('/early'),
          world.ask('/early', { method: 'POST', body: 'y' }),
        ])
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
      })
    })

    it('goes on over a new connection when an origin takes the connect and never answers', async () => {
      connect({ timeouts: { tlsMs: 1_000 } })
      await warmUp()
      const back = nginx.tlsPort
      way.leadsTo = client => {
        way.leadsTo = back
        client.resume()
      }
      const startedAt = performance.now()
      const { info } = await world.ask('/early')
      expect(performance.now() - startedAt).toBeLessThan(4_500)
      expect(performance.now() - startedAt).toBeGreaterThan(990)
      expect(info).toMatchObject({ resumed: false, earlyData: 'none', retries: 1 })
      expect(way.offered.at(-1)).toBeUndefined()
    })

    it('into an origin that never answers again ends with the TLS timeout', async () => {
      connect({ timeouts: { tlsMs: 1_000 } })
      await warmUp()
      way.leadsTo = client => void client.resume()
      await expect(world.ask('/early')).rejects.toMatchObject({ code: 'MM_TLS_TIMEOUT', processed: 'no' })
      await expect.poll(() => way.open).toBe(0)
    })

    it('is not sent again by a connection that was given up, when the handshake comes to its end after all', async () => {
      connect({ timeouts: { tlsMs: 1_000 } })
      await warmUp()
      await using log = await nginxLog(NGINX_EARLY, other)
      way.leadsTo = log.nginx.tlsPort
      // The answer to its ClientHello comes after 1,400 ms; the next connection finds a short way.
      way.delayMs = 700
      world.onEvent = ({ type }) => {
        if (type === 'exchange-retried') way.delayMs = 0
      }
      const { info } = await world.ask('/early')
      expect(info).toMatchObject({ resumed: false, earlyData: 'none', retries: 1 })
      await expect.poll(() => way.open, { timeout: 10_000 }).toBe(0)
      expect(await log.lines()).toEqual(['GET /early'])
    })

    it('is refused by an origin that wants another key exchange (HelloRetryRequest), and sent again', async () => {
      await using picky = await other({ extraHttp: 'ssl_ecdh_curve secp384r1;' })
      way.leadsTo = picky.tlsPort
      connect()
      await warmUp()
      const [early, held] = await Promise.all([
        world.ask('/early'),
        world.ask('/early', { method: 'POST', body: 'x' }),
      ])
      expect(early.info).toMatchObject({ resumed: true, earlyData: 'rejected', retries: 0 })
      expect([early.status, held.status]).toEqual([200, 200])
      expect(parseReflection(early.text)).toMatchObject({ early: '', reused: 'r' })
    })

    it('never leaves in the clear of a handshake with another server', async () => {
      connect()
      await warmUp()
      const stranger = await createCertificateAuthority()
      await using log = await nginxLog(NGINX_EARLY, options => other({ ...options, authority: stranger }))
      way.leadsTo = log.nginx.tlsPort
      const [early, held] = await Promise.allSettled([
        world.ask('/early'),
        world.ask('/early', { method: 'POST', body: 'x' }),
      ])
      for (const asked of [early, held]) {
        expect(asked).toMatchObject({
          status: 'rejected',
          reason: { code: 'MM_TLS_CERTIFICATE', processed: 'no' },
        })
      }
      expect(world.retries()).toContain('early-data-lost')
      expect(await log.lines()).toEqual([])
      // Behind it stands the right one again: nothing is left of that.
      way.leadsTo = nginx.tlsPort
      expect((await world.ask('/early')).info).toMatchObject({ resumed: false })
    })

    it('never reaches one whose certificate is for another name', async () => {
      connect()
      await warmUp()
      await using log = await nginxLog(NGINX_EARLY, options =>
        other({ ...options, names: ['elsewhere.test'] }),
      )
      way.leadsTo = log.nginx.tlsPort
      await expect(world.ask('/early')).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
      expect(await log.lines()).toEqual([])
    })

    it('leaves tickets of node:tls servers, which take none, as they are', async () => {
      connect()
      await using plain = await other({
        extraServer: NGINX_EARLY.replace('ssl_early_data on', 'ssl_early_data off'),
      })
      way.leadsTo = plain.tlsPort
      await warmUp()
      expect((await world.ask('/early')).info).toMatchObject({ resumed: true, earlyData: 'none', retries: 0 })
      expect(way.offered.map(offered => offered?.isEarly)).toEqual([undefined, false])
      expect(world.outcomes()).toEqual([])
    })

    it('is refused by an origin that has switched it off, and resumed all the same', async () => {
      using keys = makeTicketKey()
      const offPort = await freePort()
      const location = NGINX_EARLY.replace('ssl_early_data on', 'ssl_early_data off')
      // With the same certificate, which nginx binds its tickets to.
      await using on = await other({
        extraHttp: `${keys.directive} server { listen 127.0.0.1:${offPort} ssl http2; ${location} }`,
      })
      way.leadsTo = on.tlsPort
      connect()
      await warmUp()
      way.leadsTo = offPort
      const { info, text } = await world.ask('/early')
      expect(info).toMatchObject({ resumed: true, earlyData: 'rejected', retries: 0 })
      expect(parseReflection(text)).toMatchObject({ early: '', reused: 'r' })
      const [pool] = world.transport.stats().pools
      expect(pool?.opened).toMatchObject({ full: 1, resumed: 1, earlyData: 0 })
    })
  },
)
