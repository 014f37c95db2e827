import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { asTransportError, createTransport, type Transport, type TransportError } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { untilOverHttp3 } from '../../support/until-over-http3.ts'

const missing = requireBinary('gtlsserver') ?? requireQuic()

/** Much less than what liveness takes (20 s), and much more than three probe timeouts. */
const SOON_MS = 8_000
/** More than a probe timeout, whatever the round trips of a busy machine are. */
const IDLE_MS = 1_000

describe.skipIf(missing !== undefined)(
  'an origin over HTTP/3 that is killed while idle, and started again',
  () => {
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
      await using transport = createTransport({
        defaults: { protocols: ['h3'], trusted, tls: { ca: server.certificates.ca } },
      })
      const first = await send(transport, url, 'GET')
      await server.restart('SIGKILL')
      await sleep(IDLE_MS)
      const startedAt = performance.now()
      const second = await send(transport, url, method)
      expect(performance.now() - startedAt).toBeLessThan(SOON_MS)
      expect(second.status).toBe(200)
      expect(second.connectionId).not.toBe(first.connectionId)
    })
  },
)

const noCaddy = requireBinary('caddy') ?? requireQuic()

describe.skipIf(noCaddy !== undefined)(
  'an origin over HTTP/3 and TCP that is killed while idle, and started again',
  () => {
    it.each(['GET', 'POST'])('answers a %s soon, over whatever is made first', async method => {
      await using caddy = await startRelayedCaddy({ tcpDelayMs: 50 })
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: caddy.ca } },
        observer: log.observer,
      })
      await untilOverHttp3(transport, `${caddy.url}/1k`, log)
      await caddy.restart('SIGKILL')
      await sleep(IDLE_MS)
      const startedAt = performance.now()
      const response = await transport.request(`${caddy.url}/1k`, {
        method,
        body: method === 'POST' ? 'pay' : null,
      })
      await response.dump()
      expect(performance.now() - startedAt).toBeLessThan(SOON_MS)
      expect(response.status).toBeLessThan(500)
    })
  },
)

describe.skipIf(missing !== undefined)(
  'an origin over HTTP/3 whose port goes to another process under load',
  () => {
    it('leaves no GET without an answer, and of POSTs only those that had left', async () => {
      const authority = await createCertificateAuthority()
      await using old = await startNgtcp2Server({ authority })
      await using young = await startNgtcp2Server({ authority })
      await using relay = await startUdpRelay(old.port)
      await using transport = createTransport({
        defaults: {
          protocols: ['h3'],
          tls: { ca: authority.cert },
          pool: { maxStreamsPerConnection: 4 },
          liveness: { intervalMs: 1_000, timeoutMs: 2_000 }, // what the POSTs that are lost wait for
        },
      })
      const url = `https://localhost:${relay.port}`
      let answered = 0
      const lane = async (method: string): Promise<TransportError[]> => {
        const failures: TransportError[] = []
        while (answered < 1_000) {
          try {
            await send(transport, url, method)
            answered += 1
          } catch (error) {
            failures.push(asTransportError(error))
          }
          if (answered === 200) relay.leadsTo = young.port
        }
        return failures
      }
      const gets = Array.from({ length: 12 }, () => lane('GET'))
      const posts = Array.from({ length: 4 }, () => lane('POST'))
      expect((await Promise.all(gets)).flat()).toEqual([])
      // Each lane had one under way, of which nobody knows what became.
      const lost = (await Promise.all(posts)).flat()
      expect(lost.length).toBeLessThanOrEqual(posts.length)
      for (const { processed } of lost) expect(processed).toBe('unknown')
    })
  },
)

async function send(
  transport: Transport,
  url: string,
  method: string,
): Promise<{ status: number; connectionId: number }> {
  const response = await transport.request(`${url}/hello`, { method, body: method === 'POST' ? 'pay' : null })
  await response.dump()
  return { status: response.status, connectionId: response.info.connectionId }
}
