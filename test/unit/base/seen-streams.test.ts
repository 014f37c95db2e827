import { describe, expect, it } from 'vitest'
import { SeenStreams } from '../../../src/base/seen-streams.ts'
import { fc } from '../../support/property.ts'

describe('SeenStreams', () => {
  it('knows each id that it has seen, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60)), sequences => {
        const seen = new SeenStreams(1)
        const known = new Set<number>()
        for (const sequence of sequences) {
          const stream = 1 + sequence * 4
          expect(seen.add(stream)).toBe(!known.has(stream))
          known.add(stream)
        }
      }),
    )
  })
})
