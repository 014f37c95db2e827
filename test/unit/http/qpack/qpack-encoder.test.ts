import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { QpackEncoder } from '../../../../src/http/qpack/qpack-encoder.ts'
import { pair } from '../field-compression/qpack-pair.ts'
import { decode, encode, literal, newDecoder, plain, thrownBy } from '../field-compression/sections.ts'

const hexOf = (bytes: Buffer): string => bytes.toString('hex')

describe('what the QPACK encoder inserts', () => {
  it('is at once a field that has few values, which is referred to when the peer has confirmed it', () => {
    const { send, put, table } = pair()
    const list = [':status', '200', 'content-encoding', 'zstd', 'server', 'nginx']
    expect(send(list)[0]).toBe(0)
    expect(table()).toEqual(['server', 'nginx', 'content-encoding', 'zstd'])
    expect(hexOf(put(list))).toBe('0300d98180')
  })

  it('is sent with the capacity, once, and not before it is needed', () => {
    const { encoder } = pair({ ours: 1000 })
    expect(encoder.takeEncoderStream()).toBeUndefined()
    encode(encoder, 0, ['server', 'a'])
    expect(hexOf(encoder.takeEncoderStream()!)).toBe('3fc907ff1d0161')
    encode(encoder, 4, ['server', 'b'])
    expect(hexOf(encoder.takeEncoderStream()!)).toBe('ff1d0162')
  })

  it('is any other field when it comes again soon', () => {
    const { send, table } = pair()
    send(['x-color', 'blue'])
    expect(table()).toEqual([])
    send(['x-color', 'blue'])
    expect(table()).toEqual(['x-color', 'blue'])
    expect(hexOf(send(['x-color', 'blue']))).toBe('020080')
    // Another value: its name by reference.
    expect(hexOf(send(['x-color', 'a']))).toBe('0200400161')
  })

  it('is the name of a field that varies, without a value, when it is seen again', () => {
    const { send, table } = pair()
    const first = send(['x-request-id', 'a'])
    send(['x-request-id', 'b'])
    expect(table()).toEqual(['x-request-id', ''])
    for (const value of ['c', 'd', 'c'])
      expect(send(['x-request-id', value]).length).toBeLessThan(first.length - 8)
    expect(table()).toEqual(['x-request-id', ''])
  })

  it('is not the name of a secret', () => {
    const { send, table } = pair()
    for (const value of ['a', 'b', 'c']) send(['x-api-key', value])
    expect(table()).toEqual([])
  })

  it.each([':path', 'etag', 'content-length', 'if-modified-since', 'location'])(
    'is never a field that varies and has its name in the static table: %s',
    name => {
      const { send, table } = pair()
      for (let i = 0; i < 5; i++) send([name, '/a/b/c'])
      expect(table()).toEqual([])
    },
  )

  it('is not an entry that would take more than half of the table', () => {
    const { send, table } = pair()
    send(['server', 'x'.repeat(2048 - 32 - 6)])
    expect(table()).toHaveLength(2)
    for (let i = 0; i < 3; i++) send(['vary', 'x'.repeat(2048 - 32 - 3)])
    expect(table()).toHaveLength(2)
  })

  it('is nothing before the peer has announced a table, or when it has none, or we want none', () => {
    const silent = new QpackEncoder({ maxTableBytes: 4096 })
    for (const encoder of [
      silent,
      pair({ peers: 0 }).encoder,
      pair({ peers: 31 }).encoder,
      pair({ ours: 0 }).encoder,
    ]) {
      const list = ['server', 'a', 'cookie', 'b']
      for (let i = 0; i < 4; i++) expect(decode(newDecoder(), encode(encoder, 4 * i, list))).toEqual(list)
      expect(encoder.takeEncoderStream()).toBeUndefined()
    }
    silent.setPeerLimits(4096, 0)
    encode(silent, 100, ['server', 'a'])
    expect(silent.takeEncoderStream()).toBeDefined()
  })

  it('is nothing while the encoder stream has no credit', () => {
    const { encoder, send, table } = pair()
    encoder.mayInsert = false
    for (let i = 0; i < 3; i++) send(['server', 'a'])
    expect([table(), encoder.mayInsert]).toEqual([[], false])
    encoder.mayInsert = true
    send(['server', 'a'])
    expect(table()).toEqual(['server', 'a'])
  })

  it('evicts nothing that is not confirmed', () => {
    const { put, insertions, acknowledgments, table } = pair({ ours: 100, peers: 100 })
    for (const value of ['a', 'b', 'c']) put(['server', value]) // 39 bytes each
    insertions()
    expect(table()).toEqual(['server', 'b', 'server', 'a'])
    acknowledgments()
    for (const value of ['d', 'e', 'f']) put(['server', value])
    insertions()
    expect(table()).toEqual(['server', 'e', 'server', 'd'])
  })

  /** The values of a table that has room for five of them. */
  function five() {
    const connection = pair({ ours: 200, peers: 200 })
    for (const value of ['a', 'b', 'c', 'd', 'e']) connection.send(['server', value])
    const values = (): string => {
      connection.insertions()
      return connection
        .table()
        .filter((_, i) => i % 2 === 1)
        .join('')
    }
    return { ...connection, values }
  }

  it('evicts nothing that a section under way refers to (2.1.1)', () => {
    const { decoder, put, acknowledgments, values } = five()
    const underWay = put(['server', 'c'], 1000)
    expect(hexOf(underWay)).toBe('040282')
    for (const value of ['f', 'g', 'h']) put(['server', value])
    expect(values()).toBe('gfedc')
    acknowledgments()
    put(['server', 'h'])
    expect(values()).toBe('gfedc')
    expect(decode(decoder, underWay, 1000)).toEqual(['server', 'c'])
    acknowledgments()
    put(['server', 'h'])
    expect(values()).toBe('hgfed')
  })

  it('evicts what a stream that was given up refers to', () => {
    const { decoder, put, acknowledgments, values } = five()
    put(['server', 'c'], 1000)
    put(['server', 'd'], 1000)
    for (const value of ['f', 'g', 'h']) put(['server', value])
    expect(values()).toBe('gfedc')
    decoder.cancel(1000)
    acknowledgments()
    for (const value of ['h', 'i']) put(['server', value])
    expect(values()).toBe('ihgfe')
  })

  it('evicts nothing that the same section has referred to', () => {
    const { decoder, put, values } = five()
    const fields = ['server', 'c', 'server', 'f', 'server', 'g', 'server', 'h']
    const section = put(fields, 1000)
    expect(values()).toBe('gfedc')
    expect(decode(decoder, section, 1000)).toEqual(fields)
    // A pseudo-field and a list are one section.
    const other = five()
    other.encoder.begin(1000)
    other.encoder.add('server', 'c')
    other.encoder.addAll(fields.slice(2))
    other.encoder.end()
    other.put([], 1004)
    expect(other.values()).toBe('gfedc')
  })
})

describe('secrets that the QPACK encoder writes', () => {
  const SECRET = 'Zq7secret'

  it.each(['authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-session-id', 'dpop'])(
    'are never-indexed literals and kept nowhere: %s',
    name => {
      const { encoder, decoder, send, table } = pair({ mayBlock: 10 })
      const list = [name, SECRET]
      for (let i = 0; i < 4; i++) {
        const line = send(list)[2]!
        // With a name of the static table (4.5.4), or a literal one (4.5.6).
        expect((line & 0xf0) === 0x70 || (line & 0xf0) === 0x30).toBe(true)
      }
      expect(table()).toEqual([])
      expect(encoder.keptStrings()).toEqual([])
      const mixed = ['server', 'nginx', name, SECRET]
      for (let i = 0; i < 4; i++) send(mixed)
      expect(encoder.keptStrings()).toEqual(['server', 'nginx'])
      expect(decoder.keptStrings()).not.toContain(SECRET)
    },
  )

  it('stay never-indexed when they came so (7.1.3)', () => {
    const { send, table } = pair()
    decode(newDecoder(), plain(literal('x-q-inner', 'worth guessing', true)))
    for (let i = 0; i < 3; i++) expect(send(['x-q-inner', 'worth guessing'])[2]! & 0xf0).toBe(0x30)
    expect(send(['x-q-inner', 'another'])[2]! & 0xf0).toBe(0x20)
    expect(table()).toEqual([])
  })
})

describe('a field that the QPACK encoder refuses', () => {
  it.each([
    ['an empty name', '', 'a'],
    ['upper case', 'X-a', 'a'],
    ['a colon in the name', 'x:a', 'a'],
    ['a pseudo-field', ':path', '/'],
    ['CR', 'x-a', 'a\rb'],
    ['what is not latin1', 'x-a', 'a€b'],
    ['a space behind', 'x-a', 'a '],
    ['a bad value of a known name', 'content-type', 'a\nb'],
    ['a bad value of a secret', 'cookie', 'a\nb'],
    ['a bad value of a field that varies', 'etag', 'a\nb'],
    ['a field of the connection', 'connection', 'close'],
  ])('is one with %s', (_, name, value) => {
    const { encoder, send } = pair()
    for (let i = 0; i < 3; i++) {
      encoder.begin(4)
      expect(thrownBy(() => encoder.addAll(['server', 'nginx', name, value]))).toMatchObject({
        code: 'MM_INVALID_ARGUMENT',
      })
    }
    // What the broken section inserted is there, and the next one is whole.
    send(['server', 'nginx'])
    expect(send(['server', 'nginx'])).toHaveLength(3)
  })

  it('is one that only looks like a pseudo-field', () => {
    const { encoder } = pair()
    encoder.begin(0)
    for (const name of [':', ':Path', '::path']) {
      expect(thrownBy(() => encoder.add(name, '/'))).toBeInstanceOf(TransportError)
    }
  })
})

describe('a field list that repeats in QPACK', () => {
  const list = ['server', 'nginx', 'vary', 'x', 'etag', '"abc"']
  const other = [...list]

  it('is encoded to the same bytes, as long as table and confirmations are the same', () => {
    const { send } = pair()
    for (let i = 0; i < 3; i++) send(list)
    const expected = send(other)
    for (let i = 0; i < 5; i++) expect(send(list)).toEqual(expected)
    send(['via', '1.1 other'])
    const moved = send(other)
    expect(moved).not.toEqual(expected)
    for (let i = 0; i < 5; i++) expect(send(list)).toEqual(moved)
  })

  it('is encoded correctly behind an insertion of the same section, and so is the one after it', () => {
    const { send } = pair()
    for (let i = 0; i < 5; i++) send(list)
    const head = (i: number) => [':authority', `host-${i}.example`, ...list]
    const { encoder, decoder, put, insertions, acknowledgments } = pair()
    for (let i = 0; i < 30; i++) {
      const streamId = 4 * i
      encoder.begin(streamId)
      encoder.add(':authority', `host-${Math.floor(i / 3)}.example`)
      encoder.addAll(list)
      const bytes = Buffer.from(encoder.bytes.subarray(0, encoder.end()))
      insertions()
      expect(decode(decoder, bytes, streamId)).toEqual(head(Math.floor(i / 3)))
      acknowledgments()
      const again = put(list, streamId + 2000)
      expect(decode(decoder, again, streamId + 2000)).toEqual(list)
      acknowledgments()
    }
  })

  it('becomes references once they are confirmed', () => {
    const { put, insertions, acknowledgments } = pair()
    for (let i = 0; i < 5; i++) expect(put(list)[0]).toBe(0)
    insertions()
    acknowledgments()
    expect(put(list)[0]).not.toBe(0)
  })

  it('is encoded correctly when it comes twice in a section that inserts', () => {
    const { encoder, decoder, send, put, insertions, acknowledgments } = pair()
    for (let i = 0; i < 5; i++) send(list)
    encoder.begin(1000)
    encoder.add(':authority', 'www.example.com')
    for (let i = 0; i < 3; i++) encoder.addAll(list)
    const bytes = Buffer.from(encoder.bytes.subarray(0, encoder.end()))
    insertions()
    expect(decode(decoder, bytes, 1000)).toEqual([':authority', 'www.example.com', ...list, ...list, ...list])
    const again = put(list, 1004)
    expect(decode(decoder, again, 1004)).toEqual(list)
    acknowledgments()
  })

  it('is not referred to by streams that may not wait, because one that may wait did so', () => {
    const { put, encoder } = pair({ mayBlock: 1 })
    for (let i = 0; i < 5; i++) expect(put(list, 4)[0]).not.toBe(0)
    for (let i = 0; i < 5; i++) expect(put(list, 8)[0]).toBe(0)
    expect(encoder.blockingStreams).toBe(1)
  })

  it('is remembered also without a table', () => {
    const { encoder, put } = pair({ peers: 0 })
    const bytes = put(other)
    for (let i = 0; i < 5; i++) expect(put(list)).toEqual(bytes)
    expect(encoder.keptStrings()).toContain('nginx')
  })

  it('keeps the entries that it refers to from eviction', () => {
    const { encoder, send, put, decoder, insertions } = pair({ ours: 130, peers: 130 })
    const short = ['server', 'nginx', 'vary', 'x'] // 43 and 37 bytes
    for (let i = 0; i < 5; i++) send(short)
    const underWay = put(short, 1000)
    for (let i = 0; i < 5; i++) put(['via', `hop ${i}`], 2000 + 4 * i)
    insertions()
    expect(decode(decoder, underWay, 1000)).toEqual(short)
    expect(encoder.keptStrings()).toContain('nginx')
  })

  it('may be empty', () => {
    const { send } = pair()
    const empty: string[] = []
    for (let i = 0; i < 4; i++) expect(hexOf(send(empty))).toBe('0000')
  })
})

describe('the output buffer of the QPACK encoder', () => {
  it('grows for any section, and does not keep the size of a huge one', () => {
    const { encoder, send } = pair()
    send(['x-a', 'ÿ'.repeat(100_000), 'x-b', 'a'.repeat(100_000), 'x'.repeat(50_000), '1'])
    expect(encoder.bytes.length).toBeGreaterThan(250_000)
    send(['server', 'nginx'])
    expect(encoder.bytes.length).toBeLessThan(20_000)
  })
})
