import { describe, expect, it } from 'vitest'
import { parseView, SHARE_SCRIPT_SHA, scriptArguments } from '../../../../src/service/fleet/share-script.ts'

describe('the script of a ceiling', () => {
  it('gets the step as arguments behind its one key', () => {
    const step = {
      of: 'https://shop.example:443',
      member: 'host',
      number: 7,
      ceiling: 20,
      keeps: 3,
      wants: 9,
      claims: 5,
      leaves: false,
    }
    const words = scriptArguments(step, { prefix: 'edge:', leaseMs: 15_000.4 }, 'r1')
    expect(words.join(' ')).toBe('1 edge:share:https://shop.example:443 host 7 3 9 5 20 15000 r1 0')
    const last = scriptArguments({ ...step, leaves: true }, { prefix: 'edge:', leaseMs: 1 }, '')
    expect(last.slice(-2)).toEqual(['', '1'])
    expect(SHARE_SCRIPT_SHA).toMatch(/^[0-9a-f]{40}$/)
  })

  it('answers with the time, since when, and a host after the other', () => {
    const view = parseView(['1000', '900', 'a', '1 2 3 4000', 'b', '5 6 7 8000'])
    expect(view).toEqual({
      now: 1000,
      since: 900,
      hosts: new Map([
        ['a', { number: 1, granted: 2, wants: 3, until: 4000 }],
        ['b', { number: 5, granted: 6, wants: 7, until: 8000 }],
      ]),
    })
    expect(parseView(['1', '0'])?.hosts.size).toBe(0)
  })

  it.each([
    ['OK'],
    [null],
    [17],
    [[]],
    [['1']],
    [['1', 'x']],
    [['-1', '0']],
    [['1', '0', 'a']],
    [['1', '0', 'a', '1 2 3']],
    [['1', '0', 'a', '1 2 3 x']],
    [['1', '0', 'a', '1 2 3 9999999999999999']],
    [['1', '0', 'a', ['1']]],
    [[{}, []]],
  ])('has no valid answer in %j', reply => {
    expect(parseView(reply)).toBeUndefined()
  })
})
