import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { ALT_SVC_HERE, altSvc, startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { freeDualPort } from '../../support/udp-port.ts'
import { startUdpSink } from '../../support/udp-sink.ts'
import { untilOverHttp3 } from '../../support/until-over-http3.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/** Over TCP it takes 20 ms more than over UDP, so that HTTP/3 carries. */
const SLOW_TCP = { tcpDelayMs: 10 }

describe.skipIf(missing !== undefined)(
  `UDP that leads nowhere${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it('costs nothing where it was always swallowed', async () => {
      await using caddy = await startRelayedCaddy()
      caddy.udp.isBlackHole = true
      await overheadOf({
        url: `${caddy.url}/hello`,
        options: { defaults: { tls: { ca: caddy.ca } } },
        after: (_, log) => {
          expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
          expect(log.statuses).toContain('pending')
        },
      })
      expect(caddy.udp.counts['to-server'].lost).toBeGreaterThan(0)
    })

    it('is broken after its time-out, and tried again later and later', async () => {
      await using caddy = await startRelayedCaddy()
      caddy.udp.isBlackHole = true
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: caddy.ca }, timeouts: { connectMs: 200 }, select: { brokenBaseMs: 300 } },
        observer: log.observer,
      })
      const startedAt = performance.now()
      while (performance.now() - startedAt < 2500) {
        await timeOf(transport, `${caddy.url}/hello`)
        await sleep(10)
      }
      expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
      // It is left alone for 300, 600 and 1,200 ms; each trial takes 200 ms.
      expect(log.http3Dials).toEqual(Array<string>(3).fill(`127.0.0.1:${caddy.port} failed`))
      expect(log.statuses).toEqual([
        'pending',
        'broken',
        'failedRecently',
        'broken',
        'failedRecently',
        'broken',
      ])
      const { known, protocols } = await transport.explain(caddy.url)
      expect(protocols.find(({ protocol }) => protocol === 'h3')?.because).toMatch(
        /^broken for another .* after 3 failures/,
      )
      expect(known.map(({ fact }) => fact).join('\n')).toContain(`h3 at localhost:${caddy.port}`)
      caddy.udp.isBlackHole = false
      transport.networkChanged()
      await timeOf(transport, `${caddy.url}/hello`)
      await expect.poll(() => log.statuses.at(-1)).toBe('confirmed')
    })

    it('is broken, too, when TCP was connected long before and only answers', async () => {
      await using sink = await startUdpSink()
      await using caddy = await startCaddy({
        http2: true,
        extraSite: `header /hello Alt-Svc \`h3=":${sink.port}"\``,
      })
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: {
          tls: { ca: caddy.certificates.ca },
          timeouts: { connectMs: 200 },
          select: { probe: 'off' },
          pool: { idleTimeoutMs: 60_000 },
        },
        observer: log.observer,
      })
      const other = async (): Promise<void> => (await transport.request(`${caddy.url}/204`)).dump()
      await other()
      await sleep(10_500) // more than what h3-status takes for the same moment
      await other()
      await timeOf(transport, `${caddy.url}/hello`)
      await expect.poll(() => log.http3Dials, { timeout: 5_000 }).toEqual([`127.0.0.1:${sink.port} failed`])
      for (let request = 0; request < 10; request++) await other()
      expect(log.statuses).toEqual(['pending', 'broken'])
      expect(log.of('connection-opened')).toHaveLength(1)
    })

    it('costs nothing where the port is closed', async () => {
      await using caddy = await startCaddy({ http2: true, extraSite: ALT_SVC_HERE })
      await overheadOf({
        url: `${caddy.url}/hello`,
        options: { defaults: { tls: { ca: caddy.certificates.ca } } },
        after: async (_, log) => {
          expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
          await expect.poll(() => log.statuses).toEqual(['pending', 'broken'])
        },
      })
    })

    it.each(['closed', 'swallowed'])(
      'costs nothing where Alt-Svc names another port, which is %s',
      async kind => {
        await using sink = await startUdpSink()
        const port = kind === 'closed' ? await freeDualPort() : sink.port
        await using caddy = await startCaddy({ http2: true, extraSite: altSvc(`:${port}`) })
        await overheadOf({
          url: `${caddy.url}/hello`,
          options: { defaults: { tls: { ca: caddy.certificates.ca }, timeouts: { connectMs: 100 } } },
          after: async (_, log) => {
            expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
            await expect.poll(() => log.statuses).toEqual(['pending', 'broken'])
            expect(log.http3Dials).toEqual([`127.0.0.1:${port} failed`])
          },
        })
        expect(sink.received > 0).toBe(kind === 'swallowed')
      },
    )

    it('is bypassed by a request under way, though the origin has other settings by then', async () => {
      await using caddy = await startRelayedCaddy(SLOW_TCP)
      const log = new SelectionLog()
      const options = {
        // Without a second copy over TCP it would wait for as long as this.
        defaults: {
          tls: { ca: caddy.ca },
          timeouts: { headersMs: 20_000 },
          liveness: { intervalMs: 20_000 },
        },
        observer: log.observer,
      }
      await using transport = createTransport(options)
      await untilOverHttp3(transport, `${caddy.url}/hello`, log)
      caddy.udp.isBlackHole = true
      const startedAt = performance.now()
      const answer = transport.request(`${caddy.url}/hello`)
      transport.configure({ ...options, defaults: { ...options.defaults, retry: { maxRetries: 3 } } })
      expect((await answer).status).toBe(200)
      await (await answer).dump()
      expect(performance.now() - startedAt).toBeLessThan(10_000)
    })

    it('costs one request a moment when UDP dies under an idle connection', async () => {
      await using caddy = await startRelayedCaddy(SLOW_TCP)
      const url = `${caddy.url}/hello`
      await overheadOf({
        url,
        options: { defaults: { tls: { ca: caddy.ca } } },
        before: async (transport, log) => {
          caddy.udp.isBlackHole = false
          await untilOverHttp3(transport, url, log)
          caddy.udp.isBlackHole = true
          log?.clear()
        },
        after: (_, log) => {
          expect(log.of('exchange-retried').map(({ reason }) => reason)).toEqual(['http3-failed'])
          expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
          expect(log.statuses).toEqual(['broken'])
        },
      })
    })

    it('costs all requests under way a moment, and no other one', async () => {
      await using caddy = await startRelayedCaddy(SLOW_TCP)
      const url = `${caddy.url}/hello`
      await using plain = createTransport({
        defaults: { tls: { ca: caddy.ca }, protocols: ['h2', 'http/1.1'] },
      })
      await timeOf(plain, url)
      const manyAtOnce = async (transport: Transport): Promise<number> =>
        Math.max(...(await Promise.all(Array.from({ length: 20 }, () => timeOf(transport, url)))))
      const log = new SelectionLog()
      await using transport = createTransport({
        // Less than there are requests: on a way that is known to have failed a second copy costs no budget.
        defaults: { tls: { ca: caddy.ca }, retry: { maxRetries: 2, budgetMin: 5, budgetRatio: 0 } },
        observer: log.observer,
      })
      await untilOverHttp3(transport, url, log)
      // What is asked arrives; no answer does.
      caddy.udp.filter = (_, direction) => direction === 'to-server'
      log.clear()
      const underWayMs = await manyAtOnce(transport)
      const plainMs: number[] = []
      const after: number[] = []
      for (let request = 0; request < 10; request++) {
        plainMs.push(await timeOf(plain, url))
        after.push(await timeOf(transport, url))
      }
      expect(underWayMs).toBeLessThan((await manyAtOnce(plain)) + 300)
      const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[5]!
      expect(median(after)).toBeLessThan(median(plainMs) + 20)
      expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
      expect(log.statuses).toEqual(['broken'])
    })

    it('costs a race when it is remembered to have worked', async () => {
      await using caddy = await startRelayedCaddy(SLOW_TCP)
      const url = `${caddy.url}/hello`
      using directory = makeTemporaryDirectory('select')
      const tls = { ca: caddy.ca }
      const options: TransportOptions = { defaults: { tls }, state: { directory: directory.path } }
      {
        const log = new SelectionLog()
        await using transport = createTransport({ ...options, observer: log.observer })
        await untilOverHttp3(transport, url, log)
      }
      caddy.udp.isBlackHole = true
      await overheadOf({
        url,
        // What one learns is no news to the others: it goes back to what was remembered.
        options,
      })
    })

    it('that lets handshakes through costs one request a moment, and is tried later and later', async () => {
      await using caddy = await startRelayedCaddy(SLOW_TCP)
      caddy.udp.filter = datagram => (datagram[0]! & 0x80) !== 0 // long headers (RFC 9000 17.2): nothing but handshakes
      const log = new SelectionLog()
      const options: TransportOptions = { defaults: { tls: { ca: caddy.ca } } }
      await overheadOf({ url: `${caddy.url}/hello`, options, later: 10 })
      await using transport = createTransport({ ...options, observer: log.observer })
      const startedAt = performance.now()
      const times: number[] = []
      while (performance.now() - startedAt < 4_500) times.push(await timeOf(transport, `${caddy.url}/hello`))
      expect(log.statuses.filter(status => status === 'broken').length).toBeLessThanOrEqual(3)
      expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
      expect(Math.max(...times.slice(1))).toBeLessThan(
        times.toSorted((a, b) => a - b)[times.length >> 1]! + 300,
      )
    })
  },
)
