import { describe, expect, it } from 'vitest'
import { RecentIds } from '../../../src/http2/recent-ids.ts'

describe('RecentIds', () => {
  it('knows the last 1024, and forgets the oldest', () => {
    const recent = new RecentIds()
    for (let id = 0; id < 1024; id++) recent.add(4 * id)
    expect([recent.has(0), recent.has(4 * 1023), recent.has(1)]).toEqual([true, true, false])
    recent.add(4 * 1024)
    expect([recent.has(0), recent.has(4), recent.has(4 * 1024)]).toEqual([false, true, true])
  })
})
