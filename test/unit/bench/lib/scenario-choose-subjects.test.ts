import { describe, expect, it } from 'vitest'
import { chooseSubjects } from '../../../../bench/lib/scenario.ts'

const ALL = ['a', 'b', 'c']

describe('chooseSubjects', () => {
  it('takes all, or those that are asked for', () => {
    expect(chooseSubjects(ALL, { subjects: [], isQuick: false }, ['a'])).toEqual(ALL)
    expect(chooseSubjects(ALL, { subjects: ['c', 'a'], isQuick: true }, ['b'])).toEqual(['a', 'c'])
  })

  it('takes fewer in a quick run', () => {
    expect(chooseSubjects(ALL, { subjects: [], isQuick: true }, ['b'])).toEqual(['b'])
    expect(chooseSubjects(ALL, { subjects: [], isQuick: true })).toEqual(ALL)
  })

  it('refuses a choice that leaves no subject', () => {
    expect(() => chooseSubjects(ALL, { subjects: ['d'], isQuick: false })).toThrow('there are a, b, c')
  })
})
