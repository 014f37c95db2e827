import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { load } from '../../support/load.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { openUdpSocket } from '../../support/udp-port.ts'
import { type RelayDirection, startUdpRelay, type UdpRelay } from '../../support/udp-relay.ts'

const missing = requireQuic()
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
/** In each direction. */
const FORGED = 10_000
/** Real datagrams that forgeries are made of. */
const SAMPLES = 256

/** Bytes that come from the right address and are not of the peer: what anybody on the way can send. */
describe.skipIf(missing !== undefined)('forged datagrams into a live connection', () => {
  let origin: Http3Origin
  let relay: UdpRelay
  let transport: Transport
  const samples: Record<RelayDirection, Buffer[]> = { 'to-server': [], 'to-client': [] }
  beforeAll(async () => {
    const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    origin = await startHttp3Origin({ tls })
    relay = await startUdpRelay(origin.port, {
      filter: (datagram, direction, index) => {
        samples[direction][index % SAMPLES] = datagram
        return true
      },
    })
    transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: tls.ca } } })
  })
  afterAll(async () => {
    await transport?.close()
    await relay?.[Symbol.asyncDispose]()
    await origin?.close()
  })
  const url = (path: string): string => `https://localhost:${relay.port}${path}`
  const random = seededRandom(4711)
  const below = (limit: number): number => Math.floor(random() * limit)

  /**
   * Of any length, with the header of a real one or without; or a real one that was changed, cut, or made
   * longer.
   */
  const forge = (direction: RelayDirection): Buffer => {
    const real = Buffer.from(samples[direction][below(samples[direction].length)] ?? Buffer.alloc(100))
    const noise = Buffer.from(Array.from({ length: below(200) }, () => below(256)))
    switch (below(7)) {
      case 0:
        return noise
      case 1: // short header, right connection id
        return Buffer.concat([real.subarray(0, 17), noise])
      case 2: // long header of some type and version
        return Buffer.concat([Buffer.of(0xc0 | below(64), 0, 0, 0, below(3)), real.subarray(1, 21), noise])
      case 3:
        return real.subarray(0, below(real.length))
      case 4:
        return Buffer.concat([real, noise])
      case 5: // once more, as it was
        return real
      default: {
        for (let i = 0; i <= below(4); i++) real[below(real.length)] = below(256)
        return real
      }
    }
  }

  it('break nothing, block nothing and harm no stream, 10,000 in each direction', async () => {
    expect((await load(transport, url('/bytes/3000'), { requests: 200, concurrency: 20 })).failures).toEqual(
      [],
    )
    const connections = origin.connectionsSeen()
    const [clientPort = 0] = relay.clientPorts
    const long = transport.request(url('/bytes/5000000')).then(response => response.bytes())
    const stop = new AbortController()
    const busy = load(transport, url('/bytes/3000'), { until: stop.signal, concurrency: 10 })
    for (let sent = 0; sent < FORGED; sent++) {
      for (const direction of ['to-client', 'to-server'] as const)
        relay.inject(direction, forge(direction), clientPort)
      if (sent % 20 === 19) await new Promise(setImmediate)
    }
    stop.abort()
    const { failures, perConnection } = await busy
    expect(failures).toEqual([])
    expect(sha256(await long)).toBe(sha256(patternBytes(5_000_000)))
    expect([perConnection.size, origin.connectionsSeen() - connections]).toEqual([1, 0])
    expect(transport.stats().pools[0]).toMatchObject({ retries: 0, streams: 0, opened: { full: 1 } })
  })

  it('are not even read when they come from other addresses', async () => {
    const [clientPort = 0] = relay.clientPorts
    const stranger = await openUdpSocket()
    for (let sent = 0; sent < 2_000; sent++) {
      stranger.send(forge('to-client'), clientPort, '127.0.0.1')
      stranger.send(forge('to-server'), origin.port, '127.0.0.1')
    }
    const { failures } = await load(transport, url('/bytes/3000'), { requests: 100, concurrency: 10 })
    stranger.close()
    expect(failures).toEqual([])
    expect(transport.stats().pools[0]).toMatchObject({ opened: { full: 1 }, retries: 0 })
  })

  it('count as lost, where one in ten is changed on the way', { timeout: 120_000 }, async () => {
    relay.filter = datagram => {
      if (random() > 0.1) return true
      const changed = Buffer.from(datagram)
      changed[below(changed.length)]! ^= 1 << below(8)
      return changed
    }
    const response = await transport.request(url('/bytes/1000000'))
    expect(sha256(await response.bytes())).toBe(sha256(patternBytes(1_000_000)))
    expect((await load(transport, url('/bytes/3000'), { requests: 100, concurrency: 10 })).failures).toEqual(
      [],
    )
    expect(transport.stats().pools[0]).toMatchObject({ opened: { full: 1 }, retries: 0 })
  })

  it('only delay handshakes, even in their midst', async () => {
    relay.filter = (datagram, direction, index) => {
      const [client] = relay.clientPorts.slice(-1)
      if (client !== undefined && index % 2 === 0) {
        const changed = Buffer.from(datagram)
        changed[below(Math.min(changed.length, 60))]! ^= 1 << below(8)
        relay.inject(direction, changed, client)
      }
      return true
    }
    for (let round = 0; round < 20; round++) {
      await using fresh = createTransport({
        defaults: { protocols: ['h3'], tls: { rejectUnauthorized: false } },
      })
      const response = await fresh.request(url('/bytes/1000'))
      expect((await response.bytes()).length).toBe(1_000)
    }
  })
})
