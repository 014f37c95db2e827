import { describe, expect, it } from 'vitest'
import { createTransport } from '../../src/index.ts'
import { requireQuic } from '../support/require-quic.ts'
import { openUdpSocket } from '../support/udp-port.ts'

const missing = requireQuic()

/** Answers each Initial with a Version Negotiation packet (RFC 8999 6) that lists these. */
async function startNegotiator(versions: readonly number[]) {
  const socket = await openUdpSocket()
  let received = 0
  socket.on('message', (initial, { port, address }) => {
    received++
    const idEnd = 6 + (initial[5] ?? 0)
    const destination = initial.subarray(5, idEnd)
    const source = initial.subarray(idEnd, idEnd + 1 + (initial[idEnd] ?? 0))
    const list = Buffer.alloc(4 * versions.length)
    for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
    socket.send(Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 0), source, destination, list]), port, address)
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
    ])('is told by what it speaks: %j', async (versions, what) => {
      using negotiator = await startNegotiator(versions)
      await using transport = createTransport({ defaults: { protocols: ['h3'] } })
      const error = await transport
        .request(`https://127.0.0.1:${negotiator.port}/`)
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'MM_QUIC_VERSION', fault: 'remote', processed: 'no' })
      expect(String(error)).toContain(`127.0.0.1:${negotiator.port} ${what}`)
      // Nobody tells a server that it broke a protocol which it does not speak.
      expect(negotiator.received()).toBe(1)
    })
  },
)
