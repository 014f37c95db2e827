import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHttp3PeerOrigin } from '../../support/http3-peer-origin.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { ALT_SVC_HERE, startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { startTcpRelay } from '../../support/tcp-relay.ts'
import { freeDualPort } from '../../support/udp-port.ts'
import { untilOverHttp3 } from '../../support/until-over-http3.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/**
 * caddy over TCP, and at the UDP port of the same number HTTP/3 that acknowledges everything and never
 * answers.
 */
async function startMute(tcpDelayMs: number) {
  const authority = await createCertificateAuthority()
  const caddy = await startCaddy({ authority, http2: true, extraSite: ALT_SVC_HERE })
  const port = await freeDualPort()
  const tcp = await startTcpRelay(caddy.tlsPort, { port, delayMs: tcpDelayMs })
  const mute = await startHttp3PeerOrigin({
    port,
    tls: await authority.issue({ names: ['localhost'] }),
    onRequest: () => {},
  })
  return {
    url: `https://localhost:${port}/hello`,
    options: { defaults: { tls: { ca: authority.cert } } },
    mute,
    async [Symbol.asyncDispose]() {
      await mute[Symbol.asyncDispose]()
      await tcp[Symbol.asyncDispose]()
      await caddy.stop()
    },
  }
}

/** caddy before an origin that takes 400 ms for `/slow`, and far away over TCP. */
async function startThinking() {
  const upstream = await startHttp2Origin({ protocols: ['http/1.1'], delayMs: 400 })
  const caddy = await startRelayedCaddy({
    tcpDelayMs: 10,
    extraSite: `reverse_proxy /slow 127.0.0.1:${upstream.port}`,
  })
  return {
    caddy,
    url: caddy.url,
    options: { defaults: { tls: { ca: caddy.ca } } },
    upstream,
    async [Symbol.asyncDispose]() {
      await caddy[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
}

describe.skipIf(missing !== undefined)(
  `HTTP/3 that stalls${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it.each([0, 25])(
      'because its origin never answers costs one request a moment (TCP takes %i ms each way)',
      async delayMs => {
        await using origin = await startMute(delayMs)
        const { url, options } = origin
        await overheadOf({ url, options, later: 0 })
        const log = new SelectionLog()
        await using transport = createTransport({ ...options, observer: log.observer })
        const times: number[] = []
        const startedAt = performance.now()
        for (let request = 0; request < 60; request++) times.push(await timeOf(transport, url))
        const tookMs = performance.now() - startedAt
        expect(origin.mute.peers.some(({ streams }) => streams.size > 3)).toBe(true) // it was asked
        expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
        expect(log.statuses).toContain('broken')
        const plainMs = times.toSorted((a, b) => a - b)[30]!
        const late = times.slice(1).filter(ms => ms > plainMs + 30)
        expect(Math.max(0, ...late)).toBeLessThan(plainMs + 300)
        // Where TCP is as slow as HTTP/3 was waited for, which it is on a busy machine too, one request may
        // still mean that the origin is slow.
        const failures = log.statuses.filter(status => status === 'broken').length
        const retries = log.of('exchange-retried').length
        expect([retries >= failures, retries <= 2 * failures]).toEqual([true, true])
        // The more time the requests take, the more often it is tried again.
        expect(failures).toBeLessThanOrEqual(2 + Math.floor(tookMs / 5_000))
      },
    )

    it('because its origin computes is waited for, and not asked twice', async () => {
      await using origin = await startThinking()
      const log = new SelectionLog()
      await using transport = createTransport({ ...origin.options, observer: log.observer })
      await untilOverHttp3(transport, `${origin.url}/hello`, log)
      log.clear()
      await Promise.all(Array.from({ length: 5 }, () => timeOf(transport, `${origin.url}/slow`)))
      expect(log.lanes).toEqual(Array<string>(5).fill('h3'))
      expect(log.of('exchange-retried')).toEqual([])
      expect(log.statuses).toEqual([])
      expect(origin.upstream.requestsSeen()).toBe(5)
    })

    it('because UDP dies while its origin computes is noticed in time', async () => {
      await using origin = await startThinking()
      await using plain = createTransport({
        defaults: { ...origin.options.defaults, protocols: ['h2', 'http/1.1'] },
      })
      await timeOf(plain, `${origin.url}/hello`)
      const log = new SelectionLog()
      await using transport = createTransport({ ...origin.options, observer: log.observer })
      await untilOverHttp3(transport, `${origin.url}/hello`, log)
      log.clear()
      const askedAt = performance.now()
      const asked = timeOf(transport, `${origin.url}/slow`)
      await sleep(150)
      const diedAfterMs = performance.now() - askedAt
      origin.caddy.udp.isBlackHole = true
      const took = await asked
      // When it died, to notice it, and all of it over TCP.
      expect(took).toBeLessThan(diedAfterMs + 300 + (await timeOf(plain, `${origin.url}/slow`)))
      expect(log.lanes).toEqual(['tcp'])
      expect(log.statuses).toEqual(['broken'])
      const next = await timeOf(transport, `${origin.url}/hello`)
      expect(next).toBeLessThan((await timeOf(plain, `${origin.url}/hello`)) + 30)
    })
  },
)
