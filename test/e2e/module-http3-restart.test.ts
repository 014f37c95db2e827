import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportEvent } from '../../src/index.ts'
import { startNgtcp2Server } from '../support/ngtcp2-server.ts'
import { requireBinary } from '../support/require-binary.ts'
import { startUdpRelay } from '../support/udp-relay.ts'
import { requireQuic } from '../support/require-quic.ts'

const missing = requireBinary('gtlsserver') ?? requireQuic()

/** Much less than what liveness takes (20 s), and much more than three probe timeouts. */
const SOON_MS = 8_000

describe.skipIf(missing !== undefined)('an origin over HTTP/3 that is killed while idle, and started again', () => {
  it.each<[string, boolean]>([
    ['GET', false],
    ['POST', false],
    ['GET', true],
    ['POST', true],
  ])('answers a %s over a new connection (trusted: %s)', async (method, trusted) => {
    await using server = await startNgtcp2Server()
    // No news comes through it that nobody listens any more.
    await using relay = await startUdpRelay(server.port)
    const url = `https://localhost:${relay.port}`
    const events: TransportEvent[] = []
    await using transport = createTransport({
      defaults: { protocols: ['h3'], trusted, tls: { ca: server.certificates.ca }, quic: { doubtMs: 1 } },
      observer: event => void events.push(event),
    })
    const first = await send(transport, url, 'GET')
    await server.restart('SIGKILL')
    await sleep(300) // three probe timeouts, and some: it is idle
    const startedAt = performance.now()
    const second = await send(transport, url, method)
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS)
    expect(second.status).toBe(200)
    expect(second.connectionId).not.toBe(first.connectionId)
  })
})

async function send(
  transport: Transport,
  url: string,
  method: string,
): Promise<{ status: number; connectionId: number }> {
  const response = await transport.request(`${url}/hello`, { method, body: method === 'POST' ? 'pay' : null })
  await response.dump()
  return { status: response.status, connectionId: response.info.connectionId }
}
