import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../../src/base/http/headers.ts'
import { AltSvcReader } from '../../../src/origin/alt-svc-reader.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

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

  it.each(['soon', '-5', 'Infinity', ''])('takes an Age that is none for 0: %j', age => {
    expect(setUp().read(['age', age, 'alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('takes several lines for one list (RFC 9110 5.3)', () => {
    const { read } = setUp()
    expect(read(['alt-svc', 'h3=":443"', 'x', 'y', 'alt-svc', 'h3=":8443"'])?.value).toBe(
      'h3=":443", h3=":8443"',
    )
  })

  it('reads any status but 421, which speaks for nobody (RFC 7838 section 6)', () => {
    const { read } = setUp()
    expect(read(['alt-svc', HERE], 421)).toBeUndefined()
    expect(read(['alt-svc', HERE], 503)).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('takes what it has seen for news again once it has forgotten it', () => {
    const { reader, read } = setUp()
    read(['alt-svc', HERE])
    reader.forget()
    expect(read(['alt-svc', HERE])).toEqual({ value: HERE, ageSeconds: 0 })
  })

  it('says the same once a minute, and anything else at once', () => {
    const { clock, read } = setUp()
    const isNews = (value: string) => read(['alt-svc', value]) !== undefined
    expect([isNews(HERE), isNews(HERE)]).toEqual([true, false])
    clock.advance(59_999)
    expect(isNews(HERE)).toBe(false)
    clock.advance(1)
    expect([isNews(HERE), isNews('clear'), isNews('clear'), isNews(HERE)]).toEqual([true, true, false, true])
  })
})
