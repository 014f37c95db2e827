import { describe, expect, it } from 'vitest'
import { DecoderStreamReader } from '../../../../src/http/qpack/qpack-decoder-stream.ts'
import { EncoderStreamWriter } from '../../../../src/http/qpack/qpack-encoder-stream.ts'
import { OutstandingSections } from '../../../../src/http/qpack/qpack-outstanding-sections.ts'
import { encodeRequiredCount } from '../../../../src/http/qpack/qpack-required-count.ts'
import { SectionWriter } from '../../../../src/http/qpack/qpack-section-writer.ts'
import { decode, feed, newDecoder, tableOf } from '../field-compression/sections.ts'

/** RFC 9204 Appendix B: one connection whose decoder has announced a table of 220 bytes. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const HOST = 'www.example.com'

const B1_SECTION = hex('0000 510b 2f69 6e64 6578 2e68 746d 6c')
const B2_CAPACITY = hex('3fbd01')
const B2_AUTHORITY = hex('c00f 7777 772e 6578 616d 706c 652e 636f 6d')
const B2_PATH = hex('c10c 2f73 616d 706c 652f 7061 7468')
const B2_SECTION = hex('0381 10 11')
const B3_INSERT = hex('4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565')
const B4_DUPLICATE = hex('02')
const B4_SECTION = hex('0500 80 c1 81')
const B5_INSERT = hex('810d 6375 7374 6f6d 2d76 616c 7565 32')

describe('the examples of RFC 9204 Appendix B', () => {
  it('are decoded from B.1 to B.5', () => {
    const decoder = newDecoder({ maxTableBytes: 220, maxBlockedStreams: 1 })
    const answer = (): string => decoder.takeDecoderStream()?.toString('hex') ?? ''

    // B.1: literal field line with name reference
    expect(decode(decoder, B1_SECTION, 0)).toEqual([':path', '/index.html'])
    expect(answer()).toBe('')

    // B.2: the section comes before its insertions.
    expect(decoder.decode(4, B2_SECTION, 0, B2_SECTION.length)).toBe('blocked')
    expect(decoder.blockedStreams).toBe(1)
    expect(feed(decoder, B2_CAPACITY, B2_AUTHORITY)).toEqual([])
    expect(feed(decoder, B2_PATH)).toEqual([4])
    expect(tableOf(decoder)).toEqual([':path', '/sample/path', ':authority', HOST])
    expect(decode(decoder, B2_SECTION, 4)).toEqual([':authority', HOST, ':path', '/sample/path'])
    expect(answer()).toBe('84')

    // B.3: a speculative insertion
    feed(decoder, B3_INSERT)
    expect(answer()).toBe('01')

    // B.4: a duplicate, and a section whose stream is reset
    feed(decoder, B4_DUPLICATE)
    decoder.cancel(8)
    // And the insertion, which the example leaves out.
    expect(answer()).toBe('4801')
    expect(decode(decoder, B4_SECTION, 8)).toEqual([
      ':authority',
      HOST,
      ':path',
      '/',
      'custom-key',
      'custom-value',
    ])

    // B.5: an insertion that evicts
    feed(decoder, B5_INSERT)
    expect(tableOf(decoder)).toEqual([
      'custom-key',
      'custom-value2',
      ':authority',
      HOST,
      'custom-key',
      'custom-value',
      ':path',
      '/sample/path',
    ])
  })
})

describe('the examples of RFC 9204 Appendix B', () => {
  /** The examples code nothing: bits as if Huffman coding won nothing. */
  const bits = (text: string): number => 8 * text.length

  it('have an encoder stream that ours writes as well', () => {
    const stream = new EncoderStreamWriter()
    stream.setCapacity(220)
    expect(stream.take()).toEqual(B2_CAPACITY)
    stream.insertWithStaticName(0, HOST, bits(HOST))
    stream.insertWithStaticName(1, '/sample/path', bits('/sample/path'))
    expect(stream.take()).toEqual(Buffer.concat([B2_AUTHORITY, B2_PATH]))
    stream.insertWithLiteralName('custom-key', bits('custom-key'), 'custom-value', bits('custom-value'))
    expect(stream.take()).toEqual(B3_INSERT)
    stream.duplicate(2)
    expect(stream.take()).toEqual(B4_DUPLICATE)
    stream.insertWithName(1, 'custom-value2', bits('custom-value2'))
    expect(stream.take()).toEqual(B5_INSERT)
    expect(stream.take()).toBeUndefined()
  })

  it('have sections that ours writes as well', () => {
    const writer = new SectionWriter()
    const end = (required: number): Buffer => {
      const length = writer.end(required, encodeRequiredCount(required, 6))
      return Buffer.from(writer.bytes.subarray(0, length))
    }
    writer.begin(0)
    writer.literalWithStaticName(1, '/index.html', bits('/index.html'), false)
    expect(end(0)).toEqual(B1_SECTION)
    writer.begin(0)
    writer.entry(0)
    writer.entry(1)
    expect(end(2)).toEqual(B2_SECTION)
    writer.begin(4)
    writer.entry(3)
    writer.staticField(1)
    writer.entry(2)
    expect(end(4)).toEqual(B4_SECTION)
  })

  it('have a decoder stream that our encoder understands', () => {
    const sections = new OutstandingSections()
    const reader = new DecoderStreamReader(sections)
    const receive = (text: string): void => reader.receive(hex(text), 0, text.length / 2)
    sections.setMaxEntries(6)
    sections.add(4, 2, 0)
    sections.onSent(2)
    expect([sections.blockingStreams, sections.isPinned(0)]).toEqual([1, true])
    receive('84')
    expect([sections.knownReceived, sections.blockingStreams, sections.isPinned(0)]).toEqual([2, 0, false])
    sections.onSent(4)
    receive('01')
    expect(sections.knownReceived).toBe(3)
    sections.add(8, 4, 2)
    expect([sections.blockingStreams, sections.isPinned(2)]).toEqual([1, true])
    receive('48')
    expect([sections.knownReceived, sections.blockingStreams, sections.isPinned(2)]).toEqual([3, 0, false])
  })
})
