import { describe, expect, it } from 'vitest'
import {
  TINY_FRAME_BYTES,
  TinyFrameBucket,
  TokenBucket,
} from '../../../../src/http/multiplex/token-bucket.ts'

/** How many of so many are let through at one time. */
const taken = (bucket: TokenBucket, count: number, now: number): number =>
  Array.from({ length: count }, () => bucket.take(now)).filter(Boolean).length

describe('TokenBucket', () => {
  it('allows ten seconds’ worth at once, and the rate from then on', () => {
    const bucket = new TokenBucket(5)
    expect(taken(bucket, 100, 0)).toBe(50)
    expect(taken(bucket, 100, 1000)).toBe(5)
    expect(taken(bucket, 100, 1100)).toBe(0)
    expect(taken(bucket, 100, 1200)).toBe(1)
    expect(taken(bucket, 100, 1_000_000)).toBe(50)
  })

  it('begins with less where that is set, and saves up the rest', () => {
    const bucket = new TokenBucket(5)
    bucket.begin(1000, 3)
    expect(taken(bucket, 100, 1000)).toBe(15)
    expect(taken(bucket, 100, 2000)).toBe(5)
    const patient = new TokenBucket(5)
    patient.begin(1000, 3)
    expect(taken(patient, 100, 7000)).toBe(45)
    expect(taken(patient, 100, 60_000)).toBe(50)
  })

  it('counts nothing against what was refused', () => {
    const bucket = new TokenBucket(1)
    taken(bucket, 10_000, 0)
    expect(taken(bucket, 10, 1000)).toBe(1)
  })

  it('has no limit with 0', () => {
    expect(taken(new TokenBucket(0), 1000, 0)).toBe(1000)
  })
})

/** How many of `times` frames with so much content are taken. */
function framesTaken(bucket: TinyFrameBucket, bytes: number, times: number, now = 0): number {
  for (let i = 0; i < times; i++) if (!bucket.receive(bytes, true, now)) return i
  return times
}

describe('TinyFrameBucket', () => {
  it('allows a second’s worth at once, and what the content pays for', () => {
    expect(framesTaken(new TinyFrameBucket(100), 1, 1_000)).toBe(106)
    expect(framesTaken(new TinyFrameBucket(100), 8, 1_000)).toBe(199)
    expect(framesTaken(new TinyFrameBucket(100), 16, 1_000)).toBe(1_000)
  })

  it('counts what is below the bound, and not what is at it', () => {
    const bucket = new TinyFrameBucket(1)
    expect(framesTaken(bucket, 1, 10)).toBe(1)
    expect(bucket.receive(1, true, 0)).toBe(false)
    expect(framesTaken(bucket, TINY_FRAME_BYTES, 10)).toBe(10)
  })

  it('lets large frames pay for tiny ones, up to a second’s worth', () => {
    const bucket = new TinyFrameBucket(100)
    framesTaken(bucket, 1, 1_000)
    bucket.receive(800, true, 0)
    expect(framesTaken(bucket, 1, 1_000)).toBeGreaterThanOrEqual(50)
    bucket.receive(1_000_000, true, 0)
    expect(framesTaken(bucket, 1, 1_000)).toBe(106)
  })

  it('does not count frames that could not have been larger', () => {
    const bucket = new TinyFrameBucket(1)
    for (let i = 0; i < 100; i++) expect(bucket.receive(1, false, 0)).toBe(true)
  })

  it('allows the rate forever, and everything at 0', () => {
    const bucket = new TinyFrameBucket(10)
    for (let i = 0; i < 500; i++) expect(bucket.receive(1, true, i * 100)).toBe(true)
    expect(framesTaken(new TinyFrameBucket(0), 1, 100_000)).toBe(100_000)
  })
})
