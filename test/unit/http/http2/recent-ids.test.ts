import { describe, expect, it } from 'vitest'
import { RecentIds } from '../../../../src/http/http2/stream-table.ts'

describe('RecentIds', () => {
  it('knows the last 1024, and forgets the oldest', () => {
    const recent = new RecentIds()
    for (let id = 0; id < 1024; id++) recent.add(4 * id)
    expect([recent.has(0), recent.has(4 * 1023), recent.has(1)]).toEqual([true, true, false])
    recent.add(4 * 1024)
    expect([recent.has(0), recent.has(4), recent.has(4 * 1024)]).toEqual([false, true, true])
  })

  it('knows up to where it may have forgotten one, in whatever order they came', () => {
    const recent = new RecentIds()
    recent.add(101)
    for (let id = 0; id < 1023; id++) recent.add(1001 + 2 * id)
    expect([recent.mayHave(1), recent.mayHave(101), recent.mayHave(103)]).toEqual([false, true, false])
    recent.add(1) // 101 has to go
    expect([99, 101, 103, 1001].map(id => recent.mayHave(id))).toEqual([true, true, false, true])
    recent.add(3) // and now 1001
    expect([103, 1003].map(id => recent.mayHave(id))).toEqual([true, true])
    expect(recent.mayHave(5001)).toBe(false)
  })
})
