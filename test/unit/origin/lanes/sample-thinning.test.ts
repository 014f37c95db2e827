import { describe, expect, it } from 'vitest'
import { SampleThinning } from '../../../../src/origin/lanes/sample-thinning.ts'

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
  it('takes all where a millisecond or more lies between two', () => {
    expect(taken(1)).toBe(800)
  })

  it('takes one in eight of those that end at the same time', () => {
    expect(taken(0)).toBe(100)
  })

  it('takes no fewer than one a millisecond', () => {
    expect(taken(0.5)).toBe(400)
  })

  it('takes all of a trial', () => {
    expect(taken(0, true)).toBe(800)
  })
})
