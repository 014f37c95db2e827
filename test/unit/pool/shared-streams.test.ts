import { describe, expect, it } from 'vitest'
import type { StreamShare } from '../../../src/base/events/connection.ts'
import { SharedStreams } from '../../../src/pool/shared-streams.ts'
import { fc } from '../../support/property.ts'

function setUp(limit = 2) {
  const world = { limit, isExhausted: false }
  const streams = new SharedStreams({ limit: () => world.limit, isExhausted: () => world.isExhausted })
  return { world, streams, owner: streams.joinAsOwner(0) }
}

describe('streams that pools share', () => {
  it('are bounded by the limit, whoever takes them', () => {
    const { streams, owner } = setUp(2)
    const guest = streams.join()
    owner.take()
    expect(guest.free).toBe(1)
    guest.take()
    expect([owner.free, guest.free, streams.used]).toEqual([0, 0, 2])
    expect(() => guest.take()).toThrow('not free')
  })

  it('count those that the owner uses already, even beyond the limit', () => {
    const { streams, world } = setUp(1)
    const busy = new SharedStreams({ limit: () => world.limit, isExhausted: () => false })
    busy.joinAsOwner(3)
    expect(busy.join().free).toBe(0)
    expect(streams.join().free).toBe(1)
  })

  it('go to waiting pools in turns, one each', () => {
    const { streams, owner } = setUp(1)
    const [a, b] = [streams.join(), streams.join()]
    const served: string[] = []
    owner.take()
    const wants = (name: string, share: StreamShare) => () => {
      served.push(name)
      share.take()
      share.wait() // it has more requests than this one
    }
    a.onFree = wants('a', a)
    b.onFree = wants('b', b)
    owner.onFree = wants('owner', owner)
    a.wait()
    b.wait()
    owner.wait()
    const holders = [owner, a, b]
    for (let turn = 0; turn < 6; turn += 1) {
      holders[turn % 3]?.giveBack(1)
      streams.serve()
    }
    expect(served).toEqual(['a', 'b', 'owner', 'a', 'b', 'owner'])
  })

  it('are kept for the pool that waits first, from those that come later', () => {
    const { streams, owner } = setUp(1)
    const [first, second] = [streams.join(), streams.join()]
    owner.take()
    first.wait()
    owner.giveBack(1)
    expect([owner.free, second.free, first.free]).toEqual([0, 0, 1])
  })

  it('skip a pool that does not want them any more', () => {
    const { streams, owner } = setUp(1)
    const [bored, eager] = [streams.join(), streams.join()]
    owner.take()
    bored.wait()
    eager.wait()
    bored.onFree = () => {}
    eager.onFree = () => eager.take()
    owner.giveBack(1)
    streams.serve()
    expect([eager.used, bored.isWaiting]).toEqual([1, false])
  })

  it('come back for good from a pool that leaves', () => {
    const { streams, owner } = setUp(1)
    const guest = streams.join()
    guest.take()
    expect(owner.isUsedByOthers).toBe(true)
    guest.leave()
    guest.giveBack(1)
    expect([owner.free, guest.free, owner.isUsedByOthers, streams.guests]).toEqual([1, 0, false, 0])
  })

  it('end when the connection has carried its last, of which its owner is notified', () => {
    const { streams, owner, world } = setUp(5)
    const guest = streams.join()
    let told = 0
    owner.onFree = () => void (told += 1)
    guest.take()
    world.isExhausted = true
    streams.serve()
    expect([guest.free, owner.free, told, owner.guestLeases]).toEqual([0, 0, 1, 1])
  })

  it('never exceed the limit, and lose no wake-up, whatever happens', () => {
    const who = fc.nat(3)
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), who }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), who }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), to: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('giveUp' as const), who }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), steps => {
        const { streams, owner, world } = setUp(3)
        const parties = [owner, streams.join(), streams.join(), streams.join()].map(share => {
          const party = { share, wanted: 0, hasLeft: false }
          // What a pool does: as many leases as it may, and then it waits.
          const lease = () => {
            while (party.wanted > 0 && share.free > 0) {
              share.take()
              party.wanted -= 1
            }
            if (party.wanted > 0) share.wait()
          }
          share.onFree = lease
          return { ...party, lease, party }
        })
        for (const what of steps) {
          const before = streams.used
          if (what.do === 'limit') world.limit = what.to
          else {
            const { party, lease, share } = parties[what.who]!
            if (party.hasLeft) continue
            if (what.do === 'ask') {
              party.wanted += 1
              lease()
            } else if (what.do === 'end' && share.used > 0) {
              share.giveBack(1)
              lease()
            } else if (what.do === 'giveUp') party.wanted = 0
            else if (what.do === 'leave' && what.who > 0) {
              share.leave()
              party.hasLeft = true
            }
          }
          streams.serve()
          streams.assertConsistent()
          // A limit that sank leaves what is open; nothing is added above it.
          expect(streams.used).toBeLessThanOrEqual(Math.max(world.limit, before))
          const isWaitedFor = parties.some(({ party }) => !party.hasLeft && party.wanted > 0)
          if (isWaitedFor) expect(streams.used).toBeGreaterThanOrEqual(world.limit)
        }
      }),
      { numRuns: 500 },
    )
  })
})
