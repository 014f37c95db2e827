import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { VERSION_GRACE_MS } from '../../../src/quic/quiche/version-doubt.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { openUdpSocket } from '../../support/udp-port.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'

const missing = requireQuic()

/** The Version Negotiation packet (RFC 8999 6) that answers an Initial, and lists these. */
function negotiation(initial: Buffer, versions: readonly number[]): Buffer {
  const idEnd = 6 + (initial[5] ?? 0)
  const destination = initial.subarray(5, idEnd)
  const source = initial.subarray(idEnd, idEnd + 1 + (initial[idEnd] ?? 0))
  const list = Buffer.alloc(4 * versions.length)
  for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
  return Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 0), source, destination, list])
}

/** Answers each Initial with a Version Negotiation packet that lists these. */
async function startNegotiator(versions: readonly number[]) {
  const socket = await openUdpSocket()
  let received = 0
  socket.on('message', (initial, { port, address }) => {
    received++
    socket.send(negotiation(initial, versions), port, address)
  })
  return {
    port: socket.address().port,
    received: () => received,
    [Symbol.dispose]: () => void socket.close(),
  }
}

describe.skipIf(missing !== undefined)(
  `an origin without QUIC version 1${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    it.each([
      [[0x6b3343cf], 'speaks QUIC version 2 only, which this engine does not'],
      [
        [0x0a1a2a3a, 0xff00001d, 0x6b3343cf],
        'speaks QUIC draft 29 and version 2 only, which this engine does not',
      ],
    ])('is reported with what it speaks: %j', async (versions, what) => {
      using negotiator = await startNegotiator(versions)
      await using transport = createTransport({ defaults: { protocols: ['h3'] } })
      const startedAt = performance.now()
      const error = await transport
        .request(`https://127.0.0.1:${negotiator.port}/`)
        .catch((thrown: unknown) => thrown)
      expect(String(error)).toContain(`127.0.0.1:${negotiator.port} ${what}`)
      expect(error).toMatchObject({ code: 'MM_QUIC_VERSION', fault: 'remote', processed: 'no' })
      // Nobody tells a server that it broke a protocol which it does not speak. On a machine that is busy the Initial
      // itself is sent again by then (RFC 9002 6.2.2: after a second).
      if (performance.now() - startedAt < 1_000) expect(negotiator.received()).toBe(1)
      expect(negotiator.received()).toBeLessThanOrEqual(2)
    })

    it('is recognized by its own answer only, so that a forged packet before that does no harm', async () => {
      const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
      const origin = await startHttp3Origin({ tls })
      let forged = 0
      let initial: Buffer | undefined
      const relay = await startUdpRelay(origin.port, {
        filter: (datagram, direction, _index, client) => {
          if (direction === 'to-server') initial ??= Buffer.from(datagram)
          else if (initial !== undefined && forged === 0) {
            // At once before the answer: a busy machine would have the grace pass between the two.
            forged++
            relay.inject('to-client', negotiation(initial, [0x6b3343cf]), client.port)
          }
          return true
        },
      })
      const transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: tls.ca } } })
      try {
        const get = () => transport.request(`https://localhost:${relay.port}/bytes/1000`)
        expect((await (await get()).bytes()).length).toBe(1_000)
        expect(forged).toBe(1)
        // It is forgotten by then.
        await new Promise(resolve => setTimeout(resolve, 2 * VERSION_GRACE_MS))
        expect((await (await get()).bytes()).length).toBe(1_000)
        expect(transport.stats().pools[0]).toMatchObject({ retries: 0, opened: { full: 1 } })
      } finally {
        await transport.close()
        await relay[Symbol.asyncDispose]()
        await origin.close()
      }
    })
  },
)
