import { describe, expect, it } from 'vitest'
import { writeHuffman } from '../../../../src/http/field-compression/huffman.ts'
import { HpackEncoder } from '../../../../src/http/hpack/hpack-encoder.ts'
import { encode as encodeHpack } from '../field-compression/blocks.ts'
import {
  capacity,
  decode,
  duplicate,
  faultOf,
  feed,
  insert,
  insertNamed,
  insertStatic,
  integer,
  line,
  literal,
  literalNamed,
  literalPostBase,
  literalStatic,
  newDecoder,
  plain,
  postBaseLine,
  section,
  staticLine,
  tableOf,
} from '../field-compression/sections.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** A decoder with a table of 4096 bytes and the entries a: 1, b: 2, c: 3. */
function filled(options: Parameters<typeof newDecoder>[0] = {}) {
  const decoder = newDecoder(options)
  feed(decoder, capacity(4096), insert('a', '1'), insert('b', '2'), insert('c', '3'))
  return decoder
}

describe('the QPACK decoder', () => {
  it('reads only the bytes that it was given', () => {
    const bytes = Buffer.concat([hex('ff'), plain(staticLine(17), staticLine(23)), hex('ff')])
    const decoder = newDecoder()
    expect(decoder.decode(0, bytes, 1, 5)).toMatchObject({ fields: [':method', 'GET', ':scheme', 'https'] })
    expect(decoder.decode(0, bytes, 1, 3)).toMatchObject({ fields: [], bytes: 0 })
  })

  it('reads every kind of field line', () => {
    const decoder = filled()
    const lines = [
      staticLine(98),
      line(0),
      literalStatic(95, 'nginx'),
      literalStatic(84, 'Basic YTpi', true),
      literalNamed(1, 'new', true),
      literal('x-long-name', 'value'),
      literal('n', '', true, false),
    ]
    expect(decode(decoder, section(2, 2, ...lines))).toEqual(
      ['x-frame-options: sameorigin', 'b: 2', 'user-agent: nginx', 'authorization: Basic YTpi', 'a: new']
        .concat('x-long-name: value', 'n: ')
        .flatMap(field => field.split(': ')),
    )
    const postBase = [postBaseLine(1), literalPostBase(0, 'x'), literalPostBase(1, 'y', true), line(0)]
    expect(decode(decoder, section(3, 1, ...postBase))).toEqual(['c', '3', 'b', 'x', 'c', 'y', 'a', '1'])
  })

  it('reports the size of the list, and reads names and values as latin1', () => {
    const bytes = plain(literal('x-a', '\u00ff\u0000é'))
    expect(newDecoder().decode(0, bytes, 0, bytes.length)).toEqual({
      fields: ['x-a', '\u00ff\u0000é'],
      bytes: 3 + 3 + 32,
      meaning: undefined,
    })
  })

  it.each([
    ['nothing at all', '', 'ends within a field'],
    ['no Base', '00', 'ends within a field'],
    ['a Base that is cut off', '007f80', 'ends within a field'],
    ['a negative Base without references (4.5.1.2)', '0080', 'negative Base'],
    ['a negative Base', '0483', 'negative Base'],
    ['a Required Insert Count without a meaning: above twice the entries', 'ff0300', 'impossible Required'],
    ['a Required Insert Count that is too far ahead', 'ff01 00', 'impossible Required'],
    ['a Required Insert Count that comes to 0', '0100', 'impossible Required'],
    ['a huge Required Insert Count', 'ff ffffffffffffffff3f 00', 'impossible Required'],
    ['an integer of more than 62 bits', 'ff ffffffffffffffffff01 00', 'continuation bytes'],
    ['an integer of 63 bits', '007f ffffffffffffffff7f c1', 'larger than'],
    ['a static entry that is not there', '0000 ff24', 'static entry 99'],
    ['a static name that is not there', '0000 5f54 00', 'static entry 99'],
    ['a reference when none was promised', '0000 80', 'entry -1 of 0'],
    ['a reference beyond the oldest entry', '0400 83', 'entry -1 of 3'],
    ['a reference that is not among the promised', '0300 10', 'entry 2 of 2'],
    ['a huge reference', '0400 bf ffffffffffffff01', 'of 3 that were promised'],
    ['a post-base reference that is not among the promised', '0482 13', 'entry 3 of 3'],
    ['a post-base name that is not among the promised', '0482 03 00', 'entry 3 of 3'],
    ['a name reference that is not there', '0400 43 00', 'entry -1 of 3'],
    ['a reference that is cut off', '0400 bf', 'ends within a field'],
    ['a literal without its name', '0000 23', 'ends within a field'],
    ['a literal without its value', '0000 2161', 'ends within a field'],
    ['a name that is longer than the section', '0000 27ff', 'ends within a field'],
    ['a value of 2^62 bytes', '0000 51 7f ffffffffffffffff3f', 'ends within a field'],
    ['a Huffman coded name with EOS', '0000 2c ffffffff 00', 'EOS'],
    ['a Huffman coded value with wrong padding', '0000 51 8118', 'padding'],
  ])('refuses a section with %s', (_, bytes, message) => {
    const decoder = filled()
    const input = hex(bytes)
    expect(faultOf(() => decoder.decode(0, input, 0, input.length))).toMatch(
      new RegExp(`^decompression: .*${message}`),
    )
  })

  it('accepts a Base as large as possible, when nobody refers to it', () => {
    expect(decode(newDecoder(), hex('00 7f ffffffffffffffff3e c1'))).toEqual([':path', '/'])
  })

  it('refuses references to evicted entries, and accepts those to others', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(70), insert('a', '1'), insert('b', '2'), insert('c', '3'))
    expect(faultOf(() => decode(decoder, section(3, 3, line(2))))).toMatch(
      'decompression: a field refers to entry 0, which was evicted',
    )
    expect(faultOf(() => decode(decoder, section(1, 1, literalNamed(0, 'x'))))).toMatch(
      'entry 0, which was evicted',
    )
    expect(decode(decoder, section(3, 3, line(1)))).toEqual(['b', '2'])
  })

  it('refuses every reference when it announced no table', () => {
    const decoder = newDecoder({ maxTableBytes: 0 })
    for (const bytes of ['0200', '0100'])
      expect(faultOf(() => decode(decoder, hex(bytes)))).toMatch('impossible')
    expect(decode(decoder, plain(staticLine(1)))).toEqual([':path', '/'])
  })

  it('decodes the Required Insert Count over many turns (4.5.1.1)', () => {
    const decoder = newDecoder({ maxTableBytes: 4096 })
    feed(decoder, capacity(4096))
    for (let i = 1; i <= 1000; i++) {
      feed(decoder, insert('name', String(i)))
      expect(decode(decoder, section(i, i, line(0)))).toEqual(['name', String(i)])
      if (i > 50) expect(decode(decoder, section(i - 50, i - 50, line(0)))).toEqual(['name', String(i - 50)])
    }
  })
})

describe('the encoder stream that the QPACK decoder reads', () => {
  it.each([
    ['a capacity above the limit (4.3.1)', [capacity(4097)], 'a capacity of 4097 is above the 4096'],
    ['an insertion while there is no capacity', [insert('a', '1')], 'larger than the table'],
    [
      'an entry larger than the table (3.2.2)',
      [capacity(64), insert('a'.repeat(20), 'b'.repeat(13), false)],
      'larger than the table',
    ],
    [
      'one with a name of the static table',
      [capacity(64), insertStatic(0, 'b'.repeat(23), false)],
      'larger than the table of 64',
    ],
    [
      'one with a name of the table',
      [capacity(64), insert('aaaa', ''), insertNamed(0, 'b'.repeat(29), false)],
      'larger than the table of 64',
    ],
    ['a static name that is not there', [capacity(64), insertStatic(99, '')], 'static entry 99'],
    ['a name that is not there', [capacity(64), insertNamed(0, '')], 'entry 0, which is not in the table'],
    [
      'a name that was evicted',
      [capacity(34), insert('a', '1'), insert('b', '1'), insertNamed(1, '')],
      'entry 1, which is not',
    ],
    ['a duplicate of nothing', [capacity(64), duplicate(0)], 'entry 0, which is not in the table'],
    [
      'a duplicate of what was evicted',
      [capacity(34), insert('a', '1'), insert('b', '1'), duplicate(1)],
      'entry 1, which is not',
    ],
    ['a huge duplicate', [capacity(64), insert('a', '1'), hex('1fffffffffffffff01')], 'is not in the table'],
    ['an integer of more than 62 bits', [hex(`3f${'ff'.repeat(9)}`)], 'more than 62 bits'],
    ['EOS in a value', [capacity(100), hex('c0 84ffffffff')], 'EOS'],
    ['wrong padding in a name', [capacity(100), hex('61 18 00')], 'padding'],
  ])('is refused with %s', (_, instructions, message) => {
    expect(faultOf(() => feed(newDecoder(), ...instructions))).toMatch(
      new RegExp(`^encoder-stream: .*${message}`),
    )
    // And in pieces.
    const decoder = newDecoder()
    const bytes = Buffer.concat(instructions)
    expect(
      faultOf(() => {
        for (let i = 0; i < bytes.length; i++) decoder.receiveEncoderStream(bytes, i, i + 1)
      }),
    ).toMatch(new RegExp(`^encoder-stream: .*${message}`))
  })

  it.each([
    ['a value', hex('c0 7fa11f')], // 127 + 4001
    ['a Huffman coded value', Buffer.concat([hex('c0'), integer(0x80, 7, 16_000)])],
    ['a name', Buffer.concat([integer(0x40, 5, 4065)])],
    ['a Huffman coded name', Buffer.concat([integer(0x60, 5, 16_000)])],
    [
      'a name and a value',
      Buffer.concat([integer(0x40, 5, 2100), Buffer.alloc(2100, 'a'), integer(0, 7, 2100)]),
    ],
    ['a value of 2^62 bytes', hex('c0 7f ffffffffffffffff3f')],
  ])('is refused at the length that cannot fit: %s', (_, beginning) => {
    const decoder = newDecoder()
    feed(decoder, capacity(4096))
    expect(faultOf(() => feed(decoder, beginning))).toMatch(
      'encoder-stream: an entry is larger than the table',
    )
  })

  it('may contain what fits to the byte, coded as long as possible', () => {
    const decoder = newDecoder()
    const value = '\u0000'.repeat(4096 - 32 - 10) // 13 bits each
    feed(decoder, capacity(4096), insertStatic(0, value, false))
    expect(tableOf(decoder)).toEqual([':authority', value])
    // 30 bits for each of these: the longest code. Huffman though it is longer.
    const coded = Buffer.alloc(15)
    expect(writeHuffman(coded, 0, '\n\n\n\n')).toBe(15)
    const newlines = newDecoder()
    feed(newlines, capacity(46), hex('c0'), integer(0x80, 7, coded.length), coded)
    expect(tableOf(newlines)).toEqual([':authority', '\n\n\n\n'])
  })

  it('is kept no further than an instruction has come, and that is freed again', () => {
    const decoder = newDecoder({ maxTableBytes: 1_000_000 })
    const value = 'v'.repeat(900_000)
    const bytes = Buffer.concat([capacity(1_000_000), insertStatic(0, value, false), insert('a', '1')])
    for (let i = 0; i < bytes.length; i += 1000) {
      decoder.receiveEncoderStream(bytes, i, Math.min(i + 1000, bytes.length))
    }
    expect(tableOf(decoder)).toEqual(['a', '1', ':authority', value])
  })

  it('is read in linear time, even byte by byte', () => {
    const decoder = newDecoder({ maxTableBytes: 65_536 })
    feed(decoder, capacity(65_536), insertStatic(0, 'x'.repeat(30_000), false))
    const flood = Buffer.alloc(100_000, duplicate(0))
    decoder.receiveEncoderStream(flood, 0, flood.length)
    for (let i = 0; i < 20_000; i++) decoder.receiveEncoderStream(flood, i, i + 1)
    expect(tableOf(decoder)).toHaveLength(4)
    expect(decoder.takeDecoderStream()).toHaveLength(4) // one increment by 120,001
  })

  it('may make the table smaller and larger, and take the name of an entry that it evicts (3.2.2)', () => {
    const decoder = filled()
    feed(decoder, capacity(70))
    expect(tableOf(decoder)).toEqual(['c', '3', 'b', '2'])
    feed(decoder, capacity(40), insertNamed(0, '4567890'))
    expect(tableOf(decoder)).toEqual(['c', '4567890'])
    feed(decoder, duplicate(0), capacity(0), capacity(4096), insert('d', '1'))
    expect(tableOf(decoder)).toEqual(['d', '1'])
  })
})

describe('blocked streams of the QPACK decoder', () => {
  it('are reported when their insertions are there, in the order in which they came', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(4096))
    const sections = [
      [12, section(2, 2, line(0))],
      [4, section(1, 1, line(0))],
      [8, section(3, 0, postBaseLine(2))],
      [0, section(1, 1, line(0), staticLine(1))],
    ] as const
    for (const [id, bytes] of sections) expect(decoder.decode(id, bytes, 0, bytes.length)).toBe('blocked')
    expect(decoder.decode(0, sections[3][1], 0, sections[3][1].length)).toBe('blocked')
    expect(decoder.blockedStreams).toBe(4)
    expect(feed(decoder, insert('a', '1'))).toEqual([4, 0])
    expect(feed(decoder, hex(''))).toEqual([])
    expect(decoder.blockedStreams).toBe(2)
    expect(decode(decoder, sections[3][1], 0)).toEqual(['a', '1', ':path', '/'])
    expect(feed(decoder, insert('b', '2'), insert('c', '3'))).toEqual([12, 8])
    expect(decode(decoder, sections[2][1], 8)).toEqual(['c', '3'])
    expect(decode(decoder, sections[0][1], 12)).toEqual(['b', '2'])
    expect(decode(decoder, sections[1][1], 4)).toEqual(['a', '1'])
    expect(decoder.takeDecoderStream()?.toString('hex')).toBe('80888c84')
  })

  it('are no more than were announced (2.1.2)', () => {
    const decoder = newDecoder({ maxBlockedStreams: 2 })
    feed(decoder, capacity(4096))
    const bytes = section(1, 1, line(0))
    const block = (id: number) => decoder.decode(id, bytes, 0, bytes.length)
    expect([block(0), block(4), block(4)]).toEqual(['blocked', 'blocked', 'blocked'])
    expect(faultOf(() => block(8))).toBe('decompression: more streams are blocked than the 2 that may be')
    decoder.cancel(0)
    expect(block(8)).toBe('blocked')
    expect(feed(decoder, insert('a', '1'))).toEqual([4, 8])
    expect(faultOf(() => newDecoder({ maxBlockedStreams: 0 }).decode(0, bytes, 0, bytes.length))).toMatch(
      'than the 0',
    )
  })

  it('that were cancelled are not reported', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(4096))
    const bytes = section(1, 1, line(0))
    decoder.decode(0, bytes, 0, bytes.length)
    decoder.decode(4, bytes, 0, bytes.length)
    decoder.cancel(0)
    expect(feed(decoder, insert('a', '1'))).toEqual([4])
  })
})

describe('the decoder stream of the QPACK decoder', () => {
  const answer = (decoder: ReturnType<typeof newDecoder>): string =>
    decoder.takeDecoderStream()?.toString('hex') ?? ''

  it('acknowledges sections with references, and only them', () => {
    const decoder = filled()
    expect(answer(decoder)).toBe('03')
    expect(answer(decoder)).toBe('')
    decode(decoder, section(3, 3, line(0)), 4)
    decode(decoder, plain(staticLine(1)), 8)
    decode(decoder, section(1, 1, line(0)), 400)
    expect(decoder.waitingBytes).toBe(4)
    expect(answer(decoder)).toBe('84ff9102')
    expect(decoder.waitingBytes).toBe(0)
  })

  it('reports insertions in one number, less those that a section has acknowledged', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(4096), insert('a', '1'), insert('b', '2'))
    decode(decoder, section(1, 1, line(0)), 0)
    expect(answer(decoder)).toBe('8001')
    feed(decoder, insert('c', '1'))
    feed(decoder, insert('d', '2'))
    decode(decoder, section(4, 4, line(0)), 4)
    expect(answer(decoder)).toBe('84')
    for (let i = 0; i < 100; i++) feed(decoder, duplicate(0))
    expect(answer(decoder)).toBe('3f25')
  })

  it('reports streams that nobody reads, unless there can be no references (2.2.2.2)', () => {
    const decoder = newDecoder()
    decoder.cancel(4)
    decoder.cancel(2 ** 40)
    expect(answer(decoder)).toBe('447fc1ffffffff1f')
    const without = newDecoder({ maxTableBytes: 0 })
    without.cancel(4)
    expect(answer(without)).toBe('')
  })

  it('has room for any number, and long ids', () => {
    const decoder = filled()
    const bytes = section(3, 3, line(0))
    for (let i = 0; i < 5000; i++) decoder.decode(2 ** 45 + 4 * i, bytes, 0, bytes.length)
    expect(answer(decoder)).toHaveLength(2 * (5000 * 8))
    decode(decoder, bytes, 8)
    expect(answer(decoder)).toBe('88')
  })
})

describe('the limits of a decoded list of QPACK', () => {
  it('count name, value and 32 bytes for each field', () => {
    const decoder = newDecoder({ maxListBytes: 42 + 43, maxFields: 2 })
    expect(decode(decoder, plain(staticLine(17), staticLine(22)))).toHaveLength(4) // 42 and 43 bytes
    for (const lines of [
      [22, 22],
      [17, 17, 17],
    ]) {
      const bytes = plain(...lines.map(staticLine))
      expect(decoder.decode(0, bytes, 0, bytes.length)).toBe('too-large')
    }
  })

  it('do not stop the acknowledgment, and end the reading', () => {
    const decoder = filled({ maxFields: 1 })
    decoder.takeDecoderStream()
    const bytes = section(1, 1, line(0), line(0))
    for (let i = 0; i < 3; i++) expect(decoder.decode(4, bytes, 0, bytes.length)).toBe('too-large')
    expect(decoder.takeDecoderStream()?.toString('hex')).toBe('848484')
    const broken = section(1, 1, line(0), line(0), line(1))
    expect(decoder.decode(4, broken, 0, broken.length)).toBe('too-large')
    expect(faultOf(() => decode(filled(), broken))).toMatch('entry -1')
  })

  it('stop a bomb of 60,000 references to an entry of 4 KB', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(4096), insert('a', 'x'.repeat(4000), false))
    const bomb = section(1, 1, Buffer.alloc(60_000, line(0)))
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 20; i++) expect(decoder.decode(0, bomb, 0, bomb.length)).toBe('too-large')
    // A list of them all would be 960 KB of pointers each.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
  })
})

describe('the cache of decoded sections', () => {
  const blockOf = (decoder: ReturnType<typeof newDecoder>, bytes: Buffer) =>
    decoder.decode(0, bytes, 0, bytes.length)

  it.each([
    ['without references', plain(staticLine(25), literal('x-a', '1'))],
    ['with references', section(3, 3, line(0), literalNamed(1, 'x'))],
  ])('returns the same block for the same bytes from the third time on: %s', (_, bytes) => {
    const decoder = filled()
    decoder.takeDecoderStream()
    const blocks = [1, 2, 3, 4].map(() => blockOf(decoder, bytes))
    expect(blocks[1]).not.toBe(blocks[0])
    expect([blocks[2], blocks[3]]).toEqual([blocks[1], blocks[1]])
    expect(blocks[3]).toBe(blocks[1])
    // An insertion changes nothing in what they refer to.
    feed(decoder, insert('d', '4'))
    expect(blockOf(decoder, bytes)).toBe(blocks[1])
    // Each was acknowledged.
    expect(decoder.takeDecoderStream()?.length).toBe(bytes[0] === 0 ? 1 : 6)
  })

  it('distinguishes sections whose Required Insert Count differs by a turn only', () => {
    const decoder = newDecoder({ maxTableBytes: 100 }) // three entries: six counts
    feed(decoder, capacity(100))
    const bytes = hex('0200 80') // 1, 7, 13, … insertions
    const seen = new Set<unknown>()
    for (let i = 0; i < 60; i++) {
      feed(decoder, insert('n', String(i)))
      if (i % 6 !== 0) continue
      for (let again = 0; again < 3; again++) {
        const block = blockOf(decoder, bytes)
        expect(block).toMatchObject({ fields: ['n', String(i)] })
        seen.add(block)
      }
    }
    expect(seen.size).toBeGreaterThanOrEqual(10)
  })

  it('forgets evicted entries, including secrets that the peer put into the table', () => {
    const decoder = newDecoder()
    feed(decoder, capacity(100), insert('cookie', 'Zq7-secret'), insert('b', '2'))
    const secret = section(1, 1, line(0))
    const other = section(2, 2, line(0))
    for (let i = 0; i < 4; i++) expect(decode(decoder, secret)).toEqual(['cookie', 'Zq7-secret'])
    for (let i = 0; i < 4; i++) decode(decoder, other)
    const kept = blockOf(decoder, other)
    feed(decoder, insert('c', '3'))
    expect(decoder.keptStrings()).not.toContain('Zq7-secret')
    expect(faultOf(() => decode(decoder, secret))).toMatch('evicted')
    expect(blockOf(decoder, other)).toBe(kept)
    feed(decoder, capacity(0))
    expect(faultOf(() => decode(decoder, other))).toMatch('evicted')
  })

  it.each([
    ['more than 1024 bytes', plain(literal('x-a', 'x'.repeat(1100), false, false))],
    ['more than 64 fields', plain(Buffer.alloc(65, staticLine(1)))],
    ['a never-indexed literal', plain(literal('x-a', '1', true))],
    ['a never-indexed literal with a name by reference', plain(literalStatic(53, 'text/x', true))],
    ['a literal of a cookie', plain(literalStatic(5, 'a=1'))],
  ])('does not keep sections with %s', (_, bytes) => {
    const decoder = newDecoder()
    expect(new Set([1, 2, 3, 4].map(() => blockOf(decoder, bytes))).size).toBe(4)
  })

  it('is direct-mapped, so that many sections do not make it grow', () => {
    const decoder = newDecoder()
    for (let i = 0; i < 2000; i++) {
      const bytes = plain(literal('x-request', `value ${i}`))
      for (let again = 0; again < 3; again++) expect(decode(decoder, bytes)[1]).toBe(`value ${i}`)
    }
    expect(decoder.keptStrings().length).toBeLessThanOrEqual(64 * 2 + 512)
  })
})

describe('secrets that the QPACK decoder reads', () => {
  const SECRET = 'Qp9-secret-of-somebody'

  it.each(['authorization', 'cookie', 'x-vendor-api-key', 'x-plain'])('are kept in no cache: %s', name => {
    const decoder = newDecoder()
    const isNever = name === 'x-plain'
    for (const bytes of [
      plain(literal(name, SECRET, isNever)),
      plain(literal(name, SECRET, isNever, false)),
      plain(staticLine(25), literal(name, SECRET, isNever)),
    ]) {
      for (let i = 0; i < 4; i++) decode(decoder, bytes)
    }
    expect(decoder.keptStrings().filter(text => text.includes(SECRET))).toEqual([])
  })

  it('stay never-indexed on their way through HTTP/2, when they came so (7.1.3)', () => {
    decode(newDecoder(), plain(literal('x-h3-inner', SECRET, true)))
    expect(encodeHpack(new HpackEncoder(4096), ['x-h3-inner', SECRET])[0]).toBe(0x10)
  })
})
