import { describe, expect, it } from 'vitest'
import { QpackEncoder } from '../../../../src/http/qpack/qpack-encoder.ts'
import { pair } from '../field-compression/qpack-pair.ts'
import { decode, encode, faultOf, feed, newDecoder } from '../field-compression/sections.ts'

const hexOf = (bytes: Buffer): string => bytes.toString('hex')

describe('an entry that will soon be evicted (2.1.1.1)', () => {
  it('is duplicated when others need its room, so that it stays', () => {
    const { decoder, send, table } = pair({ ours: 400, peers: 400 })
    const popular = ['server', 'popular']
    send(popular)
    for (let i = 0; i < 200; i++) {
      send(['via', `1.1 hop-${i}`])
      // Never a literal again, though it is the oldest of ten entries all the time.
      if (i > 0) expect(send(popular)[0]).not.toBe(0)
    }
    expect(table()).toContain('popular')
    expect(decoder.tableEntries).toBeGreaterThan(5)
  })

  it('is not duplicated while nothing needs its room, so that a full table of popular entries rests', () => {
    const { encoder, send, put } = pair({ ours: 400, peers: 400 })
    const lists = Array.from({ length: 8 }, (_, i) => ['server', `popular-${i}`])
    for (const list of lists) send(list) // 47 bytes each: 376
    for (let round = 0; round < 20; round++) for (const list of lists) send(list)
    put(lists[0]!)
    expect(encoder.takeEncoderStream()).toBeUndefined()
    const before = encoder.keptStrings().slice(0, 16)
    for (let round = 0; round < 20; round++) for (const list of lists) send(list)
    expect(encoder.keptStrings().slice(0, 16)).toEqual(before)
  })

  it('does not keep the table from changing, though sections that use it are under way all the time', () => {
    const { encoder, decoder, put, insertions, acknowledgments } = pair({ ours: 400, peers: 400 })
    const underWay: [number, Buffer, readonly string[]][] = []
    let arrived = 0
    for (let i = 0; i < 400; i++) {
      const streamId = 4 * i
      const list = ['server', 'popular', 'via', `1.1 hop-${Math.floor(i / 20)}`]
      underWay.push([streamId, put(list, streamId), list])
      insertions()
      // Always five under way.
      if (underWay.length > 5) {
        const [id, bytes, fields] = underWay.shift()!
        expect(decode(decoder, bytes, id)).toEqual(fields)
        if (bytes.length <= 5) arrived++
        acknowledgments()
      }
    }
    expect(encoder.keptStrings()).toContain('1.1 hop-19')
    expect(encoder.keptStrings()).toContain('popular')
    // Most sections were two references.
    expect(arrived).toBeGreaterThan(200)
  })
})

describe('streams that may be blocked', () => {
  it('are none unless we want it, and then nothing unconfirmed is referred to', () => {
    const { put, encoder } = pair({ mayBlock: 0 })
    for (let i = 0; i < 5; i++) expect(put(['server', 'a'])[0]).toBe(0)
    expect(encoder.blockingStreams).toBe(0)
  })

  it('refer to what they insert, by post-base indexes', () => {
    const { decoder, put, insertions, encoder, acknowledgments } = pair({ mayBlock: 10 })
    const section = put(['server', 'a', 'via', 'b', 'server', 'c'], 4)
    expect(hexOf(section)).toBe('0482101112')
    expect(encoder.blockingStreams).toBe(1)
    expect(decoder.decode(4, section, 0, section.length)).toBe('blocked')
    expect(insertions()).toEqual([4])
    expect(decode(decoder, section, 4)).toEqual(['server', 'a', 'via', 'b', 'server', 'c'])
    acknowledgments()
    expect(encoder.blockingStreams).toBe(0)
  })

  it.each([
    ['the peer lets', { mayBlock: 100, letsBlock: 2 }],
    ['we want', { mayBlock: 2, letsBlock: 100 }],
  ])('are no more than %s', (_, limits) => {
    const { put, encoder, insertions, acknowledgments } = pair(limits)
    expect(put(['server', 'a'], 0)[0]).not.toBe(0)
    expect(put(['server', 'a'], 4)[0]).not.toBe(0)
    expect(put(['server', 'a'], 8)[0]).toBe(0)
    // One that may wait anyway may have more to wait for.
    expect(put(['via', 'b'], 4)[0]).not.toBe(0)
    expect(encoder.blockingStreams).toBe(2)
    insertions()
    acknowledgments() // an increment: nobody waits any more
    expect(encoder.blockingStreams).toBe(0)
    expect(put(['vary', 'x'], 12)[0]).not.toBe(0)
    expect(encoder.blockingStreams).toBe(1)
  })

  it('do not count any more when they are cancelled, or their section is not sent', () => {
    const { put, encoder } = pair({ mayBlock: 1 })
    put(['server', 'a'], 4)
    expect(encoder.blockingStreams).toBe(1)
    encoder.abort()
    encoder.abort()
    expect(encoder.blockingStreams).toBe(0)
    put(['server', 'a'], 8)
    expect(encoder.blockingStreams).toBe(1)
    encoder.receiveDecoderStream(Buffer.from('48', 'hex'), 0, 1)
    expect(encoder.blockingStreams).toBe(0)
  })
})

describe('the decoder stream of a peer', () => {
  it.each([
    ['an acknowledgment for a stream without sections (4.4.1)', '88'],
    ['one for a stream in the same slot', 'ff8501'],
    ['a second one for one section', '8484'],
    ['one after the stream was cancelled', '4484'],
    ['an increment of 0 (4.4.3)', '00'],
    ['an increment beyond what was sent', '03'],
    ['increments beyond what was sent', '0201'],
    ['an integer of more than 62 bits', `bf${'ff'.repeat(9)}`],
    ['a huge increment', '3fffffffffffffffff3f'],
  ])('is refused with %s', (_, hex) => {
    for (const isInPieces of [false, true]) {
      const { put, encoder } = pair({ mayBlock: 1 })
      put(['server', 'a', 'via', 'b'], 4)
      const bytes = Buffer.from(hex, 'hex')
      expect(
        faultOf(() => {
          if (!isInPieces) encoder.receiveDecoderStream(bytes, 0, bytes.length)
          else for (let i = 0; i < bytes.length; i++) encoder.receiveDecoderStream(bytes, i, i + 1)
        }),
      ).toMatch(/^decoder-stream: /)
    }
  })

  it('cannot confirm insertions that have not been sent', () => {
    const { encoder } = pair()
    encode(encoder, 0, ['server', 'a'])
    const increment = Buffer.from('01', 'hex')
    expect(faultOf(() => encoder.receiveDecoderStream(increment, 0, 1))).toMatch(
      'when 0 insertions are unconfirmed',
    )
    encoder.takeEncoderStream()
    encoder.receiveDecoderStream(increment, 0, 1)
  })

  it('may cancel streams that have no section under way', () => {
    const { encoder } = pair()
    const bytes = Buffer.from('44487fffffffffffffffff3f', 'hex')
    encoder.receiveDecoderStream(bytes, 0, bytes.length)
  })

  it('acknowledges the sections of a stream one after the other', () => {
    const { encoder, send, put } = pair()
    send(['server', 'a', 'via', 'b'])
    for (let i = 0; i < 3; i++) put(['server', 'a'], 1000)
    const bytes = Buffer.from('ffe906'.repeat(3), 'hex')
    encoder.receiveDecoderStream(bytes, 0, bytes.length)
    expect(faultOf(() => encoder.receiveDecoderStream(bytes, 0, 3))).toMatch('stream 1000')
  })

  it('that never sends anything costs compression only', () => {
    const { encoder, send, put } = pair()
    send(['server', 'a'])
    let references = 0
    const list = ['server', 'a']
    for (let streamId = 0; streamId < 4 * 20_000; streamId += 4) {
      if (put(list, 100_000 + streamId)[0] !== 0) references++
    }
    // As many as there are slots for.
    expect(references).toBe(4096)
    for (let i = 0; i < 20; i++) put(['server', 'a'], 100_000)
    // Nor do insertions go on for ever.
    let inserted = 0
    for (let i = 0; i < 1000; i++) {
      encode(encoder, 4 * i, ['server', `s${i}`])
      inserted += encoder.takeEncoderStream()?.length ?? 0
    }
    expect(inserted).toBeLessThan(4096)
    expect(encoder.tableEntries).toBeLessThanOrEqual(4096 / 32)
  })

  it('may skip one stream, which harms only streams in the same slot', () => {
    const { encoder, send, put } = pair()
    send(['server', 'a'])
    put(['server', 'a'], 0)
    for (let n = 1; n < 5000; n++) {
      const section = put(['server', 'a'], 4 * n)
      expect(section[0] === 0, `stream ${4 * n}`).toBe(n === 4096)
      if (section[0] === 0) continue
      encoder.receiveDecoderStream(...acknowledgmentOf(4 * n))
    }
    encoder.receiveDecoderStream(...acknowledgmentOf(0))
    expect(put(['server', 'a'], 4 * 4096)[0]).not.toBe(0)
  })
})

function acknowledgmentOf(streamId: number): [Buffer, number, number] {
  const decoder = newDecoder()
  feed(decoder, Buffer.from('3fe11fff1d0161', 'hex'))
  decode(decoder, Buffer.from('020080', 'hex'), streamId)
  const bytes = decoder.takeDecoderStream()!
  return [bytes, 0, bytes.length]
}

describe('the limits that the peer sets to our encoder', () => {
  it('may be remembered ones first, and the capacity must not change then (3.2.3)', () => {
    const encoder = new QpackEncoder({ maxTableBytes: 4096 })
    encoder.setPeerLimits(0, 0)
    encoder.setPeerLimits(1000, 0)
    encoder.setPeerLimits(1000, 7)
    expect(faultOf(() => encoder.setPeerLimits(4096, 0))).toBe(
      'decoder-stream: a table capacity of 4096 instead of the 1000 that early data went by',
    )
    expect(faultOf(() => encoder.setPeerLimits(0, 0))).toMatch('decoder-stream')
  })

  it('decide how the Required Insert Count is written, whatever part of the table we use', () => {
    const { send } = pair({ ours: 100, peers: 65_536 })
    for (let i = 0; i < 300; i++) for (let again = 0; again < 3; again++) send(['server', `s${i}`])
    const small = pair({ ours: 4096, peers: 100 })
    for (let i = 0; i < 300; i++) for (let again = 0; again < 3; again++) small.send(['server', `s${i}`])
  })

  it('leave room for a prefix of more than two bytes', () => {
    const { send } = pair({ ours: 65_536, peers: 65_536 })
    const list = ['vary', 'first']
    send(list)
    expect(send(list)[0]).toBe(2)
    for (let i = 0; i < 400; i++) send(['server', `s${i}`])
    // 401 insertions, and the first entry is 400 behind.
    expect(hexOf(send(list)).slice(0, 8)).toBe('027f9102')
    expect(hexOf(send(['server', 's399'])).slice(0, 8)).toBe('ff930100')
  })
})
