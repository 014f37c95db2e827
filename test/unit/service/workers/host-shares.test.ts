import { describe, expect, it } from 'vitest'
import { HostShares, ownShares } from '../../../../src/service/workers/host-shares.ts'
import type { ShareHolder } from '../../../../src/state/shares/share-keeper.ts'
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
    shares.onEnded(1)
    expect(told.at(-1)).toBe(`2: ${SHOP}`)
    expect(ask(2, 4, 0, {}, 1e9)).toBe(4)
    expect(shares.shown()).toEqual([{ of: SHOP, limit: 4, members: 1, wanted: 4, granted: 4 }])
  })

  it('rotate with time where there are fewer than waiting workers', () => {
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

  it('are answered in the order of the questions, and forgotten when no worker has a part in the ceiling', () => {
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

/** A fleet that says of each ceiling what the test says. */
function fleetOf() {
  const calls: string[] = []
  let holder: ShareHolder | undefined
  return {
    calls,
    give: (share: number) => holder?.set(share),
    held: () => [holder?.holds, holder?.wants],
    fleet: {
      configure(of: string, ceiling: number, floor: number, host: ShareHolder) {
        calls.push(`configure ${of} ${ceiling} ${floor}`)
        holder = host
      },
      look: (of: string) => void calls.push(`look ${of}`),
      leave: (of: string) => void calls.push(`leave ${of}`),
    },
  }
}

describe('the share of a host of a fleet', () => {
  const request = { of: SHOP, member: '', ceiling: 20, floor: 2, keeps: 0, wants: 3 }

  it('is nothing before the fleet grants it, and then what it grants', () => {
    const { calls, give, held, fleet } = fleetOf()
    const told: number[] = []
    const shares = new HostShares({ tell: worker => told.push(worker), clock: { now: () => 0 }, fleet })
    expect(shares.answer(1, [{ ...request, number: 1 }])).toMatchObject([{ share: 0, limit: 0 }])
    expect(calls).toEqual([`configure ${SHOP} 20 2`, `look ${SHOP}`])
    expect(held()).toEqual([0, 3])
    give(5)
    expect(told).toEqual([1])
    expect(shares.answer(1, [{ ...request, number: 2 }])).toMatchObject([{ share: 5, limit: 5 }])
    expect(held()).toEqual([5, 3])
  })

  it('is taken back from workers when the fleet asks for it, though none of them lacks anything', () => {
    const { give, held, fleet } = fleetOf()
    const told: number[] = []
    const shares = new HostShares({ tell: worker => told.push(worker), clock: { now: () => 0 }, fleet })
    shares.answer(1, [{ ...request, number: 1 }])
    give(6)
    shares.answer(1, [{ ...request, number: 2 }])
    shares.answer(2, [{ ...request, number: 1, wants: 0 }])
    told.length = 0
    give(2)
    expect(told).toEqual([1])
    expect(shares.answer(1, [{ ...request, number: 3, keeps: 6 }])).toMatchObject([{ share: 2 }])
    expect(held()).toEqual([6, 3]) // until the worker has ended them
    shares.answer(1, [{ ...request, number: 4, keeps: 2 }])
    expect(held()).toEqual([2, 3])
  })

  it('is left to others when no process needs it any more', () => {
    const { calls, fleet } = fleetOf()
    const shares = new HostShares({ tell: () => {}, clock: { now: () => 0 }, fleet })
    shares.answer(1, [{ ...request, number: 1 }])
    shares.answer(2, [{ ...request, number: 1 }])
    shares.answer(1, [{ ...request, number: 2, leaves: true }])
    expect(calls).not.toContain(`leave ${SHOP}`)
    shares.onEnded(2)
    expect(calls).toContain(`leave ${SHOP}`)
    expect(shares.shown()).toEqual([])
  })

  it('is granted in the same manner where the host has one process', async () => {
    const { give, fleet } = fleetOf()
    const news: string[] = []
    const { host, port } = ownShares(tell => new HostShares({ tell, clock: { now: () => 0 }, fleet }))
    port.onNews?.(of => news.push(of))
    expect(await port.ask({ ...request, number: 1 })).toMatchObject({ share: 0 })
    give(4)
    expect(news).toEqual([SHOP])
    expect(await port.ask({ ...request, number: 2 })).toMatchObject({ share: 4 })
    expect(host.shown()).toMatchObject([{ of: SHOP, limit: 4, granted: 4 }])
  })
})
