import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { SystemLookup } from '../../../src/dns/address-lookup.ts'
import {
  AddressResolver,
  type AddressResolverOptions,
  findBy,
  type Lookup,
} from '../../../src/dns/address-resolver.ts'
import type { FoundAddresses } from '../../../src/dns/addresses.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const ADDRESSES = [
  { address: '2001:db8::1', family: 6 as const },
  { address: '192.0.2.1', family: 4 as const },
]
const never = new AbortController().signal
/** Of getaddrinfo, when no server answers. */
const UNANSWERED = Object.assign(new Error('try again'), { code: 'EAI_AGAIN' })

function setUp(options: AddressResolverOptions['options'] = {}) {
  const clock = new FakeClock()
  const queries: { host: string; answer: Parameters<Lookup>[1] }[] = []
  const lookup: Lookup = (host, answer) => void queries.push({ host, answer })
  return { clock, queries, resolver: new AddressResolver({ clock, find: findBy(lookup), options }) }
}

/** The outcome of a promise that has had the time to settle. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => (error instanceof TransportError ? error.code : error))
}

describe('AddressResolver', () => {
  it('asks once for all callers at the same time, and remembers the answer', async () => {
    const { clock, queries, resolver } = setUp()
    const both = [resolver.resolve('origin.test', never), resolver.resolve('origin.test', never)]
    expect(queries.map(({ host }) => host)).toEqual(['origin.test'])
    queries[0]?.answer(null, ADDRESSES)
    expect(await Promise.all(both)).toMatchObject([
      { addresses: ADDRESSES, source: 'system' },
      { addresses: ADDRESSES, source: 'system' },
    ])
    expect(await resolver.resolve('origin.test', never)).toMatchObject({
      addresses: ADDRESSES,
      source: 'cache',
    })
    expect(clock.pendingTimers()).toBe(0)

    clock.advance(30_000)
    const again = resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(2)
    queries[1]?.answer(null, ADDRESSES)
    expect(await again).toMatchObject({ source: 'system' })
  })

  it('asks separately for each host', () => {
    const { queries, resolver } = setUp()
    void resolver.resolve('one.test', never)
    void resolver.resolve('two.test', never)
    expect(queries.map(({ host }) => host)).toEqual(['one.test', 'two.test'])
  })

  it('reports what failed, and remembers it for a moment', async () => {
    const { clock, queries, resolver } = setUp()
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND no.test'), { code: 'ENOTFOUND' })
    const asked = resolver.resolve('no.test', never)
    queries[0]?.answer(cause, [])
    await expect(asked).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
      message: 'no.test has no address (ENOTFOUND)',
      cause,
    })
    expect(await outcome(resolver.resolve('no.test', never))).toBe('MM_DNS_FAILED')
    expect(queries).toHaveLength(1)
    clock.advance(1000)
    void outcome(resolver.resolve('no.test', never))
    expect(queries).toHaveLength(2)
  })

  it.each([
    ['EAI_AGAIN', 'x.test could not be resolved: the resolver does not answer (EAI_AGAIN)'],
    ['EAI_FAIL', 'x.test could not be resolved: why (EAI_FAIL)'],
  ])('explains %s in words', async (code, message) => {
    const { queries, resolver } = setUp()
    const asked = resolver.resolve('x.test', never)
    queries[0]?.answer(Object.assign(new Error('why'), { code }), [])
    await expect(asked).rejects.toMatchObject({ code: 'MM_DNS_FAILED', message })
  })

  it('treats an answer without addresses as a failure', async () => {
    const { queries, resolver } = setUp()
    const asked = resolver.resolve('empty.test', never)
    queries[0]?.answer(null, [])
    await expect(asked).rejects.toMatchObject({ code: 'MM_DNS_FAILED', message: 'empty.test has no address' })
  })

  it('gives up after its time, and still learns from the answer that comes late', async () => {
    const { clock, queries, resolver } = setUp()
    const asked = outcome(resolver.resolve('slow.test', never, 500))
    clock.advance(499)
    const patient = resolver.resolve('slow.test', never, 5000)
    clock.advance(1)
    expect(await asked).toBe('MM_DNS_TIMEOUT')
    expect(queries).toHaveLength(1)
    queries[0]?.answer(null, ADDRESSES)
    expect(await patient).toMatchObject({ source: 'system' })
    expect(await resolver.resolve('slow.test', never)).toMatchObject({ source: 'cache' })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('waits without a limit when the limit is 0', () => {
    const { clock, resolver } = setUp()
    void resolver.resolve('slow.test', never, 0)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('lets one caller give up without the others', async () => {
    const { clock, queries, resolver } = setUp()
    const controller = new AbortController()
    const impatient = outcome(resolver.resolve('origin.test', controller.signal))
    const patient = resolver.resolve('origin.test', never)
    controller.abort()
    expect(await impatient).toBe('MM_ABORTED')
    expect(clock.pendingTimers()).toBe(1)
    queries[0]?.answer(null, ADDRESSES)
    expect(await patient).toMatchObject({ addresses: ADDRESSES })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('rejects with the reason of the signal when that is one of ours', async () => {
    const { resolver } = setUp()
    const reason = new TransportError('MM_TRANSPORT_CLOSED', 'closing')
    await expect(resolver.resolve('origin.test', AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  it('asks anew after a change of the network, and goes on with what it had where nobody answers there', async () => {
    const { queries, resolver } = setUp()
    const asked = resolver.resolve('origin.test', never)
    queries[0]?.answer(null, ADDRESSES)
    await asked
    resolver.expire()
    const again = resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(2)
    queries[1]?.answer(UNANSWERED, [])
    expect(await again).toEqual({ addresses: ADDRESSES, source: 'stale' })
  })

  it('asks nobody for an origin whose address is known', async () => {
    const { queries, resolver } = setUp()
    const literal = resolver.forOrigin(parseOrigin('https://127.0.0.1'), {})
    expect(await literal.resolve('127.0.0.1', never)).toMatchObject({ source: 'literal' })
    expect(queries).toHaveLength(0)
  })

  it("keeps an origin's own time limit", async () => {
    const { clock, resolver } = setUp()
    const asked = outcome(
      resolver.forOrigin(parseOrigin('https://slow.test'), { dnsMs: 7 }).resolve('slow.test', never),
    )
    clock.advance(7)
    expect(await asked).toBe('MM_DNS_TIMEOUT')
  })

  it('refuses an endpoint that is no address before anything is asked', () => {
    const { resolver } = setUp()
    expect(() => resolver.forOrigin(parseOrigin('https://x.test'), { endpoints: ['y test'] })).toThrow(
      /not an IP/,
    )
  })
})

/** With an answer for origin.test whose time is over. */
async function setUpStale(options: AddressResolverOptions['options'] = {}) {
  const world = setUp(options)
  const first = world.resolver.resolve('origin.test', never)
  world.queries[0]?.answer(null, ADDRESSES)
  await first
  world.clock.advance(30_000)
  return world
}

describe('stale answers (RFC 8767)', () => {
  it('are used when a new one takes longer than 1.8 s, and the new one when it comes', async () => {
    const { clock, queries, resolver } = await setUpStale()
    const asked = resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(2)
    clock.advance(1_799)
    let isOver = false
    void asked.then(() => {
      isOver = true
    })
    await Promise.resolve()
    expect(isOver).toBe(false)
    clock.advance(1)
    expect(await asked).toEqual({ addresses: ADDRESSES, source: 'stale' })
    // Who comes meanwhile does not wait.
    expect(await resolver.resolve('origin.test', never)).toMatchObject({ source: 'stale' })
    const others = [{ address: '192.0.2.9', family: 4 as const }]
    queries[1]?.answer(null, others)
    await Promise.resolve()
    expect(await resolver.resolve('origin.test', never)).toMatchObject({ addresses: others, source: 'cache' })
    expect(resolver.counts).toEqual({ answered: 2, failed: 0, stale: 2 })
  })

  it('are used at once when the servers fail, without asking again for 30 s', async () => {
    const { clock, queries, resolver } = await setUpStale()
    const asked = resolver.resolve('origin.test', never)
    queries[1]?.answer(UNANSWERED, [])
    expect(await asked).toMatchObject({ source: 'stale' })
    clock.advance(29_999)
    expect(await resolver.resolve('origin.test', never)).toMatchObject({ source: 'stale' })
    expect(queries).toHaveLength(2)
    clock.advance(1)
    void resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(3)
    expect(resolver.counts).toEqual({ answered: 1, failed: 1, stale: 2 })
  })

  it('give way to the answer that the name has no address any more', async () => {
    const { queries, resolver } = await setUpStale()
    const asked = outcome(resolver.resolve('origin.test', never))
    queries[1]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
    expect(await asked).toBe('MM_DNS_FAILED')
  })

  it('are used within the time for lookups when that is shorter', async () => {
    const { clock, resolver } = await setUpStale()
    const asked = resolver.resolve('origin.test', never, 100)
    clock.advance(100)
    expect(await asked).toMatchObject({ source: 'stale' })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('are good for a day by default', async () => {
    const { clock, queries, resolver } = await setUpStale()
    clock.advance(86_400_000)
    const asked = outcome(resolver.resolve('origin.test', never))
    queries[1]?.answer(UNANSWERED, [])
    expect(await asked).toBe('MM_DNS_FAILED')
  })

  it('are checked again at each lookup with dnsStaleRecheckMs 0', async () => {
    const { queries, resolver } = await setUpStale({ dnsStaleRecheckMs: 0 })
    for (const index of [1, 2]) {
      const asked = resolver.resolve('origin.test', never)
      queries[index]?.answer(UNANSWERED, [])
      expect(await asked).toMatchObject({ source: 'stale' })
    }
    expect(queries).toHaveLength(3)
  })

  it('are not used with dnsStaleMs 0, and at once with dnsStaleAnswerMs 0', async () => {
    const without = await setUpStale({ dnsStaleMs: 0 })
    const asked = outcome(without.resolver.resolve('origin.test', never))
    without.queries[1]?.answer(UNANSWERED, [])
    expect(await asked).toBe('MM_DNS_FAILED')

    const atOnce = await setUpStale({ dnsStaleAnswerMs: 0 })
    const answered = atOnce.resolver.resolve('origin.test', never)
    atOnce.clock.advance(0)
    expect(await answered).toMatchObject({ source: 'stale' })
    expect(atOnce.queries).toHaveLength(2)
  })
})

describe('times to live', () => {
  function setUpTtl(ttlMs: number) {
    const clock = new FakeClock()
    let lookups = 0
    const find = async (): Promise<FoundAddresses> => {
      lookups++
      return { kind: 'found', addresses: ADDRESSES, source: 'dns', ttlMs }
    }
    return { clock, resolver: new AddressResolver({ clock, find }), lookups: () => lookups }
  }

  it.each([
    ['of the answer, when that is shorter than dnsCacheMs', 2_000, 2_000],
    ['of dnsCacheMs, when the answer may be kept for longer', 86_400_000, 30_000],
  ])('are those %s', async (_, ttlMs, keptMs) => {
    const { clock, resolver, lookups } = setUpTtl(ttlMs)
    expect(await resolver.resolve('origin.test', never)).toMatchObject({ source: 'dns' })
    clock.advance(keptMs - 1)
    expect(await resolver.resolve('origin.test', never)).toMatchObject({ source: 'cache' })
    clock.advance(1)
    await resolver.resolve('origin.test', never)
    expect(lookups()).toBe(2)
  })

  it('turn a failure of the lookup itself into MM_DNS_FAILED', async () => {
    const find = () => Promise.reject(new Error('out of order'))
    const resolver = new AddressResolver({ clock: new FakeClock(), find })
    await expect(resolver.resolve('origin.test', never)).rejects.toMatchObject({
      code: 'MM_DNS_FAILED',
      message: 'out of order',
    })
  })
})

describe('SystemLookup', () => {
  it('resolves localhost', async () => {
    const found = await new SystemLookup(2).find('localhost')
    expect(found).toMatchObject({ kind: 'found', source: 'system' })
    expect(found.kind === 'found' && found.addresses.map(({ address }) => address)).toContain('127.0.0.1')
  })
})
