import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionClosed } from '../../../src/entry/events.ts'
import type { SocketOptions } from '../../../src/entry/options.ts'
import { createTransport, type Transport } from '../../../src/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { requireNative } from '../../support/require-native.ts'

/** The kernel's timers are late by as much as they like to double. */
const SLACK_MS = 4_000

describe('an origin that falls silent', () => {
  const missing = requireLossyLink() ?? requireNamespaces() ?? requireNative()
  let link: LossyLink
  let stay: Stay
  let origin: TestOrigin
  let transport: Transport | undefined
  const closed: ConnectionClosed[] = []

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    closed.length = 0
    link = await startLossyLink(5)
    stay = link.enter('server')
    origin = await startQuickOrigin({ address: LINK_ADDRESSES.server })
    stay[Symbol.dispose]()
    stay = link.enter('client')
  })
  afterEach(async () => {
    if (missing !== undefined) return
    await transport?.close()
    stay[Symbol.dispose]()
    await link.filter('none')
    await origin.close()
    await link[Symbol.asyncDispose]()
  })

  /** A connection that was good until now. Returns when it was good for the last time. */
  async function fallSilent(socket: Partial<SocketOptions>): Promise<number> {
    transport = createTransport({
      defaults: { socket, endpoints: [LINK_ADDRESSES.server] },
      observer: event => void (event.type === 'connection-closed' && closed.push(event)),
    })
    await (await transport.request(`${origin.url}/bytes/1`)).dump()
    const since = performance.now()
    await link.filter('all')
    return since
  }

  it('is given up when what was sent is not acknowledged for userTimeoutMs', async () => {
    const since = await fallSilent({ userTimeoutMs: 1_000 })
    const response = transport!.request(`${origin.url}/bytes/1`, { method: 'POST', body: 'x' })
    await expect(response).rejects.toThrow(/ETIMEDOUT/)
    const tookMs = performance.now() - since
    expect(tookMs).toBeGreaterThan(900)
    expect(tookMs).toBeLessThan(1_000 + SLACK_MS)
    expect(closed).toMatchObject([{ reason: 'network-error' }])
  })

  it('is found out by keepalive while nothing is sent: delay, and interval times probes', async () => {
    const since = await fallSilent({
      keepAliveDelayMs: 1_000,
      keepAliveIntervalMs: 1_000,
      keepAliveProbes: 2,
    })
    await expect.poll(() => closed.length, { timeout: 3_000 + SLACK_MS, interval: 20 }).toBe(1)
    const tookMs = performance.now() - since
    expect(tookMs).toBeGreaterThan(2_500)
    expect(closed).toMatchObject([{ reason: 'network-error', requests: 1 }])
  })
})
