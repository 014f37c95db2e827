import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../../../src/base/http/headers.ts'
import { AltSvcReader, SampleThinning } from '../../../../src/origin/lanes/lane-news.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

/** How many of exchanges that end every so many ms are samples, after the first ones. */
function taken(everyMs: number, isTrial = false): number {
  const thinning = new SampleThinning()
  let now = 0
  let count = 0
  for (let index = 0; index < 256; index++) if (thinning.takes(false, now)) count++
  expect(count).toBe(256)
  count = 0
  for (let index = 0; index < 800; index++) if (thinning.takes(isTrial, (now += everyMs))) count++
  return count
}

describe('SampleThinning', () => {
  it('keeps all samples where a millisecond or more lies between two', () => {
    expect(taken(1)).toBe(800)
  })

  it('keeps one in eight of those that end at the same time', () => {
    expect(taken(0)).toBe(100)
  })

  it('keeps no fewer than one a millisecond', () => {
    expect(taken(0.5)).toBe(400)
  })

  it('keeps all samples of a trial', () => {
    expect(taken(0, true)).toBe(800)
  })
})

const HERE = 'h3=":443"; ma=86400'

describe('AltSvcReader', () => {
  const setUp = () => {
    const clock = new FakeClock()
    const reader = new AltSvcReader()
    const read = (headers: HeaderList, status = 200) => reader.read(status, headers, clock)
    return { clock, reader, read }
  }

  it('finds what a response advertises, and how old that is', () => {
    expect(setUp().read(['server', 'x', 'alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 0 })
    expect(setUp().read(['age', '90', 'alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 90 })
    expect(setUp().read(['server', 'x'])).toBeUndefined()
  })

  it.each(['soon', '-5', 'Infinity', ''])('reads an invalid Age as 0: %j', age => {
    expect(setUp().read(['age', age, 'alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('reads several lines as one list (RFC 9110 5.3)', () => {
    const { read } = setUp()
    expect(read(['alt-svc', 'h3=":443"', 'x', 'y', 'alt-svc', 'h3=":8443"'])?.value).toBe(
      'h3=":443", h3=":8443"',
    )
  })

  it('reads any status but 421, whose fields count for nobody (RFC 7838 section 6)', () => {
    const { read } = setUp()
    expect(read(['alt-svc', HERE], 421)).toBeUndefined()
    expect(read(['alt-svc', HERE], 503)).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('reports what it has seen as new again once it has forgotten it', () => {
    const { reader, read } = setUp()
    read(['alt-svc', HERE])
    reader.forget()
    expect(read(['alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('reports the same value once a minute, and any other at once', () => {
    const { clock, read } = setUp()
    const isNews = (value: string) => read(['alt-svc', value]) !== undefined
    expect([isNews(HERE), isNews(HERE)]).toEqual([true, false])
    clock.advance(59_999)
    expect(isNews(HERE)).toBe(false)
    clock.advance(1)
    expect([isNews(HERE), isNews('clear'), isNews('clear'), isNews(HERE)]).toEqual([true, true, false, true])
  })
})
