import { describe, expect, it } from 'vitest'
import { HostShares } from '../../../../src/service/workers/host-shares.ts'
import type { ShareRequest } from '../../../../src/state/shares/share-messages.ts'

const SHOP = 'https://shop.example'

function host() {
  const told: string[] = []
  const shares = new HostShares((worker, of) => told.push(`${worker}: ${of.join(' ')}`))
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
    return shares.answer(worker, [request], now)[0]?.share ?? Number.NaN
  }
  return { shares, told, ask }
}

describe('the shares of workers of a ceiling', () => {
  it('belong to their processes, whatever those call themselves', () => {
    const { ask } = host()
    expect([ask(1, 4), ask(2, 4)]).toEqual([4, 0])
  })

  it('are asked back once from a worker with too much, and offered to one with too little', () => {
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

  it('are free when the process has ended, and not before, however long it is silent', () => {
    const { shares, told, ask } = host()
    ask(1, 4)
    expect(ask(2, 4, 0, {}, 1e9)).toBe(0)
    shares.onEnded(1, 1e9)
    expect(told.at(-1)).toBe(`2: ${SHOP}`)
    expect(ask(2, 4, 0, {}, 1e9)).toBe(4)
    expect(shares.shown()).toEqual([{ of: SHOP, limit: 4, members: 1, wanted: 4, granted: 4 }])
  })

  it('rotate with time where there are fewer than waiting workers', () => {
    const { shares, told, ask } = host()
    ask(1, 1, 0, { ceiling: 1 })
    ask(2, 1, 0, { ceiling: 1 })
    shares.announce(499)
    expect(told).toEqual([])
    shares.announce(500)
    expect(told).toEqual([`1: ${SHOP}`])
  })

  it('are answered in the order of the questions, and forgotten when no worker has a part in the ceiling', () => {
    const { shares } = host()
    const request = { member: '', number: 1, keeps: 0, wants: 1 }
    const answers = shares.answer(
      1,
      [
        { ...request, of: 'https://a.example', ceiling: 3 },
        { ...request, of: 'https://b.example', ceiling: 5 },
      ],
      0,
    )
    expect(answers.map(({ share }) => share)).toEqual([3, 5])
    shares.onEnded(1, 0)
    expect(shares.shown()).toEqual([])
  })
})
