import { describe, expect, it } from 'vitest'
import { EndpointBreakers } from '../../../src/balance/endpoint-breakers.ts'
import { fc } from '../../support/property.ts'

function breakers(maxRequestsPerEndpoint: number, maxRetriesPerEndpoint = 0) {
  const refused: string[] = []
  const made = EndpointBreakers.of({
    options: { maxRequestsPerEndpoint, maxRetriesPerEndpoint },
    onRefused: (by, limit) => refused.push(`${by} ${limit}`),
  })
  if (made === undefined) throw new Error('nothing is bounded')
  return { made, refused }
}

describe('the breakers of endpoints', () => {
  it('are none where nothing is bounded', () => {
    const options = { maxRequestsPerEndpoint: 0, maxRetriesPerEndpoint: 0 }
    expect(EndpointBreakers.of({ options, onRefused: () => {} })).toBeUndefined()
  })

  it('add up the requests under way over all lanes', () => {
    const { made } = breakers(3)
    const tcp = [1, 0]
    made.addLane(index => tcp[index] ?? 0)
    made.addLane(index => (index === 0 ? 1 : 0))
    expect([made.isFull(0, false), made.isFull(1, false)]).toEqual([false, false])
    tcp[0] = 2
    expect([made.isFull(0, false), made.isFull(1, false)]).toEqual([true, false])
  })

  it('hold replays back, and nothing else, while as many are under way as are allowed', () => {
    const { made } = breakers(0, 1)
    const end = made.beginRetry(0)
    expect([made.isFull(0, true), made.isFull(0, false), made.isFull(1, true)]).toEqual([true, false, false])
    end()
    expect(made.isFull(0, true)).toBe(false)
  })

  it('say which bound refused a request', () => {
    const { made, refused } = breakers(1, 1)
    made.beginRetry(0)
    made.beginRetry(1)
    expect(made.refuse([0, 1], true)).toContain('breakers.maxRetriesPerEndpoint')
    made.addLane(() => 1)
    expect(made.refuse([0, 1], false)).toContain('breakers.maxRequestsPerEndpoint')
    expect(refused).toEqual(['retries 1', 'requests 1'])
  })

  it('count each replay until its end, whatever the order of the ends is', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.boolean()), { maxLength: 60 }), steps => {
        const { made } = breakers(0, 1_000)
        const ends: { index: number; end: () => void }[] = []
        for (const [index, begins] of steps) {
          if (begins || ends.length === 0) ends.push({ index, end: made.beginRetry(index) })
          else ends.splice(index % ends.length, 1)[0]?.end()
        }
        for (const index of [0, 1, 2])
          expect(made.figures(index).retries).toBe(ends.filter(one => one.index === index).length)
      }),
    )
  })
})
