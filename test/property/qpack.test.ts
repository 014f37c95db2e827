import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { QpackDecoder } from '../../src/http/qpack/qpack-decoder.ts'
import { QpackEncoder } from '../../src/http/qpack/qpack-encoder.ts'
import { QpackError } from '../../src/http/qpack/qpack-error.ts'
import { fc } from '../support/property.ts'
import { bytesOf } from '../unit/http/field-compression/blocks.ts'
import { encode, tableOf } from '../unit/http/field-compression/sections.ts'
import { lists } from './hpack-lists.ts'
import { QpackWire } from './qpack-wire.ts'

// A longer look: RUNS=20000 SEED=7 npx vitest run test/property/qpack
const RUNS = Number(process.env['RUNS'] ?? 400)

type Step =
  | { do: 'send'; which: number; asCopy: boolean; stream: number | undefined }
  | { do: 'section'; stream: number }
  | { do: 'insertions'; bytes: number }
  | { do: 'acknowledgments'; bytes: number }
  | { do: 'cancel'; stream: number }
  | { do: 'abort'; which: number; isEnded: boolean }
  | { do: 'break'; which: number }
  | { do: 'credit'; mayInsert: boolean }
  | { do: 'limits' }

const nat = fc.nat(1000)
const some = fc.oneof(fc.constantFrom(1, 2, 30, 1000), fc.nat(300))
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      which: nat,
      asCopy: fc.boolean(),
      stream: fc.option(nat, { freq: 3, nil: undefined }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('section' as const), stream: nat }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('insertions' as const), bytes: some }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('acknowledgments' as const), bytes: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), stream: nat }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('abort' as const), which: nat, isEnded: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), which: nat }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('credit' as const), mayInsert: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'limits' as const }) },
)

const tables = fc.constantFrom(0, 31, 100, 220, 300, 500, 1000, 4096, 16_384)

/** What comes again and again, among values that change: tables fill up, and entries are worth to be kept. */
const popular = Array.from({ length: 16 }, (_, i) => [
  ':authority',
  'www.example.com',
  'server',
  'nginx',
  'x-cache',
  i % 4 === 0 ? 'MISS' : 'HIT',
  'via',
  `1.1 hop-${i}`,
  'x-trace',
  String(i),
])

describe('QPACK', () => {
  it('carries every list to the other side, whatever is late, lost for its reader or never acknowledged', () => {
    const seen = { sections: 0, blocked: 0, references: 0, cancelled: 0, isBounded: 0, hasDuplicates: 0 }
    fc.assert(
      fc.property(
        lists.map(pool => [...pool, ...popular]),
        fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }),
        fc.record({
          ours: tables,
          peers: tables,
          mayBlock: fc.constantFrom(0, 0, 1, 3, 100),
          letsBlock: fc.constantFrom(0, 1, 3, 100),
          hasAcknowledgments: fc.boolean(),
          isEarly: fc.constantFrom(true, true, true, false),
        }),
        (pool, steps, { ours, peers, mayBlock, letsBlock, hasAcknowledgments, isEarly }) => {
          const encoder = new QpackEncoder({ maxTableBytes: ours, maxBlockedStreams: mayBlock })
          const decoder = new QpackDecoder({
            maxTableBytes: peers,
            maxBlockedStreams: letsBlock,
            maxListBytes: 1_000_000,
            maxFields: 100,
          })
          const wire = new QpackWire(encoder, decoder)
          const listOf = (index: number): readonly string[] => pool[index % pool.length]!
          const regularOf = (index: number): readonly string[] =>
            listOf(index).filter((_, i, all) => !all[i - (i % 2)]!.startsWith(':'))
          const streamOf = (index: number): number => {
            const streams = wire.streamsUnderWay
            return streams[index % Math.max(streams.length, 1)] ?? 0
          }
          if (isEarly) encoder.setPeerLimits(peers, letsBlock)
          for (const one of steps) {
            if (one.do === 'limits') encoder.setPeerLimits(peers, letsBlock)
            else if (one.do === 'credit') encoder.mayInsert = one.mayInsert
            else if (one.do === 'section') wire.deliver(streamOf(one.stream))
            else if (one.do === 'insertions') wire.deliverInsertions(one.bytes)
            else if (one.do === 'cancel') wire.cancel(streamOf(one.stream))
            else if (one.do === 'acknowledgments') {
              if (hasAcknowledgments) wire.deliverAcknowledgments(one.bytes)
            } else if (one.do === 'abort') {
              encoder.begin(streamOf(one.which))
              encoder.addAll(regularOf(one.which))
              if (one.isEnded) encoder.end()
              encoder.abort()
            } else if (one.do === 'break') {
              encoder.begin(streamOf(one.which))
              expect(() => encoder.addAll([...regularOf(one.which), 'x-a', 'a\n'])).toThrow(TransportError)
            } else {
              const fields = listOf(one.which)
              const isOld = one.stream !== undefined && wire.streamsUnderWay.length > 0
              wire.send(
                one.asCopy ? fields.map(text => Buffer.from(text, 'latin1').toString('latin1')) : fields,
                isOld ? streamOf(one.stream ?? 0) : undefined,
              )
            }
            expect(encoder.blockingStreams).toBeLessThanOrEqual(Math.min(mayBlock, letsBlock))
          }
          wire.deliverAll()
          expect(wire.streamsUnderWay).toEqual([])
          expect(encoder.blockingStreams).toBe(0)
          expect(decoder.blockedStreams).toBe(0)
          const table = tableOf(decoder)
          expect(encoder.keptStrings().slice(0, 2 * encoder.tableEntries)).toEqual(table)
          expect(bytesOf(table)).toBeLessThanOrEqual(Math.min(ours, peers))
          expect(table.some((name, i) => i % 2 === 0 && /cookie|authorization|token/.test(name))).toBe(false)
          const entries = table.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${table[i + 1]}`] : []))
          if (new Set(entries).size < entries.length) seen.hasDuplicates++
          seen.sections += wire.seen.sections
          seen.blocked += wire.seen.blocked
          seen.references += wire.seen.references
          seen.cancelled += wire.seen.cancelled
          if (wire.seen.mostBlocked > 0 && wire.seen.mostBlocked === letsBlock) seen.isBounded++
        },
      ),
      { numRuns: RUNS },
    )
    // All of it took place, and often.
    expect(seen.sections).toBeGreaterThan(RUNS * 10)
    expect(seen.references).toBeGreaterThan(RUNS * 3)
    expect(seen.blocked).toBeGreaterThan(RUNS / 5)
    expect(seen.cancelled).toBeGreaterThan(RUNS / 2)
    expect(seen.isBounded).toBeGreaterThan(RUNS / 50)
    expect(seen.hasDuplicates).toBeGreaterThan(RUNS / 50)
  })

  it('reads random bytes on any stream to lists or a QpackError, and nothing else', () => {
    const kinds = new Map<string, number>()
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // Mostly what exists, so that it gets further.
      fc
        .array(
          fc.constantFrom(
            0x00,
            0x01,
            0x02,
            0x03,
            0x80,
            0x81,
            0x10,
            0xc1,
            0xd1,
            0x51,
            0x61,
            0x41,
            0x21,
            0x3f,
            0x7f,
            0xff,
          ),
          { maxLength: 40 },
        )
        .map(list => Uint8Array.from(list)),
    )
    const prefix = fc.constantFrom('', '0000', '0000', '0200', '0280', '0300', '0400')
    const lines = fc.constantFrom(0xc1, 0xc8, 0xd1, 0xd9, 0xff, 0x00, 0x80, 0x10)
    const section = fc
      .tuple(prefix, fc.oneof(bytes, fc.uint8Array({ maxLength: 4 }), fc.array(lines, { maxLength: 5 })))
      .map(([prefix, rest]) => Buffer.concat([Buffer.from(prefix, 'hex'), Buffer.from(rest)]))
    const input = fc.oneof(
      fc.record({ on: fc.constantFrom('encoder', 'decoder'), bytes }),
      fc.record({ on: fc.constant('section'), bytes: section }),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 20 }), inputs => {
        const decoder = new QpackDecoder({
          maxTableBytes: 4096,
          maxBlockedStreams: 2,
          maxListBytes: 2000,
          maxFields: 50,
        })
        const encoder = new QpackEncoder({ maxTableBytes: 4096 })
        encoder.setPeerLimits(4096, 0)
        encode(encoder, 0, ['server', 'a', 'vary', 'b'])
        encoder.takeEncoderStream()
        const start = Buffer.from('3fe11fc0014161', 'hex') // a capacity of 4096, an entry
        decoder.receiveEncoderStream(start, 0, 6)
        for (const { on, bytes } of inputs) {
          const buffer = Buffer.from(bytes)
          try {
            if (on === 'encoder') decoder.receiveEncoderStream(buffer, 0, buffer.length)
            else if (on === 'decoder') encoder.receiveDecoderStream(buffer, 0, buffer.length)
            else {
              const decoded = decoder.decode(4, buffer, 0, buffer.length)
              const kind = typeof decoded === 'string' ? decoded : 'read'
              kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
              if (typeof decoded !== 'string') expect(decoded.bytes).toBe(bytesOf(decoded.fields))
            }
          } catch (error) {
            if (!(error instanceof QpackError)) throw error
            kinds.set(error.kind, (kinds.get(error.kind) ?? 0) + 1)
            expect(error.kind).toBe(on === 'section' ? 'decompression' : `${on}-stream`)
          }
        }
      }),
      { numRuns: RUNS * 10 },
    )
    for (const kind of ['read', 'blocked', 'decompression', 'encoder-stream', 'decoder-stream']) {
      expect(kinds.get(kind), kind).toBeGreaterThan(RUNS)
    }
  })

  it('reads them the same with its streams in any pieces', () => {
    fc.assert(
      fc.property(
        lists,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 50 }),
        (pool, sizes) => {
          const encoder = new QpackEncoder({ maxTableBytes: 1000 })
          encoder.setPeerLimits(1000, 0)
          const limits = {
            maxTableBytes: 1000,
            maxBlockedStreams: 0,
            maxListBytes: 1_000_000,
            maxFields: 100,
          }
          const whole = new QpackDecoder(limits)
          const inPieces = new QpackDecoder(limits)
          let streamId = 0
          let turn = 0
          for (const fields of [...pool, ...pool, ...pool]) {
            const section = encode(encoder, streamId, fields)
            const instructions = encoder.takeEncoderStream() ?? Buffer.alloc(0)
            whole.receiveEncoderStream(instructions, 0, instructions.length)
            for (let at = 0; at < instructions.length; ) {
              const end = Math.min(at + sizes[turn++ % sizes.length]!, instructions.length)
              inPieces.receiveEncoderStream(Buffer.from(instructions.subarray(at, end)), 0, end - at)
              at = end
            }
            for (const decoder of [whole, inPieces]) {
              expect(decoder.decode(streamId, section, 0, section.length)).toMatchObject({ fields })
            }
            expect(tableOf(inPieces)).toEqual(tableOf(whole))
            inPieces.takeDecoderStream()
            const answer = whole.takeDecoderStream() ?? Buffer.alloc(0)
            for (let at = 0; at < answer.length; at++) encoder.receiveDecoderStream(answer, at, at + 1)
            streamId += 2 ** (10 + (turn % 20)) * 4
          }
          expect(encoder.keptStrings().slice(0, 2 * encoder.tableEntries)).toEqual(tableOf(whole))
        },
      ),
      { numRuns: RUNS },
    )
  })
})
