import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransportError } from '../../../src/base/errors.ts'
import { type IngressListener, listen } from '../../../src/ingress/listener.ts'
import { requestBlock } from '../../support/http2-fields.ts'
import {
  FLAG,
  headers,
  PREFACE,
  SETTING,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from '../../support/http2-wire.ts'
import { Lateness } from '../../support/lateness.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { requireNative } from '../../support/require-native.ts'
import { startTcpRelay } from '../../support/tcp-relay.ts'

/** So that TCP is what holds a response back, and not HTTP/2. */
const MAX_WINDOW_BYTES = 2 ** 31 - 1

const LIVENESS = { intervalMs: 300, timeoutMs: 500, quietIntervalMs: 300 }

/**
 * Both ways through the same relay, which falls silent for the first of them: its ends live on, and say
 * nothing.
 */
it('a client of HTTP/2 that falls silent is found while its request is under way, and one that answers PINGs may wait for any time', async () => {
  const aborted: { error: TransportError; at: number }[] = []
  const listener = await listen({
    address: { host: '127.0.0.1', port: 0 },
    limits: { liveness: LIVENESS },
    handler: exchange => {
      exchange.events = {
        onDrain: () => {},
        onAborted: error => void aborted.push({ error, at: performance.now() }),
      }
    },
  })
  await using relay = await startTcpRelay(listener.port)
  const ask = async () => {
    const client = http2.connect(`http://127.0.0.1:${relay.port}`)
    client.on('error', () => {}) // its end is what the test is about
    const pings: number[] = []
    client.on('ping', () => pings.push(performance.now()))
    client.request({ ':path': '/' }).on('error', () => {})
    await once(client, 'remoteSettings')
    return { client, pings }
  }
  const since = performance.now()
  const silent = await ask()
  using lateness = new Lateness()
  relay.silence()
  const silentAt = performance.now()
  const patient = await ask()
  await expect.poll(() => aborted.length, { timeout: 5_000, interval: 20 }).toBe(1)
  expect(aborted[0]?.error).toMatchObject({ code: 'MM_CLIENT_GONE' })
  expect(aborted[0]?.error.message).toContain('sent a liveness probe')
  expect(aborted[0]!.at - since).toBeGreaterThan(LIVENESS.intervalMs + LIVENESS.timeoutMs - 50)
  expect(aborted[0]!.at - silentAt).toBeLessThan(2_500 + lateness.ms)
  await expect.poll(() => patient.pings.length, { timeout: 5_000 }).toBeGreaterThanOrEqual(5)
  expect([silent.pings.length, aborted.length, listener.stats.connections.open]).toEqual([0, 1, 1])
  patient.client.destroy()
  silent.client.destroy()
  await listener.close()
})

describe('a client of HTTP/2 with a response under way', () => {
  const missing = requireLossyLink() ?? requireNamespaces() ?? requireNative()
  /** The kernel's own pauses are part of it. */
  const BOUND_MS = 2_000
  let link: LossyLink
  let stay: Stay
  let listener: IngressListener
  let client: Socket
  const aborted: string[] = []

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    aborted.length = 0
    link = await startLossyLink(5)
    stay = link.enter('server')
    listener = await listen({
      address: { host: LINK_ADDRESSES.server, port: 0 },
      limits: { liveness: { intervalMs: 500, timeoutMs: BOUND_MS - 500 }, writeTimeoutMs: 60_000 },
      handler: exchange => {
        const chunk = Buffer.alloc(65_536)
        const pour = (): void => {
          while (exchange.respondData(chunk, own => own));
        }
        exchange.events = { onDrain: pour, onAborted: error => void aborted.push(error.message) }
        exchange.respondStart(200, [])
        pour()
      },
    })
    stay[Symbol.dispose]()
    stay = link.enter('client')
    client = connect(listener.port, LINK_ADDRESSES.server)
    client.on('error', () => {}) // its end is what the test is about
    client.write(
      Buffer.concat([
        PREFACE,
        settings({ [SETTING.INITIAL_WINDOW_SIZE]: MAX_WINDOW_BYTES }),
        SETTINGS_ACK,
        windowUpdate(0, MAX_WINDOW_BYTES - 65_535),
        headers(1, requestBlock('/', [], 'GET'), FLAG.END_HEADERS | FLAG.END_STREAM),
      ]),
    )
    await once(client, 'data')
  })
  afterEach(async () => {
    if (missing !== undefined) return
    client.destroy()
    stay[Symbol.dispose]()
    await listener.close()
    await link[Symbol.asyncDispose]()
  })

  it('is found within the bound when its path dies', async () => {
    await link.filter('all')
    using lateness = new Lateness()
    const since = performance.now()
    await expect.poll(() => aborted.length, { timeout: 10_000, interval: 10 }).toBe(1)
    expect(aborted[0]).toContain('acknowledged nothing')
    expect(performance.now() - since).toBeLessThan(BOUND_MS + 500 + lateness.ms)
  })

  it('is left to writeTimeoutMs when it only takes nothing', async () => {
    client.pause()
    await sleep(3 * BOUND_MS)
    expect([aborted, listener.stats.connections.open]).toEqual([[], 1])
  })
})
