import { describe, expect, it } from 'vitest'
import { LaneEstimates } from '../../../../src/select/choice/lane-estimates.ts'
import { Turns } from '../../../../src/select/choice/turns.ts'
import { standingOf } from '../../../support/lane-figures.ts'

function carried(count: number, turns = new Turns(10)): Turns {
  for (let index = 0; index < count; index += 1) turns.onCarried()
  return turns
}

const [tcp, h3] = [standingOf('tcp', 3), standingOf('h3', 1)]

describe('the turns of lanes', () => {
  it('give the lane that carried before a trial another block before it loses', () => {
    const turns = carried(10)
    expect(turns.mustWait(h3, tcp, 0), 'no trial yet').toBe(false)
    turns.onTried('h3')
    carried(9, turns)
    expect(turns.mustWait(h3, tcp, 10)).toBe(true)
    expect(turns.mustWait(h3, tcp, 31), 'learning has had its 50 requests').toBe(false)
    carried(1, turns)
    expect(turns.mustWait(h3, tcp, 10)).toBe(false)
  })

  it('do not where warming up is no excuse: a great difference, or a process that has warmed up', () => {
    const turns = carried(10)
    turns.onTried('h3')
    expect([
      turns.mustWait(h3, standingOf('tcp', 50), 10),
      turns.mustWait(h3, standingOf('tcp', 52), 10),
    ]).toEqual([true, false])
    const warm = carried(30)
    warm.onTried('h3')
    expect(warm.mustWait(h3, tcp, 10)).toBe(false)
  })

  it('begin anew with another lane, and another network', () => {
    const turns = carried(10)
    turns.onTried('h3')
    turns.onChanged()
    expect([turns.mustWait(h3, tcp, 10), turns.carried]).toEqual([false, 10])
    turns.onTried('h3')
    turns.startOver()
    expect([turns.mustWait(h3, tcp, 10), turns.carried]).toEqual([false, 0])
  })

  it('let a lane be tried again after half a block of the other', () => {
    const turns = carried(10)
    turns.onTried('h3')
    expect([turns.mayTryAgain('h3'), turns.mayTryAgain('tcp')]).toEqual([false, true])
    expect(carried(5, turns).mayTryAgain('h3')).toBe(true)
  })

  it('stay within 50 requests', () => {
    expect([carried(20).hasRoom(20), carried(20).hasRoom(21)]).toEqual([true, false])
  })

  it('distinguish a process that warms up from a path that loses packets by how much times vary', () => {
    const lane = (...times: number[]) => {
      const estimates = new LaneEstimates()
      for (const [index, ms] of times.entries()) estimates.ttfb.add(ms, index)
      return standingOf('tcp', 1, { estimates })
    }
    expect(new Turns(10).isWarmingUp(lane(9, 7, 5, 3, 2, 1))).toBe(true)
    expect(new Turns(10).isWarmingUp(lane(40, 40, 280, 40, 40, 40))).toBe(false)
  })
})
