import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  type TransportEvent,
} from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startUdpRelay, type UdpRelay } from '../../support/udp-relay.ts'

const missing = requireQuic()

/**
 * What the transport makes of early data whose handshake does not come to its end, and what it reports it.
 */
describe.skipIf(missing !== undefined)(`early data${missing === undefined ? '' : ` (${missing})`}`, () => {
  let authority: CertificateAuthority
  let origin: Http3Origin
  let relay: UdpRelay
  let transport: Transport
  let events: TransportEvent[]
  let isDead: boolean
  let onEvent: (event: TransportEvent) => void
  beforeAll(async () => {
    authority = await createCertificateAuthority()
  })
  beforeEach(async () => {
    isDead = false
    onEvent = () => {}
    events = []
    origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }), earlyData: true })
    relay = await startUdpRelay(origin.port, { filter: () => !isDead })
  })
  afterEach(async () => {
    await transport.close()
    await relay[Symbol.asyncDispose]()
    await origin.close()
  })

  const connect = (options: OriginOptions = {}): void => {
    transport = createTransport({
      defaults: {
        protocols: ['h3'],
        tls: { ca: authority.cert },
        endpoints: [`127.0.0.1:${relay.port}`],
        pool: { idleTimeoutMs: 30 },
        retry: { maxRetries: 0, budgetMin: 0, budgetRatio: 0 },
        ...options,
      },
      observer: event => {
        events.push(event)
        onEvent(event)
      },
    })
  }
  const url = (path = '/'): string => `https://localhost:${origin.port}${path}`
  const ask = async (options: { method?: string; body?: string; earlyData?: boolean } = {}) => {
    const response = await transport.request(url(), options)
    await response.dump()
    return response.info
  }
  /** Until the pool is empty, so that the next request dials with a ticket. */
  const untilIdleIsClosed = () => expect.poll(() => transport.stats().totalConnections).toBe(0)
  const reasons = () => events.flatMap(event => (event.type === 'exchange-retried' ? [event.reason] : []))

  it('into a black hole ends with the connect timeout, and is sent once more without a ticket', async () => {
    connect({ timeouts: { connectMs: 400 } })
    await ask()
    await untilIdleIsClosed()
    isDead = true
    await expect(ask({ earlyData: true })).rejects.toMatchObject({
      code: 'MM_CONNECT_TIMEOUT',
      processed: 'no',
    })
    expect(reasons()).toEqual(['early-data-lost'])
    isDead = false
    expect(await ask({ earlyData: true })).toMatchObject({ resumed: false, earlyData: 'none' })
  })

  it('into a hole that closes in time reaches the origin by that second copy', async () => {
    connect({ timeouts: { connectMs: 400 } })
    await ask()
    await untilIdleIsClosed()
    isDead = true
    onEvent = ({ type }) => {
      if (type === 'exchange-retried') isDead = false
    }
    expect(await ask({ earlyData: true })).toMatchObject({ resumed: false, earlyData: 'none', retries: 1 })
  })

  it('holds back what may not leave in it until the handshake is complete, on the same connection', async () => {
    connect()
    await ask()
    await untilIdleIsClosed()
    const [early, held, notAsked] = await Promise.all([
      ask({ earlyData: true }),
      ask({ method: 'POST', body: 'x', earlyData: true }),
      ask({}),
    ])
    expect([early, held, notAsked].map(({ earlyData }) => earlyData)).toEqual(['accepted', 'none', 'none'])
    expect(new Set([early, held, notAsked].map(({ connectionId }) => connectionId)).size).toBe(1)
    expect(origin.earlyRequestsSeen()).toBe(1)
  })

  it('is asked for by fetch and by the dispatcher too', async () => {
    connect()
    await ask()
    await untilIdleIsClosed()
    expect((await transport.fetch(url(), { earlyData: true })).status).toBe(200)
    expect(origin.earlyRequestsSeen()).toBe(1)
    await untilIdleIsClosed()
    await ask()
    await untilIdleIsClosed()
    const dispatcher = transport.dispatcher({ earlyData: true })
    const response = await fetch(url(), { dispatcher })
    expect([response.status, origin.earlyRequestsSeen()]).toEqual([200, 2])
  })

  it('is reported, and counted by what became of it', async () => {
    connect({ earlyData: 'safe' })
    await ask()
    await untilIdleIsClosed()
    await ask()
    await expect.poll(() => events.filter(({ type }) => type === 'early-data').length).toBe(1)
    expect(events.findLast(({ type }) => type === 'exchange-ended')).toMatchObject({
      earlyData: 'accepted',
      stallMs: expect.any(Number),
      protocol: 'h3',
    })
    const [pool] = transport.stats().pools
    expect(pool).toMatchObject({
      opened: { full: 1, resumed: 0, earlyData: 1 },
      handshakeRttsSaved: 1,
      path: { connections: 1, rttMs: expect.any(Number), lossRatio: 0 },
      byProtocol: { h3: { idle: 1 } },
    })
  })
})
