import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { PreconnectHints } from '../../../../src/origin/hints/preconnect-hints.ts'

const SHOP = parseOrigin('https://shop.test')
const link = (...names: string[]) => names.map(name => `<https://${name}.test>; rel=preconnect`).join(', ')
const named = (...names: string[]) => ({
  origins: Object.fromEntries(names.map(name => [`https://${name}.test`, {}])),
})

function setUp(...names: string[]) {
  const hinted: string[] = []
  let isFull = false
  const hints = new PreconnectHints(named(...names), ({ key }) =>
    isFull
      ? undefined
      : {
          onHinted: ({ by, source }, mayOpen) => {
            hinted.push(`${key} by ${by} in ${source}: ${mayOpen() ? 'open' : 'wait'}`)
          },
        },
  )
  return { hints, hinted, fill: () => (isFull = true) }
}

describe('hints to preconnect', () => {
  it('open connections to the configured origins that they name, except the one whose response it is', () => {
    const { hints, hinted } = setUp('shop', 'a', 'b')
    hints.onLinks(SHOP, 'early-hints', link('shop', 'a', 'elsewhere', 'b'), 0)
    expect(hinted).toEqual([
      'https://a.test by https://shop.test in early-hints: open',
      'https://b.test by https://shop.test in early-hints: open',
    ])
  })

  it('open ten at once and one a second over all origins', () => {
    const { hints, hinted } = setUp('shop', 'a', 'b')
    for (let index = 0; index < 12; index += 1) hints.onLinks(SHOP, 'response', link('a'), 0)
    hints.onLinks(SHOP, 'response', link('b'), 999)
    hints.onLinks(SHOP, 'response', link('b', 'a'), 1000)
    const leave = hinted.map(line => line.slice(line.lastIndexOf(' ') + 1))
    expect(leave).toEqual([...Array(10).fill('open'), 'wait', 'wait', 'wait', 'open', 'wait'])
  })

  it('follow options that change later', () => {
    const { hints, hinted } = setUp('shop')
    expect(hints.hasTargets).toBe(false)
    hints.configure(named('shop', 'a'))
    expect(hints.hasTargets).toBe(true)
    hints.onLinks(SHOP, 'response', link('a'), 0)
    expect(hinted).toHaveLength(1)
  })

  it('do nothing where there is no place for one more origin', () => {
    const { hints, hinted, fill } = setUp('shop', 'a')
    fill()
    hints.onLinks(SHOP, 'response', link('a'), 0)
    expect(hinted).toEqual([])
  })
})
