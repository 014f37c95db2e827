import { beforeAll, describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../src/entry/events.ts'
import { createTransport, type OriginOptions, type PoolStats, type Transport } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startRecyclingOrigin } from '../../../src/testing/origins.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'

const missing = requireQuic()

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

/** A transport, and the handshakes of its connections as its observer received them. */
function observed(options: OriginOptions): { transport: Transport; handshakes: HandshakeInfo[] } {
  const handshakes: HandshakeInfo[] = []
  const transport = createTransport({
    defaults: options,
    observer: event => {
      // What was opened in early data is notified of once more, when it is complete.
      if (event.type === 'connection-opened' && event.connection.handshake.kind !== 'early_data')
        handshakes.push(event.connection.handshake)
      if (event.type === 'early-data') handshakes.push(event.connection.handshake)
    },
  })
  return { transport, handshakes }
}

async function ask(transport: Transport, url: string, times: number, earlyData = false): Promise<void> {
  for (let i = 0; i < times; i++) await (await transport.request(url, { earlyData })).dump()
}

function poolOf(transport: Transport): PoolStats {
  const [pool] = transport.stats().pools
  if (pool === undefined) throw new Error('no pool was made')
  return pool
}

const total = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce((sum, value) => (value === undefined ? sum : (sum ?? 0) + value), undefined)
const waitedSeconds = ({ timings: { connectMs, tlsMs } }: HandshakeInfo): number => (connectMs + tlsMs) / 1000
const least = (values: readonly number[]): number => Math.min(...values)

describe('what handshakes over TCP cost and what was avoided', () => {
  it.each([
    ['TLSv1.3', 2, 0],
    ['TLSv1.2', 3, 1],
  ] as const)(
    'agrees with a real origin and with what was observed: %s',
    async (maxVersion, fullRoundTrips, sparedByResumption) => {
      const origin = await startRecyclingOrigin({
        tls: await authority.issue({ names: ['localhost'] }),
        maxRequestsPerConnection: 4,
      })
      const { transport, handshakes } = observed({
        protocols: ['http/1.1'],
        tls: { ca: authority.cert, maxVersion },
        pool: { maxConnections: 1 },
      })
      try {
        await ask(transport, origin.url, 12)
        const { handshakes: figures, handshakeRttsSaved, handshakeSecondsSaved } = poolOf(transport)
        const { paid, avoided, lastDay } = figures

        expect([origin.requestsSeen(), origin.connectionsSeen(), origin.resumptionsSeen()]).toEqual([
          12, 3, 2,
        ])
        expect(handshakes.map(({ kind, tlsVersion }) => [kind, tlsVersion])).toEqual([
          ['full', maxVersion],
          ['resumed', maxVersion],
          ['resumed', maxVersion],
        ])
        const [full, ...resumed] = handshakes as [HandshakeInfo, HandshakeInfo, HandshakeInfo]
        expect(paid).toEqual({
          byKind: { full: 1, resumed: 2, earlyData: 0, cleartext: 0 },
          roundTrips: 3 * fullRoundTrips - 2 * sparedByResumption,
          seconds: expect.closeTo(total(handshakes.map(waitedSeconds))!, 9),
          bytes: total(handshakes.map(({ bytes }) => bytes)),
          cpuMs: total(handshakes.map(({ cpuMs }) => cpuMs)),
        })
        expect(avoided.reuse).toMatchObject({
          count: 12 - origin.connectionsSeen(),
          roundTrips: 9 * fullRoundTrips,
          seconds: expect.closeTo(9 * waitedSeconds(full), 9),
          bytes: full.bytes === undefined ? undefined : 9 * full.bytes,
        })
        expect(avoided.resumption).toMatchObject({ count: 2, roundTrips: 2 * sparedByResumption })
        // A round trip is worth the shortest connect so far, when it is spared.
        const worth = resumed.map(
          (_, i) => least(handshakes.slice(0, i + 2).map(h => h.timings.connectMs)) / 1000,
        )
        expect(avoided.resumption.seconds).toBeCloseTo(sparedByResumption * (worth[0]! + worth[1]!), 9)
        if (full.bytes !== undefined) expect(avoided.resumption.bytes).toBeGreaterThan(0)
        for (const means of ['fastOpen', 'earlyData'] as const)
          expect(avoided[means]).toMatchObject({ count: 0, roundTrips: 0, seconds: 0 })

        expect(handshakeRttsSaved).toBe(avoided.reuse.roundTrips + avoided.resumption.roundTrips)
        expect(handshakeSecondsSaved).toBeCloseTo(avoided.reuse.seconds + avoided.resumption.seconds, 9)
        expect(lastDay.savedSeconds).toBeCloseTo(handshakeSecondsSaved, 9)
        expect(lastDay.windowSeconds).toBeGreaterThan(0)
        expect(lastDay.windowSeconds).toBeLessThan(60)
      } finally {
        await transport.close()
        await origin.close()
      }
    },
  )

  it('lists the open connections, each with its own', async () => {
    const origin = await startRecyclingOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    const { transport, handshakes } = observed({ protocols: ['http/1.1'], tls: { ca: authority.cert } })
    try {
      await transport.preconnect(origin.url, { connections: 2 })
      await expect.poll(() => poolOf(transport).handshakes.connections.length).toBe(2)
      const { connections } = poolOf(transport).handshakes
      expect(new Set(connections.map(({ id }) => id)).size).toBe(2)
      const seconds = (all: readonly number[]) => all.toSorted((a, b) => a - b)
      expect(seconds(connections.map(({ paid }) => paid.seconds))).toEqual(
        seconds(handshakes.map(waitedSeconds)),
      )
    } finally {
      await transport.close()
      await origin.close()
    }
  })
})

describe.skipIf(missing !== undefined)(
  `what handshakes over QUIC cost and what was avoided${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    it('has bytes and CPU of full, resumed and early handshakes', async () => {
      const origin = await startHttp3Origin({
        tls: await authority.issue({ names: ['localhost'] }),
        earlyData: true,
      })
      const relay = await startUdpRelay(origin.port)
      const relayedBytes = () =>
        relay.counts['to-server'].receivedBytes + relay.counts['to-client'].receivedBytes
      const { transport, handshakes } = observed({
        protocols: ['h3'],
        tls: { ca: authority.cert },
        endpoints: [`127.0.0.1:${relay.port}`],
        pool: { idleTimeoutMs: 30 },
      })
      const untilIdleIsClosed = () => expect.poll(() => transport.stats().totalConnections).toBe(0)
      try {
        const url = `https://localhost:${origin.port}/`
        await ask(transport, url, 2)
        expect(handshakes[0]!.bytes).toBeLessThanOrEqual(relayedBytes())
        await untilIdleIsClosed()
        await ask(transport, url, 1)
        await untilIdleIsClosed()
        await ask(transport, url, 1, true)
        await expect.poll(() => handshakes.length).toBe(3)
        expect(handshakes.map(({ kind }) => kind)).toEqual(['full', 'resumed', 'early_data'])
        for (const { bytes, cpuMs } of handshakes) {
          // The hellos of both sides at least; quiche does not count the padding of their datagrams.
          expect(bytes).toBeGreaterThan(500)
          expect(cpuMs).toBeGreaterThan(0)
        }
        const [full, resumed, early] = handshakes as [HandshakeInfo, HandshakeInfo, HandshakeInfo]
        const { paid, avoided } = poolOf(transport).handshakes
        expect(paid).toEqual({
          byKind: { full: 1, resumed: 1, earlyData: 1, cleartext: 0 },
          roundTrips: 2,
          seconds: expect.closeTo(waitedSeconds(full) + waitedSeconds(resumed), 9),
          bytes: full.bytes! + resumed.bytes! + early.bytes!,
          cpuMs: expect.closeTo(full.cpuMs! + resumed.cpuMs! + early.cpuMs!, 9),
        })
        expect(avoided.reuse).toEqual({
          count: 1,
          roundTrips: 1,
          seconds: expect.closeTo(waitedSeconds(full), 9),
          bytes: full.bytes,
          cpuMs: full.cpuMs,
        })
        const spared = full.bytes! - resumed.bytes!
        expect(spared, 'no certificate is sent again').toBeGreaterThan(0)
        const sparedLast = full.bytes! - least([resumed.bytes!, early.bytes!])
        expect(avoided.resumption).toMatchObject({ count: 2, roundTrips: 0, bytes: spared + sparedLast })
        expect(avoided.earlyData).toMatchObject({
          count: 1,
          roundTrips: 1,
          seconds: expect.closeTo(least(handshakes.map(waitedSeconds)), 9),
        })
      } finally {
        await transport.close()
        await relay[Symbol.asyncDispose]()
        await origin.close()
      }
    })
  },
)
