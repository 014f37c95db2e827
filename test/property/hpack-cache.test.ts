import { describe, expect, it } from 'vitest'
import { STATIC_NAMES, STATIC_VALUES } from '../../src/http/field-compression/static-tables.ts'
import { HpackDecoder } from '../../src/http/hpack/hpack-decoder.ts'
import { fc } from '../support/property.ts'
import {
  bytesOf,
  indexed,
  type Literal,
  literal,
  sizeUpdate,
  tableOf,
} from '../unit/http/field-compression/blocks.ts'

/**
 * The decoder with its caches beside a model that has none: a plain list for a table. Few blocks in random
 * order, so that they come again, while others insert, resize and evict; the decoder must say the same as the
 * model, and have the same table.
 */
// A longer look: RUNS=50000 SEED=7 npx vitest run test/property/hpack-cache.test.ts
const RUNS = Number(process.env['RUNS'] ?? 500)

const LIMITS = { maxTableBytes: 4096, maxListBytes: 1500, maxFields: 5 }

type Part =
  | { do: 'refer'; index: number }
  | { do: 'literal'; kind: Literal; name: string | number; value: string; huffman: boolean }
  | { do: 'resize'; bytes: number }

const part: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('refer' as const),
      index: fc.constantFrom(2, 8, 62, 62, 62, 63, 64),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('literal' as const),
      kind: fc.constantFrom('inserted' as const, 'inserted', 'not-indexed', 'never-indexed'),
      name: fc.constantFrom('x-a', 'x-b', 'cookie', 54, 33, 32, 62, 63),
      value: fc.oneof(
        fc.constantFrom('1', '2', 'nginx'),
        fc.nat(600).map(length => 'v'.repeat(length)),
      ),
      huffman: fc.boolean(),
    }),
  },
)
const resize: fc.Arbitrary<Part> = fc
  .constantFrom(0, 60, 200, 4096)
  .map(bytes => ({ do: 'resize' as const, bytes }))
const block = fc
  .tuple(fc.array(resize, { maxLength: 2 }), fc.array(part, { minLength: 1, maxLength: 6 }), fc.nat(9))
  .map(([resizes, parts, chance]) => (chance === 0 ? [...resizes, ...parts] : parts))

function bytesOfBlock(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map(part => {
      if (part.do === 'refer') return indexed(part.index)
      if (part.do === 'resize') return sizeUpdate(part.bytes)
      return literal(part.kind, part.name, part.value, part.huffman)
    }),
  )
}

interface Model {
  /** Name, value, … from the newest entry on. */
  readonly table: readonly string[]
  readonly maxBytes: number
}

function evict(table: readonly string[], maxBytes: number): readonly string[] {
  let end = table.length
  while (bytesOf(table.slice(0, end)) > maxBytes) end -= 2
  return table.slice(0, end)
}

/** What the block says, and the table after it; undefined when it refers to what is not there. */
function read(before: Model, parts: readonly Part[]): { fields: string[]; after: Model } | undefined {
  let { table, maxBytes } = before
  const fields: string[] = []
  const entry = (index: number): [name: string, value: string] | undefined => {
    if (index < 62) return [STATIC_NAMES[index]!, STATIC_VALUES[index]!]
    const at = (index - 62) * 2
    return at < table.length ? [table[at]!, table[at + 1]!] : undefined
  }
  for (const part of parts) {
    if (part.do === 'resize') {
      maxBytes = part.bytes
      table = evict(table, maxBytes)
      continue
    }
    if (part.do === 'refer') {
      const found = entry(part.index)
      if (found === undefined) return undefined
      fields.push(...found)
      continue
    }
    const name = typeof part.name === 'string' ? part.name : entry(part.name)?.[0]
    if (name === undefined) return undefined
    fields.push(name, part.value)
    if (part.kind !== 'inserted') continue
    const fits = bytesOf([name, part.value]) <= maxBytes
    table = fits ? evict([name, part.value, ...table], maxBytes) : []
  }
  return { fields, after: { table, maxBytes } }
}

describe('the HPACK decoder with its caches', () => {
  it('returns what a decoder without returns, and has the same table', () => {
    const seen = { fields: 0, hits: 0, 'too-large': 0 }
    fc.assert(
      fc.property(
        fc.array(block, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 30 }),
        (blocks, order) => {
          const decoder = new HpackDecoder(LIMITS)
          const known = new Set<unknown>()
          let model: Model = { table: [], maxBytes: 4096 }
          for (const [index, times] of order) {
            const parts = blocks[index % blocks.length]!
            const bytes = bytesOfBlock(parts)
            for (let i = 0; i < times; i++) {
              const expected = read(model, parts)
              if (expected === undefined) break // it would lose the connection
              model = expected.after
              const { fields } = expected
              const decoded = decoder.decode(bytes, 0, bytes.length)
              if (fields.length > 2 * LIMITS.maxFields || bytesOf(fields) > LIMITS.maxListBytes) {
                expect(['too-large', 'far-too-large']).toContain(decoded)
                if (decoded === 'far-too-large') return // its table is not right any more
                seen['too-large']++
              } else {
                expect(decoded).toEqual({ fields, bytes: bytesOf(fields), meaning: undefined })
                seen.fields++
                if (known.has(decoded)) seen.hits++
                known.add(decoded)
              }
            }
          }
          expect(tableOf(decoder)).toEqual(model.table)
        },
      ),
      { numRuns: RUNS },
    )
    // All of it took place, and often.
    expect(seen.fields).toBeGreaterThan(RUNS * 3)
    expect(seen.hits).toBeGreaterThan(RUNS)
    expect(seen['too-large']).toBeGreaterThan(RUNS / 10)
  })
})
