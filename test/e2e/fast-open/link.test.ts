import { beforeAll, describe, expect, it } from 'vitest'
import type { OriginOptions, Protocol } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { type FastOpenWorld, fastOpenWorld } from '../../support/fast-open-world.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'

/** TCP Fast Open over a way with a delay, and with middleboxes that do not know it. */

const missing = requireFastOpenNamespace() ?? requireLossyLink() ?? requireOpenssl() ?? requireBinary('nginx')
const PROTOCOLS: readonly Protocol[] = ['http/1.1', 'h2']
const NO_COOKIE = 'the kernel had no cookie for the address, and asked for one'
const RESENT = 'the SYN with data was lost, or something on the way drops it: it was sent again without'
const FAR = LINK_ADDRESSES.server
/** The kernel sends a SYN again after a second. */
const RESENT_MS = 950

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

interface Far {
  readonly link: LossyLink
  world(protocol: Protocol, options?: { early?: boolean; origin?: OriginOptions }): FastOpenWorld
}

/** nginx at the far end of the link, this process at the near one. */
async function overLink(delayMs: number, run: (far: Far) => Promise<void>): Promise<void> {
  await using link = await startLossyLink(delayMs)
  await link.setFastOpen(3)
  const away = link.enter('server')
  const starting = startNginx({
    http2: true,
    authority,
    extraServer: `listen ${FAR}:8443 ssl http2 fastopen=64 backlog=4096; ${NGINX_EARLY}`,
  })
  await using nginx = await starting.finally(() => away[Symbol.dispose]())
  using _here = link.enter('client')
  const world: Far['world'] = (protocol, options = {}) =>
    fastOpenWorld({
      port: 8443,
      ca: nginx.certificates.ca,
      protocols: [protocol],
      early: options.early ?? false,
      origin: { endpoints: [`${FAR}:8443`], ...options.origin },
    })
  await run({ link, world })
}

/** How many SYNs the near end has sent again. */
function resentSince(link: LossyLink): () => number {
  const before = link.tcpCounters('client').TCPSynRetrans
  return () => link.tcpCounters('client').TCPSynRetrans - before
}

async function timed<T>(work: Promise<T>): Promise<T & { readonly ms: number }> {
  const startedAt = performance.now()
  return { ...(await work), ms: performance.now() - startedAt }
}

describe.skipIf(missing !== undefined)(`TCP Fast Open over a link ${missing ?? ''}`, () => {
  it.each(PROTOCOLS)('spares a round trip, and with early data two: %s', async protocol => {
    await overLink(40, async ({ link, world }) => {
      const took: Record<string, number> = {}
      for (const [name, early, tfo] of [
        ['plain', false, 'off'],
        ['fast', false, 'on'],
        ['early', true, 'on'],
      ] as const) {
        link.flushCookies()
        await using here = world(protocol, { early, origin: { tfo, endpoints: [`${FAR}:8443`] } })
        await here.ask('/early')
        // A busy machine is late now and then, but not each time.
        for (let run = 0; run < 4; run++) {
          await here.untilIdleIsClosed()
          const { ms, info } = await timed(here.ask('/early'))
          expect(info).toMatchObject({
            tfo: tfo === 'on' ? 'used' : 'off',
            earlyData: early ? 'accepted' : 'none',
          })
          took[name] = Math.min(took[name] ?? ms, ms)
        }
      }
      // Round trips of 80 ms: three, two and one.
      expect(took['plain']).toBeGreaterThan(235)
      expect(took['fast']).toBeLessThan((took['plain'] ?? 0) - 50)
      expect(took['early']).toBeLessThan((took['fast'] ?? 0) - 50)
    })
  })

  it.each(PROTOCOLS)('says so when the first flight does not fit into the SYN: %s', async protocol => {
    await overLink(40, async ({ link, world }) => {
      await using here = world(protocol, { early: true })
      const large = { headers: { 'x-large': '~'.repeat(1_300) } }
      await here.ask('/early', large)
      await here.untilIdleIsClosed()
      const { status, text, info, ms } = await timed(here.ask('/early', large))
      // nginx calls it early if it has not read the end of the handshake with it, which came soon after.
      expect([status, text]).toEqual([200, expect.stringMatching(/^early: 1?\nreused: r\nmarked: \n$/)])
      expect(info).toMatchObject({
        tfo: 'used',
        tfoBecause: expect.stringMatching(
          /^the SYN carried the beginning of \d+ bytes: what is beyond \d+ had to wait for the SYN-ACK, so that no round trip was spared$/,
        ),
        earlyData: 'accepted',
      })
      const [, bytes = 0, budget = 0] = (
        /of (\d+) bytes: what is beyond (\d+)/.exec(info.tfoBecause ?? '') ?? []
      ).map(Number)
      expect(bytes).toBeGreaterThan(1_420)
      expect((await link.syns()).mostDataBytes, 'what the kernel has put into the SYN').toBe(budget)
      // Two round trips of 80 ms and not one.
      expect(ms).toBeGreaterThan(155)
      expect((await here.explained()).known).toContainEqual(
        expect.stringContaining('no round trip was spared'),
      )
    })
  })

  describe.each([false, true])('early data: %s', early => {
    it.each(PROTOCOLS)('waits once for a middlebox that drops SYNs with data: %s', async protocol => {
      await overLink(5, async ({ link, world }) => {
        await using here = world(protocol, { early })
        await here.ask('/early')
        await here.untilIdleIsClosed()
        await link.filter('syn-data')
        const resent = resentSince(link)
        const first = await timed(here.ask('/early'))
        expect(first).toMatchObject({ status: 200, info: { tfo: 'fallback', tfoBecause: RESENT } })
        expect(first.ms).toBeGreaterThan(RESENT_MS)
        expect(resent()).toBe(1)
        for (let round = 0; round < 2; round++) {
          await here.untilIdleIsClosed()
          expect(await here.ask('/early')).toMatchObject({
            status: 200,
            info: {
              tfo: 'fallback',
              tfoBecause: expect.stringMatching(/^left alone for another \d+ s after 1 failure/),
            },
          })
        }
        expect(resent(), 'nothing was waited for again').toBe(1)
        expect((await here.explained()).known).toContainEqual(
          expect.stringContaining(`TCP Fast Open is not used to ${FAR} (left alone`),
        )
        expect(here.retries()).toEqual([])
      })
    })
  })

  it.each(PROTOCOLS)('waits once for a middlebox that drops SYNs with the option: %s', async protocol => {
    await overLink(5, async ({ link, world }) => {
      await link.filter('syn-fast-open')
      await using here = world(protocol)
      const resent = resentSince(link)
      const first = await timed(here.ask('/early'))
      expect(first).toMatchObject({ status: 200, info: { tfo: 'fallback', tfoBecause: RESENT } })
      expect(first.ms).toBeGreaterThan(RESENT_MS)
      await here.untilIdleIsClosed()
      expect(resent()).toBe(1)
      expect((await here.ask('/early')).info.tfoBecause).toMatch(/^left alone for another/)
      expect(resent(), 'nothing was waited for again').toBe(1)
      // After the network has changed it is tried again.
      await link.filter('none')
      here.transport.networkChanged()
      await here.untilIdleIsClosed()
      expect((await here.ask('/early')).info.tfoBecause).toBe(NO_COOKIE)
      await here.untilIdleIsClosed()
      expect((await here.ask('/early')).info.tfo).toBe('used')
    })
  })

  describe.each([false, true])('early data: %s', early => {
    it.each(PROTOCOLS)(
      'leaves the request to the second address when the first is a black hole: %s',
      async protocol => {
        await overLink(5, async ({ link, world }) => {
          await using near = await startNginx({ http2: true, authority, extraServer: NGINX_EARLY })
          const endpoints = [`${FAR}:8443`, `127.0.0.1:${near.tlsPort}`]
          await using here = world(protocol, { early, origin: { endpoints, timeouts: { fastOpenMs: 600 } } })
          await here.ask('/early')
          await here.untilIdleIsClosed()
          expect((await here.ask('/early')).info).toMatchObject({
            tfo: 'used',
            remoteAddress: `${FAR}:8443`,
          })
          await here.untilIdleIsClosed()
          await link.filter('all')
          const { ms, status, info } = await timed(here.ask('/early'))
          expect([status, info.remoteAddress]).toEqual([200, `127.0.0.1:${near.tlsPort}`])
          // A connect with early data is in use before anybody has answered: it takes no part in a race, and
          // has `fastOpenMs`.
          expect(ms).toBeGreaterThan(early ? 600 + 240 : 240)
          expect(ms, 'long before the connect is given up').toBeLessThan(4_500)
          expect(here.retries()).toEqual(early ? ['early-data-lost'] : [])
          expect(info.attempts.slice(-2)).toMatchObject([
            { endpoint: `${FAR}:8443`, outcome: 'cancelled' },
            { endpoint: `127.0.0.1:${near.tlsPort}`, outcome: 'connected' },
          ])
          if (early) expect(here.fastOpens()).toContain('no answer came to a SYN with early data')
        })
      },
    )
  })
})
