import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../../../src/http/multiplex/token-bucket.ts'

/** How many of so many are let through at one time. */
const taken = (bucket: TokenBucket, count: number, now: number): number =>
  Array.from({ length: count }, () => bucket.take(now)).filter(Boolean).length

describe('TokenBucket', () => {
  it('lets ten seconds’ worth through at once, and the rate from then on', () => {
    const bucket = new TokenBucket(5)
    expect(taken(bucket, 100, 0)).toBe(50)
    expect(taken(bucket, 100, 1000)).toBe(5)
    expect(taken(bucket, 100, 1100)).toBe(0)
    expect(taken(bucket, 100, 1200)).toBe(1)
    expect(taken(bucket, 100, 1_000_000)).toBe(50)
  })

  it('begins with less where it is told to, and saves up the rest', () => {
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

  it('0 is no limit', () => {
    expect(taken(new TokenBucket(0), 1000, 0)).toBe(1000)
  })
})
