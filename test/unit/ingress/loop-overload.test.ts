import { describe, expect, it } from 'vitest'
import { LoopOverload } from '../../../src/ingress/load-shedder.ts'

/** Plays turns, each with its begin and its length. */
function play(
  overload: LoopOverload,
  ...turns: readonly (readonly [beganAt: number, ms: number])[]
): boolean {
  for (const [beganAt, ms] of turns) {
    overload.onTurnBegan(beganAt)
    overload.onTurnEnded(beganAt + ms)
  }
  return overload.isOverloaded
}

describe('an overload of the loop', () => {
  it('begins when all turns were too long for the interval, counted from the begin of the first of them', () => {
    const overload = new LoopOverload(200, 500)
    expect(play(overload, [0, 201], [201, 201])).toBe(false)
    expect(play(overload, [402, 201])).toBe(true)
  })

  it('is at the boundary of both: a turn as long as the target is short enough, the interval is long enough', () => {
    expect(play(new LoopOverload(200, 500), [0, 200], [200, 200], [400, 200], [600, 200])).toBe(false)
    expect(play(new LoopOverload(200, 500), [0, 250], [250, 249])).toBe(false)
    expect(play(new LoopOverload(200, 500), [0, 250], [250, 250])).toBe(true)
  })

  it('does not follow from one long turn, nor from long ones with a short one between', () => {
    const overload = new LoopOverload(200, 500)
    expect(play(overload, [0, 450], [450, 10], [460, 450])).toBe(false)
  })

  it('begins with the first long turn where the interval is 0', () => {
    expect(play(new LoopOverload(200, 0), [0, 201])).toBe(true)
  })

  it('ends with a short turn', () => {
    const overload = new LoopOverload(200, 0)
    play(overload, [0, 300])
    expect(play(overload, [300, 200])).toBe(false)
  })

  it('takes what fills the target in each turn, and everything when it is over', () => {
    const overload = new LoopOverload(200, 0)
    overload.onTurnBegan(0)
    expect(overload.admits(10_000)).toBe(true)
    overload.onTurnEnded(300)
    overload.onTurnBegan(1_000)
    expect([overload.admits(1_000), overload.admits(1_200), overload.admits(1_201)]).toEqual([
      true,
      true,
      false,
    ])
  })
})
