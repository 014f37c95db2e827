import { describe, expect, it } from 'vitest'
import { EndpointWorld } from './endpoint-world.ts'

const NAME = 'shop.internal'

function requestsOf(world: EndpointWorld, addresses: readonly string[]): number[] {
  return addresses.map(address => world.at(address).requests)
}

function expectNoneLost(world: EndpointWorld): void {
  expect(world.done.filter(({ status }) => status !== 200)).toEqual([])
}

describe('endpoints that come and go under load, on a simulated network,', () => {
  it('get their share of the requests once the DNS has them, though old connections have room for all', async () => {
    const world = new EndpointWorld(0, { endpoints: [NAME] }, { [NAME]: ['192.0.2.1'] })
    await world.run(5_000)
    world.dns.set(NAME, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    await world.run(31_000)
    const before = requestsOf(world, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    await world.run(6_000)
    const gained = requestsOf(world, ['192.0.2.1', '192.0.2.2', '192.0.2.3']).map((n, i) => n - before[i]!)
    for (const requests of gained) expect(Math.abs(requests - 1_000)).toBeLessThan(150)
    expectNoneLost(world)
  })

  it('grow to their share over balance.slowStart', async () => {
    const balance = { policy: 'least-requests', slowStartMs: 10_000 } as const
    const world = new EndpointWorld(0, { endpoints: [NAME], balance }, { [NAME]: ['192.0.2.1'] })
    await world.run(29_000)
    world.dns.set(NAME, ['192.0.2.1', '192.0.2.2'])
    await world.run(2_500) // it is found 30 s after the first answer
    const early = world.at('192.0.2.2').requests
    expect(early).toBeGreaterThan(0)
    expect(early).toBeLessThan(750 * 0.25)
    await world.run(12_000)
    const [a, b] = requestsOf(world, ['192.0.2.1', '192.0.2.2'])
    await world.run(4_000)
    const [later, share] = requestsOf(world, ['192.0.2.1', '192.0.2.2'])
    expect((share! - b!) / (later! - a! + share! - b!)).toBeGreaterThan(0.4)
    expectNoneLost(world)
  })

  it('end their requests when they are gone from the DNS, and get no more', async () => {
    const addresses = ['192.0.2.1', '192.0.2.2']
    const world = new EndpointWorld(0, { endpoints: [NAME] }, { [NAME]: addresses })
    await world.run(2_000)
    world.at('192.0.2.1').become('slow')
    world.dns.set(NAME, ['192.0.2.2'])
    await world.run(28_100)
    const atEnd = world.at('192.0.2.1').requests
    expect(world.stats).toHaveLength(2)
    expect(world.stats[1]).toMatchObject({ address: '192.0.2.1', state: 'leaving' })
    await world.run(2_000)
    expect(world.at('192.0.2.1').requests).toBe(atEnd)
    expect(world.stats.map(({ address }) => address)).toEqual(['192.0.2.2'])
    expectNoneLost(world)
  })

  it('stay as they are while nobody answers for their name, or it has no address', async () => {
    const world = new EndpointWorld(0, { endpoints: [NAME] }, { [NAME]: ['192.0.2.1', '192.0.2.2'] })
    await world.run(1_000)
    world.dns.delete(NAME)
    await world.run(70_000)
    world.dns.set(NAME, [])
    await world.run(70_000)
    expect(world.stats.map(({ state }) => state)).toEqual(['up', 'up'])
    expect(world.set.names(world.clock.now())[0]).toMatchObject({ addresses: 2, answered: 1 })
    expectNoneLost(world)
  })

  it('serve what came before the first answer, and a name that fails stops no other', async () => {
    const world = new EndpointWorld(0, { endpoints: ['dead.internal', NAME] }, {})
    await world.run(10)
    expect(world.done.map(({ status }) => status)).toContain(0)
    world.dns.set(NAME, ['192.0.2.1'])
    const failed = world.done.length
    await world.run(10_000)
    const late = world.done.slice(failed).filter(({ at }) => at > 5_000)
    expect(late.length).toBeGreaterThan(2_000)
    expect(late.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('give up to others what waits for a connection to one that is gone', async () => {
    const world = new EndpointWorld(0, { endpoints: [NAME] }, { [NAME]: ['192.0.2.1'] })
    world.at('192.0.2.1').become('hung')
    await world.run(2_000)
    expect(world.done).toEqual([])
    world.dns.set(NAME, ['192.0.2.2'])
    world.set.onNetworkChanged()
    await world.run(100)
    expect(world.done.length).toBeGreaterThan(1_000)
    expectNoneLost(world)
  })

  it('keep their connections, breakers and health through a reload that leaves them', async () => {
    const world = new EndpointWorld(3, {})
    await world.run(1_000)
    world.endpoints[1]!.become('answers 503')
    await world.run(1_000)
    expect(world.stats[1]).toMatchObject({ health: 'ejected' })
    const [first, ejected] = world.stats
    world.configure([{ address: '192.0.2.1', weight: 2 }, '192.0.2.2', '192.0.2.9'])
    await world.run(200)
    expect(world.stats.map(({ address, weight, health }) => [address, weight, health])).toEqual([
      ['192.0.2.1', 2, 'healthy'],
      ['192.0.2.2', 1, 'ejected'],
      ['192.0.2.9', 1, 'healthy'],
    ])
    expect(world.stats[0]!.connections).toBe(first!.connections)
    expect(world.stats[0]!.requests).toBeGreaterThan(first!.requests)
    expect(world.stats[1]!.ejections).toEqual(ejected!.ejections)
    expect(world.stats[2]!.requests).toBeGreaterThan(20)
  })
})
