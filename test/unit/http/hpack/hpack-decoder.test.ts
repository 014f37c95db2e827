import { describe, expect, it } from 'vitest'
import { HpackError } from '../../../../src/http/field-compression/field-block.ts'
import type { FieldBlock, HpackDecoder } from '../../../../src/http/hpack/hpack-decoder.ts'
import {
  decode,
  decodeHex,
  indexed,
  literal,
  newDecoder,
  sizeUpdate,
  tableOf,
} from '../field-compression/blocks.ts'

function decodeParts(decoder: HpackDecoder, ...parts: Buffer[]): readonly string[] {
  return decode(decoder, Buffer.concat(parts))
}

function blockOf(decoder: HpackDecoder, block: Buffer): FieldBlock {
  const decoded = decoder.decode(block, 0, block.length)
  if (typeof decoded === 'string') throw new Error('the list is above the limits')
  return decoded
}

describe('the HPACK decoder', () => {
  it('reads only the bytes that it was given', () => {
    const block = Buffer.from('ff8286ff', 'hex')
    expect(newDecoder().decode(block, 1, 3)).toMatchObject({ fields: [':method', 'GET', ':scheme', 'http'] })
    expect(newDecoder().decode(block, 2, 2)).toMatchObject({ fields: [], bytes: 0 })
  })

  it('reports the size of the list', () => {
    expect(blockOf(newDecoder(), Buffer.from('8286', 'hex')).bytes).toBe(7 + 3 + 32 + 7 + 4 + 32)
  })

  it('reads names and values as latin1', () => {
    const fields = decodeParts(newDecoder(), literal('not-indexed', 'x-a', '\u00ff\u0000é'))
    expect(fields).toEqual(['x-a', '\u00ff\u0000é'])
  })

  it.each([
    ['index 0', '80', 'index 0'],
    ['an index beyond the static table while the dynamic one is empty', 'be', 'index 62'],
    ['a huge index', 'ff80ffff01', 'beyond the tables'],
    ['a name index beyond the tables', '7e0161', 'index 62'],
    ['an index that is cut off', 'ff', 'ends within a field'],
    ['a literal without its name', '40', 'ends within a field'],
    ['a literal without its value', '400161', 'ends within a field'],
    ['a name that is longer than the block', '40057374', 'ends within a field'],
    ['a value that is longer than the block', '4001610261', 'ends within a field'],
    ['a length of 2^31', '40007f81ffffff07', 'ends within a field'],
    ['a size update behind a field', '823fe11f', 'size update'],
    ['a size update above what was announced', '3fe2ff03', 'above the 65536'],
    ['a size update that is cut off', '3f', 'ends within a field'],
    ['a third size update', '20203fe11f82', 'more than 2 size updates'],
    ['a size update to 2^31 + 1', '3fe2ffffff07', 'larger than'],
    ['a Huffman coded name with EOS', '4084ffffffff00', 'EOS'],
    ['a Huffman coded value with wrong padding', '4001618118', 'padding'],
  ])('throws for %s', (_, hex, message) => {
    const decoder = newDecoder()
    expect(() => decodeHex(decoder, hex)).toThrow(HpackError)
    expect(() => decodeHex(newDecoder(), hex)).toThrow(message)
  })

  it('refers to an entry up to the end of the table', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'a', '1'), literal('inserted', 'b', '2'))
    expect(decodeParts(decoder, indexed(63), literal('not-indexed', 62, '3'))).toEqual(['a', '1', 'b', '3'])
    expect(() => decodeParts(decoder, indexed(64))).toThrow('index 64')
    expect(() => decodeParts(decoder, literal('not-indexed', 64, 'x'))).toThrow('index 64')
  })

  it('keeps the name of an entry that the new one evicts (RFC 7541 4.4)', () => {
    const decoder = newDecoder()
    decodeParts(decoder, sizeUpdate(40), literal('inserted', 'name', '1'))
    expect(decodeParts(decoder, literal('inserted', 62, '22'))).toEqual(['name', '22'])
    expect(tableOf(decoder)).toEqual(['name', '22'])
  })

  it('accepts the two size updates that a block may begin with, in each block', () => {
    const decoder = newDecoder()
    for (let i = 0; i < 10; i++) expect(decodeHex(decoder, '203fe11f82')).toEqual([':method', 'GET'])
  })

  it('begins with a table of 4096 bytes, whatever was announced, and follows size updates', () => {
    const decoder = newDecoder({ maxTableBytes: 100 })
    decodeParts(decoder, literal('inserted', 'a', 'x'.repeat(4063)))
    expect(tableOf(decoder)).toHaveLength(2)
    decodeParts(decoder, literal('inserted', 'a', 'x'.repeat(4064)))
    expect(tableOf(decoder)).toEqual([])
    decodeParts(decoder, sizeUpdate(4096)) // legal until our SETTINGS are acknowledged
    expect(() => decodeParts(decoder, sizeUpdate(4097))).toThrow('above the 4096')
    decoder.onSettingsAcknowledged()
    expect(() => decodeParts(decoder, sizeUpdate(101))).toThrow('above the 100')
    decodeParts(decoder, sizeUpdate(0), sizeUpdate(100), literal('inserted', 'a', 'x'.repeat(67)))
    expect(tableOf(decoder)).toHaveLength(2)
    decodeParts(decoder, sizeUpdate(99))
    expect(tableOf(decoder)).toEqual([])
  })
})

describe('the limits of a decoded list', () => {
  it('count name, value and 32 bytes for each field', () => {
    const decoder = newDecoder({ maxListBytes: 42 + 43, maxFields: 2 })
    expect(decodeHex(decoder, '8286')).toHaveLength(4) // 42 and 43 bytes
    expect(decoder.decode(Buffer.from('8686', 'hex'), 0, 2)).toBe('too-large')
    expect(decoder.decode(Buffer.from('828282', 'hex'), 0, 3)).toBe('too-large')
    expect(newDecoder({ maxFields: 2 }).decode(Buffer.from('828282', 'hex'), 0, 3)).toBe('too-large')
  })

  it('do not stop the table from being updated correctly', () => {
    const decoder = newDecoder({ maxListBytes: 100 })
    const block = Buffer.concat([
      literal('not-indexed', 'a', 'x'.repeat(100)),
      literal('inserted', 'b', '2'),
      literal('inserted', 'c', '3'),
    ])
    // Three times, so that it would come from the cache if it were kept.
    for (let i = 1; i <= 3; i++) {
      expect(decoder.decode(block, 0, block.length)).toBe('too-large')
      expect(tableOf(decoder)).toHaveLength(4 * i)
    }
    expect(tableOf(decoder).slice(0, 4)).toEqual(['c', '3', 'b', '2'])
  })

  it('still end the connection for a fault behind the place where they were exceeded', () => {
    // A reference to 0, one beyond the tables, a size update behind a field, a string that is cut off.
    for (const broken of ['80', 'ff01', '20', '000161', '00016103', '0f7f00']) {
      expect(() => decodeHex(newDecoder({ maxFields: 1 }), `8282${broken}`)).toThrow(HpackError)
    }
  })

  it('skip what is not inserted, and read what is', () => {
    const decoder = newDecoder({ maxFields: 1 })
    const block = Buffer.concat([
      indexed(2),
      indexed(4),
      literal('not-indexed', 'a', 'x'.repeat(300)),
      literal('inserted', 'b', '2'),
      indexed(62),
      literal('never-indexed', 62, 'x', false),
      literal('not-indexed', 4, 'y'),
    ])
    expect(decoder.decode(block, 0, block.length)).toBe('too-large')
    expect(tableOf(decoder)).toEqual(['b', '2'])
  })

  it('give up a list that goes on to insert when it is too large', () => {
    const inserted = (count: number): Buffer =>
      Buffer.concat(Array.from({ length: count }, () => literal('inserted', 'a', 'b')))
    const [most, more] = [inserted(20), inserted(21)]
    expect(newDecoder({ maxFields: 9 }).decode(most, 0, most.length)).toBe('far-too-large')
    expect(newDecoder({ maxFields: 10 }).decode(most, 0, most.length)).toBe('too-large')
    expect(newDecoder({ maxFields: 10 }).decode(more, 0, more.length)).toBe('too-large')
    const tooMany = inserted(22)
    expect(newDecoder({ maxFields: 10 }).decode(tooMany, 0, tooMany.length)).toBe('far-too-large')
  })

  it('report each change of the table’s size', () => {
    let updates = 0
    const decoder = newDecoder({ onSizeUpdate: () => void updates++ })
    decodeParts(decoder, sizeUpdate(0), sizeUpdate(4096), indexed(2))
    decodeParts(decoder, indexed(2))
    expect(updates).toBe(2)
  })

  it('stop a bomb of 60,000 references to an entry of 4 KB', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'a', 'x'.repeat(4000)))
    const bomb = Buffer.alloc(60_000, 0xbe)
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 20; i++) expect(decoder.decode(bomb, 0, bomb.length)).toBe('too-large')
    // A list of them all would be 960 KB of pointers each.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
    expect(decodeParts(decoder, indexed(62))).toHaveLength(2)
  })
})

describe('the cache of decoded blocks', () => {
  it('returns the same block for the same bytes from the third time on, with what was derived from it', () => {
    const decoder = newDecoder()
    const block = Buffer.concat([indexed(8), literal('not-indexed', 'x-a', '1')])
    const blocks = [1, 2, 3, 4].map(() => blockOf(decoder, block))
    expect(blocks[1]).not.toBe(blocks[0])
    expect(blocks[2]).toBe(blocks[1])
    expect(blocks[0]!.meaning).toBeUndefined()
    blocks[1]!.meaning = 'judged'
    expect(blockOf(decoder, Buffer.concat([Buffer.from('ff'), block]).subarray(2)).meaning).toBe('judged')
  })

  it('inserts again what a block inserts, as nginx needs it', () => {
    const decoder = newDecoder()
    const block = Buffer.concat([
      indexed(8),
      literal('inserted', 54, 'nginx'),
      literal('inserted', 'x-a', '1'),
    ])
    for (let i = 1; i <= 5; i++) {
      expect(decode(decoder, block)).toEqual([':status', '200', 'server', 'nginx', 'x-a', '1'])
      expect(tableOf(decoder)).toHaveLength(4 * i)
    }
    // What was read of the table meanwhile took the place of some.
    const [, second, third] = [1, 2, 3].map(() => blockOf(decoder, block))
    expect(third).toBe(second)
    expect(tableOf(decoder).slice(0, 8)).toEqual([
      'x-a',
      '1',
      'server',
      'nginx',
      'x-a',
      '1',
      'server',
      'nginx',
    ])
  })

  it('forgets blocks with references when the table changes: by an insertion', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'a', '1'))
    for (let i = 0; i < 3; i++) expect(decodeParts(decoder, indexed(62))).toEqual(['a', '1'])
    decodeParts(decoder, literal('inserted', 'b', '2'))
    for (let i = 0; i < 3; i++) expect(decodeParts(decoder, indexed(62))).toEqual(['b', '2'])
  })

  it('forgets blocks with references when the table changes: by an insertion that a cached block repeats', () => {
    const decoder = newDecoder()
    const inserting = literal('inserted', 'b', '2')
    for (let i = 0; i < 3; i++) decodeParts(decoder, inserting)
    decodeParts(decoder, literal('inserted', 'a', '1'))
    for (let i = 0; i < 3; i++) expect(decodeParts(decoder, indexed(62))).toEqual(['a', '1'])
    decodeParts(decoder, inserting)
    expect(decodeParts(decoder, indexed(62))).toEqual(['b', '2'])
  })

  it('forgets blocks with references when the table changes: by its size', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'a', '1'))
    for (let i = 0; i < 3; i++) expect(decodeParts(decoder, indexed(62))).toEqual(['a', '1'])
    decodeParts(decoder, sizeUpdate(0), sizeUpdate(4096))
    expect(() => decodeParts(decoder, indexed(62))).toThrow('index 62')
  })

  it('forgets blocks that take only a name from the table', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'x-a', '1'))
    for (let i = 0; i < 3; i++)
      expect(decodeParts(decoder, literal('not-indexed', 62, '9'))).toEqual(['x-a', '9'])
    decodeParts(decoder, literal('inserted', 'x-b', '2'))
    expect(decodeParts(decoder, literal('not-indexed', 62, '9'))).toEqual(['x-b', '9'])
  })

  it('does not keep blocks with references and insertions', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'a', '1'))
    const block = Buffer.concat([indexed(62), literal('inserted', 'b', '2')])
    expect(decode(decoder, block)).toEqual(['a', '1', 'b', '2'])
    for (let i = 0; i < 3; i++) expect(decode(decoder, block)).toEqual(['b', '2', 'b', '2'])
  })

  it('repeats an insertion that empties the table', () => {
    const decoder = newDecoder()
    const huge = literal('inserted', 'a', 'x'.repeat(900), false)
    decodeParts(decoder, sizeUpdate(500))
    for (let i = 0; i < 4; i++) {
      decodeParts(decoder, literal('inserted', 'b', String(i)))
      expect(decode(decoder, huge)).toHaveLength(2)
      expect(tableOf(decoder)).toEqual([])
    }
  })

  it.each([
    ['size updates', sizeUpdate(4096)],
    ['more than 1024 bytes', literal('not-indexed', 'x-a', 'x'.repeat(1100), false)],
    ['more than 64 fields', Buffer.alloc(65, 0x82)],
    ['a never-indexed literal', literal('never-indexed', 'x-a', '1')],
    ['a literal of a cookie', literal('not-indexed', 'cookie', 'a=1')],
    ['an inserted literal of a secret', literal('inserted', 23, 'Basic YTpi')],
  ])('does not keep blocks with %s', (_, block) => {
    const decoder = newDecoder()
    const blocks = [1, 2, 3, 4].map(() => blockOf(decoder, block))
    expect(new Set(blocks).size).toBe(4)
  })

  it('is direct-mapped, so that many blocks do not make it grow', () => {
    const decoder = newDecoder()
    for (let i = 0; i < 2000; i++) {
      const block = literal('not-indexed', 'x-request', `value ${i}`)
      for (let again = 0; again < 3; again++) expect(decode(decoder, block)[1]).toBe(`value ${i}`)
    }
    expect(decoder.keptStrings().length).toBeLessThanOrEqual(64 * 2 + 512)
  })
})

describe('secrets in an HPACK block', () => {
  const SECRET = 'Zq7-secret-of-somebody'

  it.each([
    ['authorization', 'inserted'],
    ['authorization', 'not-indexed'],
    ['cookie', 'inserted'],
    ['cookie', 'not-indexed'],
    ['set-cookie', 'not-indexed'],
    ['x-vendor-api-key', 'inserted'],
    ['x-plain', 'never-indexed'],
    ['content-type', 'never-indexed'],
  ] as const)('are not kept by any cache: %s, %s', (name, kind) => {
    const decoder = newDecoder()
    for (const block of [
      literal(kind, name, SECRET),
      literal(kind, name, SECRET, false),
      Buffer.concat([indexed(8), literal(kind, name, SECRET)]),
    ]) {
      for (let i = 0; i < 4; i++) decode(decoder, block)
    }
    expect(decoder.keptStrings().filter(text => text.includes(SECRET))).toEqual([])
  })

  it('that the peer put into the table are forgotten when they leave it', () => {
    const decoder = newDecoder()
    decodeParts(decoder, literal('inserted', 'cookie', SECRET))
    const block = Buffer.concat([indexed(2), indexed(62)])
    for (let i = 0; i < 4; i++) expect(decode(decoder, block)).toContain(SECRET)
    expect(decoder.keptStrings()).toContain(SECRET)
    decodeParts(decoder, sizeUpdate(0))
    expect(decoder.keptStrings()).not.toContain(SECRET)
  })
})
