import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { HpackError } from '../../src/http/field-compression/field-block.ts'
import {
  decodeHuffman,
  huffmanBits,
  maxDecodedBytes,
  writeHuffman,
} from '../../src/http/field-compression/huffman.ts'
import { HpackDecoder } from '../../src/http/hpack/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/hpack/hpack-encoder.ts'
import { fc } from '../support/property.ts'
import { bytesOf, decode, encode, tableOf, takeBlock } from '../unit/http/field-compression/blocks.ts'
import { lists } from './hpack-lists.ts'

// A longer look: RUNS=20000 SEED=7 npx vitest run test/property/hpack
const RUNS = Number(process.env['RUNS'] ?? 300)

const MAX_TABLE = 8192

type Step =
  | { do: 'send'; which: number; asCopy: boolean }
  | { do: 'resize'; bytes: number }
  | { do: 'abort'; which: number; isEnded: boolean }
  | { do: 'break'; which: number; name: string; value: string }

const which = fc.nat(1000)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant('send' as const), which, asCopy: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      bytes: fc.oneof(fc.constantFrom(0, 64, 4096, 100_000), fc.nat(MAX_TABLE)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which, isEnded: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(
        fc.constantFrom('', 'X-A', 'a b', ':path', 'é', 'connection').map(name => ({ name, value: 'a' })),
        fc.constantFrom('a\n', '\0', ' a', 'a ', '€').map(value => ({ name: 'server', value })),
      )
      .chain(bad =>
        fc.record({
          do: fc.constant('break' as const),
          which,
          name: fc.constant(bad.name),
          value: fc.constant(bad.value),
        }),
      ),
  },
)

describe('HPACK', () => {
  it('carries every list to the other side, whatever happens to the table in between', () => {
    let references = 0
    fc.assert(
      fc.property(
        lists,
        fc.array(step, { minLength: 1, maxLength: 120 }),
        fc.constantFrom(0, 100, 4096, MAX_TABLE),
        (pool, steps, maxTableBytes) => {
          const encoder = new HpackEncoder(maxTableBytes)
          const decoder = new HpackDecoder({
            maxTableBytes: MAX_TABLE,
            maxListBytes: 1_000_000,
            maxFields: 100,
          })
          const listOf = (index: number): readonly string[] => pool[index % pool.length]!
          const regularOf = (index: number): readonly string[] =>
            listOf(index).filter((_, i, all) => !all[i - (i % 2)]!.startsWith(':'))
          for (const one of steps) {
            if (one.do === 'resize') encoder.setPeerTableBytes(Math.min(one.bytes, MAX_TABLE))
            else if (one.do === 'abort') {
              encoder.begin()
              encoder.addAll(regularOf(one.which))
              if (one.isEnded) encoder.end()
              encoder.abort()
            } else if (one.do === 'break') {
              encoder.begin()
              expect(() => encoder.addAll([...regularOf(one.which), one.name, one.value])).toThrow(
                TransportError,
              )
            } else {
              const fields = listOf(one.which)
              const sent = one.asCopy
                ? fields.map(text => Buffer.from(text, 'latin1').toString('latin1'))
                : fields
              const block = encode(encoder, sent)
              expect(decode(decoder, block)).toEqual(fields)
              if (block.length * 4 < bytesOf(fields)) references++
            }
          }
          encoder.begin()
          decode(decoder, takeBlock(encoder))
          const table = tableOf(decoder)
          expect(encoder.keptStrings().slice(0, table.length)).toEqual(table)
          expect(bytesOf(table)).toBeLessThanOrEqual(maxTableBytes)
          expect(table.some((name, i) => i % 2 === 0 && /cookie|authorization|token/.test(name))).toBe(false)
        },
      ),
      { numRuns: RUNS },
    )
    // The tables were in use.
    expect(references).toBeGreaterThan(RUNS)
  })

  it('reads random bytes to a list or an HpackError, and nothing else', () => {
    let read = 0
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      // Mostly fields that exist, so that it gets further.
      fc
        .array(
          fc.constantFrom(0x82, 0x88, 0xbe, 0xbf, 0x40, 0x01, 0x61, 0x82, 0x10, 0x00, 0x3f, 0x20, 0x7f, 0x5f),
          { maxLength: 60 },
        )
        .map(list => Uint8Array.from(list)),
    )
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 20 }), blocks => {
        const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 2000, maxFields: 50 })
        try {
          for (const block of blocks) {
            const decoded = decoder.decode(Buffer.from(block), 0, block.length)
            if (decoded === 'too-large') continue
            if (decoded === 'far-too-large') break
            expect(decoded.fields.length % 2).toBe(0)
            expect(decoded.bytes).toBe(bytesOf(decoded.fields))
            read++
          }
        } catch (error) {
          if (!(error instanceof HpackError)) throw error
        }
      }),
      { numRuns: RUNS * 10 },
    )
    expect(read).toBeGreaterThan(RUNS)
  })

  it('reads every beginning of a block, and every block with a byte changed, to a list or an HpackError', () => {
    fc.assert(
      fc.property(lists, fc.nat(), fc.integer({ min: 1, max: 255 }), (pool, at, change) => {
        const encoder = new HpackEncoder(4096)
        const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 100_000, maxFields: 100 })
        for (const fields of pool) {
          const block = encode(encoder, fields)
          if (block.length > 0) {
            const cut = at % block.length
            const broken = Buffer.from(block)
            broken[cut] = broken[cut]! ^ change
            for (const input of [block.subarray(0, cut), broken]) {
              // One without a table: what matters is that it ends and how.
              const victim = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 100_000, maxFields: 100 })
              try {
                victim.decode(input, 0, input.length)
              } catch (error) {
                if (!(error instanceof HpackError)) throw error
              }
            }
          }
          expect(decode(decoder, block)).toEqual(fields)
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('encodes and decodes any bytes by the Huffman code without loss', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const text = Buffer.from(bytes).toString('latin1')
        const coded = Buffer.alloc(4 * bytes.length + 4)
        const end = writeHuffman(coded, 0, text)
        expect(end).toBe(Math.ceil(huffmanBits(text) / 8))
        const out = Buffer.alloc(maxDecodedBytes(end))
        expect(out.toString('latin1', 0, decodeHuffman(coded, 0, end, out))).toBe(text)
      }),
      { numRuns: RUNS * 5 },
    )
  })

  it('decodes random bytes to the one text that codes to them, or to none', () => {
    let decoded = 0
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), bytes => {
        const out = Buffer.alloc(maxDecodedBytes(bytes.length))
        let text: string
        try {
          text = out.toString('latin1', 0, decodeHuffman(bytes, 0, bytes.length, out))
        } catch (error) {
          if (!(error instanceof HpackError)) throw error
          return
        }
        const coded = Buffer.alloc(bytes.length + 4)
        expect(coded.subarray(0, writeHuffman(coded, 0, text))).toEqual(Buffer.from(bytes))
        decoded++
      }),
      { numRuns: RUNS * 10 },
    )
    expect(decoded).toBeGreaterThan(RUNS / 10)
  })
})
