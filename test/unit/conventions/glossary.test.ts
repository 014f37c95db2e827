import { describe, expect, it } from 'vitest'

const { coinedWords } = (await import(new URL('../../../scripts/glossary.mjs', import.meta.url).href)) as {
  coinedWords: (texts: readonly (readonly [path: string, text: string])[]) => string[]
}

describe('the glossary', () => {
  it('names the line of a coined word, and the standard term', () => {
    expect(coinedWords([['src/a.ts', 'const a = 1\n// what the purse has left']])).toEqual([
      'src/a.ts:2: "purse": say budget',
    ])
  })

  it.each([
    'new SilenceWatch(clock)',
    'signs of life',
    'A silent peer',
    'laneStanding',
    'lane standings',
    'the connection is worn out',
    'lanes.wayOf(now)',
    'STILLBORN',
    'the observer is told of it',
    'tells of each move',
    'before the pool heard of it',
  ])('refuses %s', text => {
    expect(coinedWords([['a.md', text]])).toHaveLength(1)
  })

  it.each([
    'outstanding',
    'the way to the origin',
    'a second attempt',
    'purser',
    'silently',
    'a hedged request',
    'the driver is told to stop',
    'cannot be told apart',
    'the first byte tells what it is',
  ])('lets %s pass', text => {
    expect(coinedWords([['a.md', text]])).toEqual([])
  })
})
