import { describe, expect, it } from 'vitest'
import {
  MAX_PATTERN_SEGMENTS,
  parsePathPattern,
  patternShape,
  prefixPattern,
} from '../../../../src/service/routes/path-pattern.ts'

describe('parsePathPattern', () => {
  it('reads literals, captures with text around them, and what captures the rest', () => {
    expect(parsePathPattern('/users/{id}/report-{year}.pdf/{rest...}.png')).toEqual({
      segments: [
        { kind: 'literal', text: 'users' },
        { kind: 'capture', before: '', after: '' },
        { kind: 'capture', before: 'report-', after: '.pdf' },
      ],
      tail: { kind: 'rest', after: '.png' },
      names: ['id', 'year', 'rest'],
    })
    expect(parsePathPattern('/a/')).toMatchObject({
      segments: [{ text: 'a' }, { text: '' }],
      tail: { kind: 'end' },
    })
  })

  it.each([
    ['users', 'must begin with /'],
    ['/a?b', 'no query'],
    ['/a\\b', 'backslash'],
    ['/{a}/{a}', '{a} is there twice'],
    ['/{a...}/b', '{a...} must be in the last segment'],
    ['/x{a...}', '{a...} must begin its segment'],
    ['/{a}{b}', 'one capture at the most'],
    ['/{a', 'has no other one'],
    ['/a}', 'has no other one'],
    ['/}a{', 'has no other one'],
    ['/{}', 'must be a name'],
    ['/{1}', 'must be a name'],
    ['/{a..}', 'must be a name'],
    [`/${'a'.repeat(1_024)}`, '1024 characters'],
    ['/a'.repeat(MAX_PATTERN_SEGMENTS + 1), '64 segments'],
  ])('refuses %s', (text, fault) => {
    expect(parsePathPattern(text)).toContain(fault)
  })

  it('has as many segments as its bound says', () => {
    expect(parsePathPattern('/a'.repeat(MAX_PATTERN_SEGMENTS))).toHaveProperty('segments')
  })

  it('gives patterns that match the same one shape', () => {
    const shape = (text: string) => {
      const pattern = parsePathPattern(text)
      if (typeof pattern === 'string') throw new Error(pattern)
      return patternShape(pattern)
    }
    expect(shape('/a/{b}/{c...}')).toBe(shape('/a/{x}/{y...}'))
    expect(shape('/a/{b}')).not.toBe(shape('/a/{b...}'))
    expect(shape('/a')).not.toBe(patternShape(prefixPattern('/a') as never)) // a good prefix
  })
})

it('a prefix is matched by its segments, whatever slashes end it and braces are in it', () => {
  expect(prefixPattern('/')).toMatchObject({ segments: [], tail: { kind: 'any' } })
  expect(prefixPattern('/api//')).toEqual(prefixPattern('/api'))
  expect(prefixPattern('/{a}')).toMatchObject({ segments: [{ kind: 'literal', text: '{a}' }] })
  expect(prefixPattern('api')).toContain('must begin with /')
})
