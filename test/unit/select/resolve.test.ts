import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/errors.ts'
import { parseOrigin } from '../../../src/origin.ts'
import { type Lookup, SystemResolver } from '../../../src/select/resolve.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const ADDRESSES = [
  { address: '2001:db8::1', family: 6 as const },
  { address: '192.0.2.1', family: 4 as const },
]
const never = new AbortController().signal

function setUp(options: ConstructorParameters<typeof SystemResolver>[0]['options'] = {}) {
  const clock = new FakeClock()
  const queries: { host: string; answer: Parameters<Lookup>[1] }[] = []
  const lookup: Lookup = (host, answer) => void queries.push({ host, answer })
  return { clock, queries, resolver: new SystemResolver({ clock, lookup, options }) }
}

/** The outcome of a promise that has had the time to settle. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => (error instanceof TransportError ? error.code : error))
}

describe('SystemResolver', () => {
  it('asks once for all who ask at the same time, and remembers the answer', async () => {
    const { clock, queries, resolver } = setUp()
    const both = [resolver.resolve('origin.test', never), resolver.resolve('origin.test', never)]
    expect(queries.map(({ host }) => host)).toEqual(['origin.test'])
    queries[0]?.answer(null, ADDRESSES)
    expect(await Promise.all(both)).toEqual([
      { addresses: ADDRESSES, source: 'system' },
      { addresses: ADDRESSES, source: 'system' },
    ])
    expect(await resolver.resolve('origin.test', never)).toEqual({ addresses: ADDRESSES, source: 'cache' })
    expect(clock.pendingTimers()).toBe(0)

    clock.advance(30_000)
    const again = resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(2)
    queries[1]?.answer(null, ADDRESSES)
    expect(await again).toMatchObject({ source: 'system' })
  })

  it('asks for each host', () => {
    const { queries, resolver } = setUp()
    void resolver.resolve('one.test', never)
    void resolver.resolve('two.test', never)
    expect(queries.map(({ host }) => host)).toEqual(['one.test', 'two.test'])
  })

  it('says what failed, and remembers it for a moment', async () => {
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
  ])('has words for %s', async (code, message) => {
    const { queries, resolver } = setUp()
    const asked = resolver.resolve('x.test', never)
    queries[0]?.answer(Object.assign(new Error('why'), { code }), [])
    await expect(asked).rejects.toMatchObject({ code: 'MM_DNS_FAILED', message })
  })

  it('takes no addresses for a failure', async () => {
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

  it('lets one give up without the others', async () => {
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

  it('asks anew after clear', async () => {
    const { queries, resolver } = setUp()
    const asked = resolver.resolve('origin.test', never)
    queries[0]?.answer(null, ADDRESSES)
    await asked
    resolver.clear()
    void resolver.resolve('origin.test', never)
    expect(queries).toHaveLength(2)
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
    expect(() => resolver.forOrigin(parseOrigin('https://x.test'), { endpoints: ['y.test'] })).toThrow(
      /not an IP/,
    )
  })
})

describe('the system', () => {
  it('knows localhost', async () => {
    const resolver = new SystemResolver({ clock: new FakeClock() })
    const { addresses, source } = await resolver.resolve('localhost', never)
    expect(source).toBe('system')
    expect(addresses.map(({ address }) => address)).toContain('127.0.0.1')
  })
})
