import { describe, expect, it } from 'vitest'
import {
  FastOpenBreakers,
  type FastOpenOutcome,
} from '../../../../src/connect/fast-open/fast-open-breakers.ts'

const A = '192.0.2.1'
const B = '192.0.2.2'
const SECOND = 1000
const MINUTE = 60 * SECOND

function bookAfter(...outcomes: FastOpenOutcome[]): FastOpenBreakers {
  const book = new FastOpenBreakers()
  for (const outcome of outcomes) book.onOutcome(A, outcome, 0)
  return book
}

describe('the breaker of Fast Open', () => {
  it('lets connects use it where nothing is known', () => {
    const book = new FastOpenBreakers()
    expect(book.take(A, 0)).toEqual({ use: true, because: 'not tried there yet' })
    expect([book.tell(A, 0), book.size]).toEqual([undefined, 0])
  })

  it.each<[string, FastOpenOutcome[]]>([
    ['the SYN had to be sent again without data', ['syn-resent']],
    ['nothing came until the connect was made without', ['stuck']],
    ['the peer did not take the data of 3 SYNs in a row', ['not-taken', 'not-taken', 'not-taken']],
  ])('leaves an address alone at once when %s, and no other', (reason, outcomes) => {
    const book = bookAfter(...outcomes)
    const because = `left alone for another 60 s after 1 failure: ${reason}`
    expect(book.take(A, 0)).toEqual({ use: false, because })
    expect(book.tell(A, 0)).toEqual({ isLeftAlone: true, because })
    expect(book.take(B, 0).use).toBe(true)
    expect(book.take(A, MINUTE - 1).use).toBe(false)
  })

  it('counts only times in a row at which its data was not taken', () => {
    const book = bookAfter('not-taken', 'not-taken')
    expect(book.take(A, 0)).toEqual({ use: true, because: 'its data was not taken 2 of 3 times' })
    book.onOutcome(A, 'used', 0)
    expect(book.take(A, 5 * SECOND)).toEqual({ use: true, because: 'worked 5 s ago' })
    for (const outcome of ['not-taken', 'not-taken'] as const) book.onOutcome(A, outcome, 0)
    expect(book.take(A, 0).use).toBe(true)
  })

  it('ignores the lack of a cookie', () => {
    const book = bookAfter('no-cookie', 'no-cookie', 'no-cookie', 'no-cookie')
    expect([book.take(A, 0).use, book.size]).toEqual([true, 0])
    expect(bookAfter('not-taken', 'not-taken', 'no-cookie', 'not-taken').take(A, 0).use).toBe(false)
    expect(bookAfter('stuck', 'no-cookie').take(A, 0).use).toBe(false)
  })

  describe('when the time is over', () => {
    it('lets one connect through, and no other until that has an outcome', () => {
      const book = bookAfter('stuck')
      expect(book.tell(A, MINUTE)).toMatchObject({ isLeftAlone: false })
      expect(book.take(A, MINUTE)).toEqual({
        use: true,
        because: 'may be tried again after 1 failure: nothing came until the connect was made without',
      })
      expect(book.take(A, MINUTE)).toEqual({
        use: false,
        because:
          'one connect tries it again after 1 failure: nothing came until the connect was made without',
      })
      book.onOutcome(A, 'used', MINUTE)
      expect([book.take(A, MINUTE).use, book.take(A, MINUTE).use]).toEqual([true, true])
      book.onOutcome(A, 'stuck', MINUTE)
      expect(book.take(A, MINUTE).because).toContain('another 60 s after 1 failure')
    })

    it('gives a trial up that never reports', () => {
      const book = bookAfter('stuck')
      book.take(A, MINUTE)
      expect(book.take(A, MINUTE + 30 * SECOND - 1).use).toBe(false)
      expect(book.take(A, MINUTE + 30 * SECOND).use).toBe(true)
      expect(book.take(A, MINUTE + 30 * SECOND).use).toBe(false)
    })

    it('tries again at once when the kernel had no cookie', () => {
      const book = bookAfter('stuck')
      book.take(A, MINUTE)
      book.onOutcome(A, 'no-cookie', MINUTE)
      expect([book.take(A, MINUTE).use, book.take(A, MINUTE).use]).toEqual([true, false])
    })

    it('waits twice as long after each trial that failed, in whatever way, up to an hour', () => {
      const book = bookAfter('stuck')
      let now = MINUTE
      const waits = [1, 2, 3, 4, 5, 6, 7].map(count => {
        expect(book.take(A, now).use, `trial ${count}`).toBe(true)
        book.onOutcome(A, 'not-taken', now)
        const wait = Number(/another (\d+) s/.exec(book.take(A, now).because)?.[1])
        expect(book.take(A, now + wait * SECOND - 1).use).toBe(false)
        now += wait * SECOND
        return wait
      })
      expect(waits).toEqual([120, 240, 480, 960, 1920, 3600, 3600])
    })
  })

  it('does not count what began before it was left alone, but is notified when that succeeded', () => {
    const book = bookAfter('stuck', 'stuck', 'syn-resent')
    expect(book.take(A, 0).because).toContain('another 60 s after 1 failure: nothing came')
    book.onOutcome(A, 'used', 0)
    expect(book.take(A, 0).use).toBe(true)
  })

  it('forgets everything on another network', () => {
    const book = bookAfter('stuck')
    book.onNetworkChanged()
    expect([book.take(A, 0).use, book.size]).toEqual([true, 0])
  })

  it('keeps 1024 addresses, those that were asked for last', () => {
    const book = new FastOpenBreakers()
    const address = (i: number): string => `10.0.${i >> 8}.${i & 255}`
    for (let i = 0; i < 1024; i++) book.onOutcome(address(i), 'stuck', 0)
    expect([book.size, book.take(address(0), 0).use]).toEqual([1024, false])
    book.onOutcome(A, 'stuck', 0)
    expect(book.size).toBe(1024)
    expect([0, 1, 2].map(i => book.take(address(i), 0).use)).toEqual([false, true, false])
  })
})
