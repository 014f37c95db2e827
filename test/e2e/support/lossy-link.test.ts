import { describe, expect, it } from 'vitest'
import { echoOver } from '../../support/link-echo.ts'
import { requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'

const DATAGRAMS = 2_000
const numbers = Array.from({ length: DATAGRAMS }, (_, i) => i)

describe('a lossy link', () => {
  const missing = requireLossyLink()

  it('delays every packet by the same time and loses none, unless it is set to', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(20)
    const { arrived, returned } = await echoOver(link, 300)
    expect(arrived).toEqual(numbers.slice(0, 300))
    expect(returned.map(({ number }) => number)).toEqual(arrived)
    const times = returned.map(({ ms }) => ms).sort((a, b) => a - b)
    expect(times[0]).toBeGreaterThanOrEqual(40)
    // A busy machine lets most of them wait, but not each.
    expect(times[2]).toBeLessThan(44)
    expect(await link.counts()).toEqual({ toServer: 300, toClient: 300, lost: 0 })
  })

  it('loses about the share that it is set to, in each direction by itself', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(1)
    await link.lose(0.05, 1)
    const { arrived, returned } = await echoOver(link, DATAGRAMS)
    const lostThere = 1 - arrived.length / DATAGRAMS
    const lostBack = 1 - returned.length / arrived.length
    // Four standard deviations of 2,000 draws; and the draws are the same ones in every run.
    for (const share of [lostThere, lostBack]) expect(Math.abs(share - 0.05)).toBeLessThan(0.02)
    expect(lostThere).not.toBe(lostBack)
    expect(await link.counts()).toEqual({
      toServer: DATAGRAMS,
      toClient: arrived.length,
      lost: DATAGRAMS - returned.length,
    })
  })

  it('loses the same packets again with the same seed, others with another, none when that is over', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using link = await startLossyLink(1)
    const run = async (share: number, seed: number) => {
      await link.lose(share, seed)
      const { arrived, returned } = await echoOver(link, 500)
      return { arrived, back: returned.map(({ number }) => number) }
    }
    const first = await run(0.02, 7)
    const other = await run(0.02, 8)
    expect(await run(0.02, 7)).toEqual(first)
    expect(other.arrived).not.toEqual(first.arrived)
    expect(await run(0, 7)).toEqual({ arrived: numbers.slice(0, 500), back: numbers.slice(0, 500) })
  })
})
