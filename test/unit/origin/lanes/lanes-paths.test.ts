import { describe, expect, it } from 'vitest'
import type { Connection, PathStats } from '../../../../src/base/events/connection.ts'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import type { OriginConnector } from '../../../../src/origin/connecting/origin-connector.ts'
import type { QuicConnection } from '../../../../src/quic/engine.ts'
import { FakeLanes, QUIC } from './fake-lanes.ts'

const STATS: PathStats = {
  rttMs: 40,
  minRttMs: 38,
  sentPackets: 100,
  lostPackets: 5,
  receivedPackets: 200,
  outOfOrderPackets: 9,
  sentBytes: 1_000,
  receivedBytes: 200_000,
  congestionWindowBytes: 14_480,
}

/** Lanes with a connection each, which tells these figures. */
function setUp(stats: PathStats, ...args: ConstructorParameters<typeof FakeLanes>) {
  const connections: Partial<Record<LaneName, Connection>> = {
    h3: { id: 31, protocol: 'h3' } as Connection, // what is looked at
    tcp: { id: 21, protocol: 'h2' } as Connection,
  }
  const [options, more] = args
  return new FakeLanes(options, {
    ...more,
    connectorOf: (name): Partial<OriginConnector> => ({
      offered: ['h2', 'http/1.1'],
      linkOf: () => ({ quic: QUIC as QuicConnection, alternative: 'shop.test:443' }), // what a path looks at
      pathsOf: () => [{ connection: connections[name]!, stats }],
      attemptsOf: () => [],
    }),
  })
}

const facts = ({ record }: FakeLanes) => ({
  tcp: [record.fact('tcpRoundTripMs')?.value, record.fact('tcpLossRatio')?.value],
  quic: [record.fact('quicRoundTripMs')?.value, record.fact('quicLossRatio')?.value],
})
const evidence = (world: FakeLanes, lane: LaneName): string =>
  world.lanes
    .decision(world.clock.now())
    .candidates.find(candidate => candidate.lane === lane)!
    .evidence.join('; ')

describe('the lanes of an origin measure their paths', () => {
  it('over TCP with every 16th exchange, without counting that as losses of QUIC', () => {
    const world = setUp(STATS)
    world.connect('tcp')
    world.carry('tcp', 15, 50)
    expect([facts(world).tcp, world.take('path-sampled')]).toEqual([[undefined, undefined], []])
    world.carry('tcp', 1, 50)
    expect(facts(world)).toEqual({ tcp: [40, 0.05], quic: [undefined, undefined] })
    expect(world.take('path-sampled')).toEqual([
      {
        type: 'path-sampled',
        origin: world.origin,
        lane: 'tcp',
        connection: { id: 21, protocol: 'h2' },
        stats: STATS,
        lossRatio: 0.05,
      },
    ])
    expect(evidence(world, 'tcp')).not.toContain('lost')
    expect(evidence(world, 'tcp')).toContain('round trip 40.0 ms')
  })

  it('over QUIC as well, which the choice uses', () => {
    const world = setUp(STATS)
    world.advertise()
    world.connect('tcp')
    world.connect('h3')
    world.carry('h3', 16, 50)
    expect(facts(world)).toEqual({ tcp: [undefined, undefined], quic: [40, 0.05] })
    expect(world.take('path-sampled')).toMatchObject([
      { lane: 'h3', connection: { id: 31 }, lossRatio: 0.05 },
    ])
    expect(evidence(world, 'h3')).toContain('5.0 % of packets lost')
  })

  it('for each lane by itself', () => {
    const world = setUp(STATS)
    world.advertise()
    world.connect('tcp')
    world.connect('h3')
    for (let index = 0; index < 15; index += 1) {
      world.carry('h3', 1, 50)
      world.carry('tcp', 1, 50)
    }
    expect(world.take('path-sampled')).toEqual([])
    world.carry('tcp', 1, 50)
    expect(world.take('path-sampled').map(({ lane }) => lane)).toEqual(['tcp'])
  })

  it('where there is no choice as soon as an observer listens, and not twice where there is one', () => {
    const plain = setUp(STATS, {}, { url: 'http://shop.test' })
    plain.connect('tcp')
    for (let index = 0; index < 16; index += 1) plain.lanes.onObserved('tcp', index)
    expect(plain.take('path-sampled')).toMatchObject([{ lane: 'tcp', lossRatio: 0.05 }])
    expect(facts(plain).tcp).toEqual([40, 0.05])
    const choosing = setUp(STATS)
    choosing.connect('tcp')
    for (let index = 0; index < 16; index += 1) choosing.lanes.onObserved('tcp', index)
    expect(choosing.take('path-sampled')).toEqual([])
  })

  it('without a round trip that was not measured', () => {
    const world = setUp({ ...STATS, rttMs: 0, sentPackets: 0, lostPackets: 0 })
    world.connect('tcp')
    world.carry('tcp', 16, 50)
    expect(facts(world).tcp).toEqual([undefined, undefined])
    expect(world.take('path-sampled')).toMatchObject([{ lossRatio: undefined }])
  })
})
