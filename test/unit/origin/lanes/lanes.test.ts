import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { Lane } from '../../../../src/origin/lanes/lane.ts'
import type { RaceLanes } from '../../../../src/origin/lanes/lanes.ts'
import { FakeLanes, QUIC } from './fake-lanes.ts'

const KEY = 'shop.test:443'

/** Which lanes a request takes or asks, with their delays: `tcp`, or `h3 +0, tcp +250`. */
const way = (world: FakeLanes, isHarmless = true): string => {
  const taken: Lane | RaceLanes = world.lanes.selectLane(isHarmless, world.clock.now())
  if (taken instanceof Lane) return taken.name
  return taken.map(({ lane, entrant }) => `${lane.name} +${entrant.startAfterMs}`).join(', ')
}
const statuses = (world: FakeLanes) =>
  world.take('http3-status').map(({ alternative, status }) => `${alternative} ${status}`)
const decided = (world: FakeLanes) =>
  world.take('decision').map(({ decision: { lane, rule } }) => `${lane} ${rule}`)

/** HTTP/3 was known before the first connection, so that it carries; it is open beside TCP. */
const withBoth = async (options: ConstructorParameters<typeof FakeLanes>[0] = {}): Promise<FakeLanes> => {
  const world = new FakeLanes(options)
  world.advertise()
  world.connect('h3')
  world.connect('tcp')
  await world.pool('h3').succeed()
  return world
}
/** The only alternative has failed while TCP worked. */
const breakHttp3 = (world: FakeLanes): void => {
  world.record.http3Status(KEY).onHttp3Failed('nobody answers', world.clock.now())
  world.record.onTcpWorked(world.clock.now())
  world.lanes.onEvidence()
}

describe('the lanes of an origin', () => {
  describe('without a choice', () => {
    it.each<[string, ConstructorParameters<typeof FakeLanes>, LaneName]>([
      ['in cleartext', [{}, { url: 'http://shop.test' }], 'tcp'],
      ['with HTTP/1.1 only', [{ protocols: ['http/1.1'] }], 'tcp'],
      ['with HTTP/3 only', [{ protocols: ['h3'] }], 'h3'],
    ])('are one, %s', (_what, args, name) => {
      const world = new FakeLanes(...args)
      const { lanes } = world
      expect([way(world), lanes.isChoosing, lanes.primary.name]).toEqual([name, false, name])
      expect(lanes.decision(1_000)).toMatchObject({ lane: name, rule: 'only-candidate' })
      expect([lanes.preferred(1_000).name, lanes.plan(1_000).map(({ lane }) => lane)]).toEqual([name, [name]])
      expect([[...lanes].map(lane => lane.name), world.log]).toEqual([[name], []])
      expect(lanes.fallback?.name).toBe(name === 'h3' ? undefined : 'tcp')
      expect(lanes.withoutHttp3.name).toBe(name)
    })

    it('say that nothing is known until a connect was tried, and then why there is one', () => {
      for (const learn of [
        (world: FakeLanes) => void world.connect('tcp'),
        (world: FakeLanes) =>
          world.record.onConnectFailed(new TransportError('MM_CONNECT_REFUSED', 'x'), world.clock.now()),
      ]) {
        const world = new FakeLanes({ protocols: ['h2', 'http/1.1'] })
        const reasons = () => world.lanes.plan(world.clock.now()).map(({ because }) => because)
        expect(reasons()).toEqual(['nothing is known of the origin yet'])
        learn(world)
        expect(reasons()).toEqual(['no other lane may carry requests'])
      }
    })

    it('follow advertisements where HTTP/3 may be spoken, and the options let them', () => {
      const reads = (...args: ConstructorParameters<typeof FakeLanes>) =>
        new FakeLanes(...args).lanes.readsAltSvc
      expect(reads()).toBe(true)
      expect(reads({ select: { altSvc: 'off' } })).toBe(false)
      expect(reads({ protocols: ['h2', 'http/1.1'] })).toBe(false)
      expect(reads({}, { url: 'http://shop.test' })).toBe(false)
    })
  })

  describe('lead a request', () => {
    it('over TCP as long as nothing else is known, without a race', () => {
      const world = new FakeLanes()
      expect(way(world)).toBe('tcp')
      world.connect('tcp')
      expect([way(world), world.log, world.pools.size]).toEqual(['tcp', [], 1])
    })

    it('over the one that is open, rather than wait for the one that is chosen', () => {
      const world = new FakeLanes()
      world.connect('tcp')
      world.advertise()
      expect([way(world), world.log]).toEqual(['tcp', ['h3: preconnect 1']])
    })

    it('over HTTP/3 where that carries and is open', async () => {
      const world = await withBoth()
      expect([way(world), way(world, false)]).toEqual(['h3', 'h3'])
    })

    it('into a race when nothing is open: HTTP/3 first, TCP after twice its round trip', () => {
      const world = new FakeLanes()
      world.advertise()
      expect(way(world)).toBe('h3 +0, tcp +250')
      world.record.onRoundTrip('udp', 30, world.clock.now())
      expect(way(world)).toBe('h3 +0, tcp +60')
    })

    it('into a race of both at once after HTTP/3 failed', () => {
      const world = new FakeLanes()
      world.advertise()
      breakHttp3(world)
      expect(way(world)).toBe('tcp')
      world.clock.advance(1_000)
      expect(way(world)).toBe('h3 +0, tcp +0')
    })

    it('back to HTTP/3 in the background when only TCP is open any more', async () => {
      const world = await withBoth()
      world.pool('h3').live = 0
      world.log.length = 0
      expect([way(world), way(world), world.log]).toEqual(['tcp', 'tcp', ['h3: preconnect 1']])
      await world.pool('h3').succeed()
      expect(way(world)).toBe('h3')
    })

    it('over TCP where CPU counts, without a connection over HTTP/3 for it', () => {
      const world = new FakeLanes({ select: { policy: 'efficiency' } })
      world.connect('tcp')
      world.advertise()
      expect([way(world), world.log]).toEqual(['tcp', []])
    })

    it('over TCP where this machine speaks no HTTP/3', () => {
      const world = new FakeLanes()
      world.http3Fault = 'HTTP/3 is off: no build'
      world.advertise()
      expect([way(world), world.log]).toEqual(['tcp', []])
      const { because } = world.lanes
        .decision(world.clock.now())
        .candidates.find(({ lane }) => lane === 'h3')!
      expect(because).toBe('HTTP/3 is off: no build')
    })

    it('over what is open when the pools of the origin are closing', () => {
      const world = new FakeLanes()
      world.isLeaving = true
      world.advertise()
      expect([way(world), world.lanes.named('h3').name]).toEqual(['tcp', 'tcp'])
    })
  })

  describe('in a race', () => {
    it('report once which lane won, and what happened', () => {
      const world = new FakeLanes()
      world.advertise()
      const taken = world.lanes.selectLane(true, world.clock.now())
      if (taken instanceof Lane) throw new Error('no race')
      const won: string[] = []
      const race = world.lanes.race(
        taken,
        { onRaceWon: lane => void won.push(lane.name), onRaceLost: () => void won.push('lost') },
        false,
      )
      race.start()
      world.clock.advance(250)
      world.pool('tcp').waiters[0]!.onLease({ handshake: { attempts: [] } } as never, false) // all that is looked at
      expect(won).toEqual(['tcp'])
      expect(world.take('race-ended')).toMatchObject([
        {
          winner: 'tcp',
          race: [
            { lane: 'h3', event: 'started' },
            { lane: 'tcp', event: 'started', atMs: 250 },
            { lane: 'tcp', event: 'won' },
            { lane: 'h3', event: 'overtaken' },
          ],
        },
      ])
    })
  })

  describe('make a connection over HTTP/3 in the background', () => {
    it('as soon as it is advertised, once at a time', async () => {
      const world = new FakeLanes()
      world.connect('tcp')
      world.advertise()
      world.advertise('h3=":443"; ma=60')
      expect(world.log).toEqual(['h3: preconnect 1'])
      await world.pool('h3').succeed()
      world.advertise('h3=":443"; ma=61')
      expect(world.log, 'it is open').toEqual(['h3: preconnect 1'])
    })

    describe('where it is known from before and was not tried', () => {
      const known = (): FakeLanes =>
        new FakeLanes({}, { know: (record, now) => record.onAltSvc('h3=":443"', 'alt-svc', 0, now) })

      it('with the first request', () => {
        const world = known()
        expect(way(world)).toBe('h3 +0, tcp +250')
        expect(world.log).toEqual(['h3: preconnect 1'])
      })

      it('when a connection is asked for before any request', () => {
        const world = known()
        world.lanes.preferred(world.clock.now())
        expect(world.log).toEqual(['h3: preconnect 1'])
      })

      it('when upgrades bring a connection or a response without any request to a lane', () => {
        const opened = known()
        opened.connect('tcp')
        expect(opened.log).toEqual(['h3: preconnect 1'])
        const answered = known()
        answered.advertise('h3=":443"; ma=60')
        expect(answered.log).toEqual(['h3: preconnect 1'])
      })

      it('but not for a caller that only asks, nor for what is learned meanwhile', () => {
        const world = known()
        world.lanes.plan(world.clock.now())
        world.lanes.decision(world.clock.now())
        world.lanes.onEvidence('https-record', 'shop.test:443 h3')
        world.lanes.onNetworkChanged(world.clock.now())
        world.record.onAltSvc('h3=":8443"', 'alt-svc', 0, world.clock.now())
        world.lanes.plan(world.clock.now())
        expect(world.log).toEqual([])
      })
    })

    it('but not from the start where it worked before, only with the first request', () => {
      const world = new FakeLanes(
        {},
        {
          know: (record, now) => {
            record.onAltSvc('h3=":443"', 'alt-svc', 0, now)
            record.http3Status(KEY).onHttp3Worked(now)
          },
        },
      )
      expect([world.log, way(world)]).toEqual([[], 'h3 +0, tcp +250'])
    })

    it('again with the first request after its pause, and not before', async () => {
      const world = new FakeLanes()
      world.connect('tcp')
      world.advertise()
      breakHttp3(world)
      await world.pool('h3').fail()
      world.log.length = 0
      world.clock.advance(999)
      expect([way(world), world.log]).toEqual(['tcp', []])
      world.clock.advance(1)
      expect([way(world), world.log]).toEqual(['tcp', ['h3: preconnect 1']])
    })
  })

  it('ask for HTTP/3 no more when the advertisement has run out', async () => {
    const world = new FakeLanes()
    world.advertise('h3=":443"; ma=60')
    world.connect('h3')
    await world.pool('h3').succeed()
    expect(way(world)).toBe('h3')
    world.clock.advance(60_000)
    expect(way(world)).toBe('tcp')
  })

  describe('accept advertisements', () => {
    it('from responses, and report each once', () => {
      const world = new FakeLanes()
      world.advertise()
      world.advertise()
      expect(world.take('evidence')).toMatchObject([{ source: 'alt-svc', fact: 'h3=":443"' }])
      expect(world.changes).toBeGreaterThan(0)
    })

    it('but not from a 421, whose fields count for nobody', () => {
      const world = new FakeLanes()
      world.advertise('h3=":443"', 421)
      expect([world.take('evidence'), way(world), world.log]).toEqual([[], 'tcp', []])
    })

    it('and forget them when a response clears them', async () => {
      const world = await withBoth()
      world.advertise('clear')
      expect(way(world)).toBe('tcp')
    })
  })

  it('report the status of HTTP/3 once per change', async () => {
    const world = new FakeLanes()
    world.connect('tcp')
    world.advertise()
    world.lanes.onEvidence()
    expect(statuses(world)).toEqual([`${KEY} pending`])
    breakHttp3(world)
    world.lanes.onEvidence()
    expect(statuses(world)).toEqual([`${KEY} broken`])
    world.clock.advance(1_000)
    way(world)
    way(world)
    expect(statuses(world)).toEqual([`${KEY} failedRecently`])
    world.connect('h3')
    world.connect('h3')
    expect(statuses(world)).toEqual([`${KEY} confirmed`])
  })

  it('report their decisions, and keep the record of them', async () => {
    const world = new FakeLanes()
    const before = world.changes
    world.advertise()
    expect(decided(world)).toEqual(['h3 unmeasured'])
    expect(world.changes).toBeGreaterThan(before)
    expect(world.lanes.preferred(world.clock.now()).name).toBe('h3')
    world.http3Fault = 'gone'
    world.lanes.onEvidence()
    expect(decided(world)).toEqual(['tcp only-candidate'])
  })

  it('keep the connections of the lane that carries warm, and of no other', () => {
    const world = new FakeLanes({ pool: { warm: 2 } })
    expect(world.log).toEqual([])
    world.advertise()
    expect(world.log).toEqual(['h3: warm 2', 'tcp: warm 0', 'h3: preconnect 1'])
    world.log.length = 0
    breakHttp3(world)
    expect(world.log).toEqual(['h3: warm 0', 'tcp: warm 2'])
  })

  describe('measure', () => {
    it('another lane once the one that carries is known, with connections of its own, and requests that may be sent twice', async () => {
      const world = await withBoth()
      world.pool('tcp').live = 0
      world.log.length = 0
      world.carry('h3', 10, 40)
      expect(world.log).toEqual(['tcp: preconnect 1'])
      expect(way(world), 'not before it is open').toBe('h3')
      await world.pool('tcp').succeed()
      expect(way(world, false), 'a POST').toBe('h3')
      expect(Array.from({ length: 11 }, () => way(world))).toEqual([
        ...Array.from({ length: 10 }, () => 'tcp'),
        'h3',
      ])
    })

    it('nothing where no share of requests may be spent on it', async () => {
      const world = await withBoth({ select: { exploreShare: 0 } })
      world.log.length = 0
      world.carry('h3', 200, 40)
      expect(world.log).toEqual([])
    })

    it('another lane no more when its connection cannot be made', async () => {
      const world = await withBoth()
      world.pool('tcp').live = 0
      world.log.length = 0
      world.carry('h3', 10, 40)
      await world.pool('tcp').fail()
      world.carry('h3', 100, 40)
      expect([way(world), world.log]).toEqual(['h3', ['tcp: preconnect 1']])
      expect(JSON.stringify(world.lanes.decision(world.clock.now()))).toContain('nobody answers')
    })

    it('another lane no more when that cannot be made at all', () => {
      const world = new FakeLanes({ protocols: ['h2', 'http/1.1'] })
      world.connect('tcp')
      world.isLeaving = true
      world.carry('tcp', 200, 40, { laneStreams: 2, stallMs: 20, bodyMs: 40, responseBytes: 100_000 })
      expect([world.log, way(world)]).toEqual([[], 'tcp'])
      expect(JSON.stringify(world.lanes.decision(world.clock.now()))).toContain('going away')
    })

    it('several connections only where several requests were under way at once', async () => {
      const world = new FakeLanes({ protocols: ['h2', 'http/1.1'] })
      world.connect('tcp')
      const eligible = () =>
        world.lanes
          .decision(world.clock.now())
          .candidates.flatMap(({ lane, isEligible }) => (isEligible ? [lane] : []))
      world.carry('tcp', 3, 40)
      expect(eligible()).toEqual(['tcp'])
      world.carry('tcp', 1, 40, { laneStreams: 2 })
      expect(eligible()).toEqual(['tcp', 'h2-spread', 'http/1.1'])
    })

    it('from what was kept of it on', async () => {
      const world = await withBoth()
      world.carry('h3', 20, 40)
      const kept = world.lanes.snapshotEstimates(world.clock.now(), 1_000_000)
      expect(JSON.stringify(kept)).toContain('h3')
    })
  })

  describe('judge the path of HTTP/3', () => {
    it('as TCP overtakes it, and mark it broken, retire its connection, and let TCP carry', async () => {
      const world = new FakeLanes()
      world.connect('tcp')
      world.advertise()
      const connection = world.connect('h3')
      await world.pool('h3').succeed()
      statuses(world)
      world.log.length = 0
      const path = world.lanes.pathOf(connection)!
      path.onOvertaken(QUIC.receivedBytes, 250, 40)
      expect(world.log).toEqual(['h3: retire for network-error'])
      expect([statuses(world), way(world)]).toEqual([[`${KEY} broken`], 'tcp'])
      expect(world.record.http3(world.clock.now()).because).toContain('silent for 250 ms')
    })

    it('for connections over HTTP/3 only', () => {
      const world = new FakeLanes()
      expect(world.lanes.pathOf(world.connect('tcp'))).toBeUndefined()
    })

    it('with a delay of twice its round trip, within the bounds of the options', () => {
      const world = new FakeLanes({ select: { joinDelayMinMs: 40, joinDelayMaxMs: 200 } })
      expect(world.lanes.patienceMs(), 'nothing is known').toBe(200)
      world.record.onRoundTrip('udp', 60, world.clock.now())
      expect(world.lanes.patienceMs()).toBe(120)
      const slow = new FakeLanes({ select: { joinDelayMinMs: 40, joinDelayMaxMs: 200 } })
      slow.record.onRoundTrip('udp', 500, slow.clock.now())
      expect(slow.lanes.patienceMs()).toBe(200)
      const near = new FakeLanes({ select: { joinDelayMinMs: 40, joinDelayMaxMs: 200 } })
      near.record.onRoundTrip('udp', 1, near.clock.now())
      expect(near.lanes.patienceMs()).toBe(40)
    })
  })

  describe('on another network', () => {
    it('forget advertisements that do not persist', async () => {
      const world = await withBoth()
      world.lanes.onNetworkChanged(world.clock.now())
      expect(way(world)).toBe('tcp')
      world.advertise()
      expect(world.take('evidence'), 'the same advertisement is news again').toHaveLength(2)
      const { candidates } = world.lanes.decision(world.clock.now())
      expect(candidates.find(({ lane }) => lane === 'h3')).toMatchObject({ isEligible: true })
    })

    it('report that a decision by measurement does not hold any more', async () => {
      const world = new FakeLanes()
      world.advertise('h3=":443"; persist=1')
      world.connect('h3')
      world.connect('tcp')
      world.carry('h3', 10, 40)
      await world.pool('tcp').succeed()
      for (let request = 0; request < 10; request += 1) way(world)
      world.carry('tcp', 10, 120)
      expect(decided(world).at(-1)).toBe('h3 faster')
      world.lanes.onNetworkChanged(world.clock.now())
      expect(decided(world)).toEqual(['h3 unmeasured'])
    })

    it('try HTTP/3 again that persists, whatever its status was', async () => {
      const world = new FakeLanes()
      world.connect('tcp')
      world.advertise('h3=":443"; persist=1')
      breakHttp3(world)
      await world.pool('h3').fail()
      world.log.length = 0
      statuses(world)
      world.lanes.onNetworkChanged(world.clock.now())
      expect([statuses(world), world.log]).toEqual([[`${KEY} pending`], ['h3: preconnect 1']])
    })
  })

  it('fail like a race when none gives a connection', () => {
    const world = new FakeLanes()
    world.advertise()
    const taken = world.lanes.selectLane(true, world.clock.now())
    if (taken instanceof Lane) throw new Error('no race')
    const lost: string[] = []
    const racer = {
      onRaceWon: () => {},
      onRaceLost: (error: TransportError) => void lost.push(error.message),
    }
    world.lanes.race(taken, racer, false).start()
    world.pool('h3').waiters[0]!.onLeaseFailed(new TransportError('MM_CONNECT_TIMEOUT', 'of HTTP/3'))
    world.pool('tcp').waiters[0]!.onLeaseFailed(new TransportError('MM_CONNECT_REFUSED', 'of TCP'))
    expect(lost).toEqual(['of TCP'])
    expect(world.take('race-ended')).toMatchObject([{ winner: undefined }])
  })
})
