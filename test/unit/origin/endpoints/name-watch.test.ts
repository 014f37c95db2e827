import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Resolution } from '../../../../src/base/http/endpoint.ts'
import { NameWatch, nextLookupMs } from '../../../../src/origin/endpoints/name-watch.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'

const ONE = [{ address: '192.0.2.1', family: 4 }] as const

function setUp(answers: readonly (Partial<Resolution> | string)[], refreshMs = 30_000) {
  const clock = new FakeClock()
  const asked: number[] = []
  const signals: AbortSignal[] = []
  const told: string[] = []
  const watch = new NameWatch({
    name: 'b.test',
    clock,
    refreshMs,
    resolver: {
      resolve: async (_host, signal) => {
        const answer = answers[asked.length]
        asked.push(clock.now())
        signals.push(signal)
        if (typeof answer === 'string') throw new TransportError('MM_DNS_FAILED', answer)
        if (answer === undefined) return await new Promise(() => {})
        return { addresses: ONE, source: 'dns', ...answer }
      },
    },
    onAnswer: (addresses, scope, source) =>
      void told.push(`${addresses.map(({ address }) => address).join()} ${source} ${scope}`),
  })
  return { clock, asked, told, watch, signals }
}

describe('when a name is looked up again', () => {
  it.each([
    ['when its answer is not fresh any more', 5_000, 0, 30_000, 5_000],
    ['once a second at the most', 3, 0, 30_000, 1_000],
    ['after dnsRefreshMs at the latest', 86_400_000, 0, 30_000, 30_000],
    ['after dnsRefreshMs where nothing is kept', 0, 0, 30_000, 30_000],
    ['soon after a failure', undefined, 1, 30_000, 1_000],
    ['later after the fourth', undefined, 4, 30_000, 8_000],
    ['as late as ever after many', undefined, 4_000, 30_000, 30_000],
    ['never without dnsRefreshMs', 5_000, 0, 0, Infinity],
  ])('is %s', (_what, freshForMs, failures, refreshMs, expected) => {
    expect(nextLookupMs(freshForMs, failures, refreshMs)).toBe(expected)
  })
})

describe('the watch of a name', () => {
  it('asks again and again, and tells what comes', async () => {
    const { clock, asked, told, watch } = setUp([{ freshForMs: 5_000 }, {}])
    watch.refresh()
    await settled()
    clock.advance(4_999)
    expect(asked).toEqual([0])
    clock.advance(1)
    await settled()
    clock.advance(30_000)
    expect([asked, told]).toEqual([
      [0, 5_000, 35_000],
      ['192.0.2.1 dns all', '192.0.2.1 dns all'],
    ])
    expect(watch.lookups(35_000)).toEqual({ answered: 2, failed: 0, lastError: undefined, ageMs: 30_000 })
  })

  it('says nothing of a failure, and nothing of a stale answer once there was another', async () => {
    const { clock, told, watch } = setUp(['gone', {}, { source: 'stale' }, { source: 'dns-partial' }])
    await expect(watch.ask()).rejects.toMatchObject({ code: 'MM_DNS_FAILED' })
    clock.advance(1_000)
    await settled()
    clock.advance(30_000)
    await settled()
    expect(told).toEqual(['192.0.2.1 dns all'])
    expect(watch.lookups(31_000)).toMatchObject({ answered: 1, failed: 2 })
    clock.advance(1_000)
    await settled()
    expect(told).toEqual(['192.0.2.1 dns all', '192.0.2.1 dns-partial one-family'])
  })

  it('takes a stale answer for want of any other, and takes nothing away for it', async () => {
    const { told, watch } = setUp([{ source: 'stale' }])
    await watch.ask()
    expect(told).toEqual(['192.0.2.1 stale outdated'])
  })

  it('has one lookup for all who ask, does not ask for a fixed address again, and ends with its origin', async () => {
    const { clock, asked, watch, signals } = setUp([{ source: 'override' }])
    await Promise.all([watch.ask(), watch.ask()])
    expect([asked.length, clock.pendingTimers()]).toEqual([1, 0])
    watch.refresh()
    watch.close()
    expect([signals.at(-1)?.aborted, clock.pendingTimers()]).toEqual([true, 0])
  })
})
