import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionClosed } from '../../../src/entry/events.ts'
import { createTransport, type Transport } from '../../../src/index.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { Lateness } from '../../support/lateness.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { requireNative } from '../../support/require-native.ts'
import { until } from '../../support/until.ts'

/** The kernel counts whole seconds: a probe after one, another one after two, and the end after three. */
const LIVENESS = { intervalMs: 300, timeoutMs: 500 }
const KEEPALIVE_MS = 3_000
/** The kernel's timers are late by as much as they like to double. */
const SLACK_MS = 4_000

describe.each(['http/1.1', 'h2'] as const)('a path that is dead, under %s', protocol => {
  const missing = requireLossyLink() ?? requireNamespaces() ?? requireNative()
  let link: LossyLink
  let stay: Stay
  let origin: { readonly url: string; requestsSeen(): number; close(): Promise<void> }
  let transport: Transport
  let healed: Promise<void>
  const closed: (ConnectionClosed & { at: number })[] = []

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    closed.length = 0
    healed = Promise.resolve()
    link = await startLossyLink(5)
    stay = link.enter('server')
    const settings = { address: LINK_ADDRESSES.server }
    origin = await (protocol === 'h2' ? startHttp2Origin(settings) : startQuickOrigin(settings))
    stay[Symbol.dispose]()
    stay = link.enter('client')
    transport = createTransport({
      defaults: { protocols: [protocol], liveness: LIVENESS, endpoints: [LINK_ADDRESSES.server] },
      observer: event => {
        if (event.type !== 'connection-closed') return
        closed.push({ ...event, at: performance.now() })
        healed = link.filter('none')
      },
    })
  })
  afterEach(async () => {
    if (missing !== undefined) return
    await healed
    await transport.close()
    stay[Symbol.dispose]()
    await link.filter('none')
    await origin.close()
    await link[Symbol.asyncDispose]()
  })

  it('is found while nothing is under way, by two probes: the next request goes to a fresh connection at once', async () => {
    await (await transport.request(origin.url)).dump()
    const since = performance.now()
    await link.filter('all')
    await expect.poll(() => closed.length, { timeout: KEEPALIVE_MS + SLACK_MS, interval: 20 }).toBe(1)
    await healed
    expect(closed[0]!.at - since).toBeGreaterThan(KEEPALIVE_MS - 500)
    expect(closed).toMatchObject([{ reason: 'network-error', error: { code: 'MM_CONNECTION_RESET' } }])
    const response = await transport.request(origin.url)
    expect(response.status).toBe(200)
    await response.dump()
    expect(transport.stats().pools[0]).toMatchObject({ retries: 0, opened: { cleartext: 2 } })
  })

  const boundMs = protocol === 'h2' ? LIVENESS.intervalMs + LIVENESS.timeoutMs : KEEPALIVE_MS
  const reason = protocol === 'h2' ? 'ping-failed' : 'network-error'

  it.each([
    ['once a request has arrived', true],
    ['before a request has arrived', false],
  ])('is found %s, which is sent again and succeeds', async (_, isAhead) => {
    await (await transport.request(origin.url)).dump()
    if (!isAhead) await link.filter('all')
    const since = performance.now()
    const waiting = transport.request(`${origin.url}/slow?ms=1000`)
    using lateness = new Lateness()
    if (isAhead) {
      await until(() => origin.requestsSeen() === 2, 'the request')
      await link.filter('all')
    }
    const deadAt = performance.now()
    const response = await waiting
    expect(response.status).toBe(200)
    await response.dump()
    expect(closed).toMatchObject([{ reason }])
    expect(closed[0]!.at - since).toBeGreaterThan(boundMs - 500)
    const slackMs = protocol === 'h2' ? 500 : SLACK_MS
    expect(closed[0]!.at - deadAt).toBeLessThan(boundMs + slackMs + lateness.ms)
    expect(transport.stats().pools[0]).toMatchObject({ retries: 1, opened: { cleartext: 2 } })
  })
})
