import { describe, expect, it } from 'vitest'
import { HostShares } from '../../../../src/service/workers/host-shares.ts'
import type { ShareRequest } from '../../../../src/state/shares/share-messages.ts'

const SHOP = 'https://shop.example'

function host() {
  const told: string[] = []
  const clock = { at: 0, now: () => clock.at }
  const shares = new HostShares({
    tell: (worker, of) => told.push(`${worker}: ${of.join(' ')}`),
    clock,
    fleet: undefined,
  })
  let number = 0
  const ask = (
    worker: number,
    wants: number,
    keeps = 0,
    more: Partial<ShareRequest> = {},
    now = 0,
  ): number => {
    number += 1
    const request = { of: SHOP, member: 'itself', number, ceiling: 4, keeps, wants, ...more }
    clock.at = now
    return shares.answer(worker, [request])[0]?.share ?? Number.NaN
  }
  return { shares, clock, told, ask }
}

describe('what workers share of a ceiling', () => {
  it('is theirs by their process, whatever they call themselves', () => {
    const { ask } = host()
    expect([ask(1, 4), ask(2, 4)]).toEqual([4, 0])
  })

  it('is asked back once from who has too much, and offered to who lacks it', () => {
    const { told, ask } = host()
    ask(1, 4)
    ask(2, 2)
    ask(2, 2)
    expect(told).toEqual([`1: ${SHOP}`])
    expect(ask(1, 4, 4)).toBe(2)
    expect(told).toEqual([`1: ${SHOP}`])
    ask(1, 4, 2)
    expect(told).toEqual([`1: ${SHOP}`, `2: ${SHOP}`])
    expect(ask(2, 2)).toBe(2)
  })

  it('is free when the process has ended, and not before, however long it says nothing', () => {
    const { shares, told, ask } = host()
    ask(1, 4)
    expect(ask(2, 4, 0, {}, 1e9)).toBe(0)
    shares.onEnded(1)
    expect(told.at(-1)).toBe(`2: ${SHOP}`)
    expect(ask(2, 4, 0, {}, 1e9)).toBe(4)
    expect(shares.shown()).toEqual([{ of: SHOP, limit: 4, members: 1, wanted: 4, granted: 4 }])
  })

  it('moves on with time where there are fewer than workers that wait', () => {
    const { shares, clock, told, ask } = host()
    ask(1, 1, 0, { ceiling: 1 })
    ask(2, 1, 0, { ceiling: 1 })
    clock.at = 499
    shares.announce()
    expect(told).toEqual([])
    clock.at = 500
    shares.announce()
    expect(told).toEqual([`1: ${SHOP}`])
  })

  it('is answered in the order of the questions, and forgotten when nobody has a part in it', () => {
    const { shares } = host()
    const request = { member: '', number: 1, keeps: 0, wants: 1 }
    const answers = shares.answer(1, [
      { ...request, of: 'https://a.example', ceiling: 3 },
      { ...request, of: 'https://b.example', ceiling: 5 },
    ])
    expect(answers.map(({ share }) => share)).toEqual([3, 5])
    shares.onEnded(1)
    expect(shares.shown()).toEqual([])
  })
})
