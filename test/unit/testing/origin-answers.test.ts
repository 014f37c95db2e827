import { describe, expect, it } from 'vitest'
import { patternBytes } from '../../../src/testing/origin-answers.ts'

describe('patternBytes', () => {
  it('counts modulo 251 at any length', () => {
    for (const length of [0, 1, 250, 251, 252, 502, 503, 1024, 100_003]) {
      const bytes = patternBytes(length)
      expect(bytes.length).toBe(length)
      expect(bytes.every((byte, i) => byte === i % 251)).toBe(true)
    }
  })
})
