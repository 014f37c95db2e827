import { describe, expect, it } from 'vitest'
import { TINY_FRAME_BYTES, TinyFrameBucket } from '../../../../src/http/multiplex/token-bucket.ts'

/** How many of `times` frames with so much content are taken. */
function taken(bucket: TinyFrameBucket, bytes: number, times: number, now = 0): number {
  for (let i = 0; i < times; i++) if (!bucket.receive(bytes, true, now)) return i
  return times
}

describe('TinyFrameBucket', () => {
  it('takes a second’s worth at once, and what the content pays for', () => {
    expect(taken(new TinyFrameBucket(100), 1, 1_000)).toBe(106)
    expect(taken(new TinyFrameBucket(100), 8, 1_000)).toBe(199)
    expect(taken(new TinyFrameBucket(100), 16, 1_000)).toBe(1_000)
  })

  it('counts what is below the bound, and not what is at it', () => {
    const bucket = new TinyFrameBucket(1)
    expect(taken(bucket, 1, 10)).toBe(1)
    expect(bucket.receive(1, true, 0)).toBe(false)
    expect(taken(bucket, TINY_FRAME_BYTES, 10)).toBe(10)
  })

  it('lets large frames pay for tiny ones, up to a second’s worth', () => {
    const bucket = new TinyFrameBucket(100)
    taken(bucket, 1, 1_000)
    bucket.receive(800, true, 0)
    expect(taken(bucket, 1, 1_000)).toBeGreaterThanOrEqual(50)
    bucket.receive(1_000_000, true, 0)
    expect(taken(bucket, 1, 1_000)).toBe(106)
  })

  it('does not count what could not have been larger', () => {
    const bucket = new TinyFrameBucket(1)
    for (let i = 0; i < 100; i++) expect(bucket.receive(1, false, 0)).toBe(true)
  })

  it('takes the rate for ever, and everything at 0', () => {
    const bucket = new TinyFrameBucket(10)
    for (let i = 0; i < 500; i++) expect(bucket.receive(1, true, i * 100)).toBe(true)
    expect(taken(new TinyFrameBucket(0), 1, 100_000)).toBe(100_000)
  })
})
