import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { QpackDecoder } from '../../../../src/http/qpack/qpack-decoder.ts'
import { capacity, faultOf, feed } from '../field-compression/sections.ts'

const VECTORS = new URL('../../../vectors/qpack/', import.meta.url)
const read = (path: string): Buffer => readFileSync(new URL(path, VECTORS))

interface VectorRecord {
  readonly streamId: number
  readonly bytes: Buffer
}

function recordsOf(path: string): VectorRecord[] {
  const file = read(path)
  const records: VectorRecord[] = []
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32BE(at + 8)
    records.push({
      streamId: Number(file.readBigUInt64BE(at)),
      bytes: file.subarray(at + 12, at + 12 + length),
    })
    at += 12 + length
  }
  return records
}

/** The sections of a .qif, each a list of name, value, … */
function qif(name: string): string[][] {
  return read(`qifs/${name}.qif`)
    .toString('latin1')
    .split('\n\n')
    .map(section => section.split('\n').filter(text => text !== '' && !text.startsWith('#')))
    .filter(lines => lines.length > 0)
    .map(lines =>
      lines.flatMap(text => [text.slice(0, text.indexOf('\t')), text.slice(text.indexOf('\t') + 1)]),
    )
}

/**
 * Decodes records one after the other, and blocked sections when they are named; gives the lists by stream.
 */
class Reader {
  readonly decoder: QpackDecoder
  readonly lists = new Map<number, readonly string[]>()
  readonly #blocked = new Map<number, Buffer>()
  /** The most streams that were blocked at a time. */
  mostBlocked = 0

  constructor(maxTableBytes: number, maxBlockedStreams: number) {
    this.decoder = new QpackDecoder({
      maxTableBytes,
      maxBlockedStreams,
      maxListBytes: 100_000,
      maxFields: 200,
    })
    feed(this.decoder, capacity(maxTableBytes))
  }

  receive({ streamId, bytes }: VectorRecord): void {
    if (streamId !== 0) {
      this.#decode(streamId, bytes)
      return
    }
    for (const unblocked of feed(this.decoder, bytes)) {
      const held = this.#blocked.get(unblocked)!
      this.#blocked.delete(unblocked)
      this.#decode(unblocked, held)
    }
  }

  /** The lists in the order of their streams. */
  result(): (readonly string[])[] {
    expect(this.decoder.blockedStreams).toBe(0)
    return [...this.lists].sort(([a], [b]) => a - b).map(([, list]) => list)
  }

  #decode(streamId: number, bytes: Buffer): void {
    const decoded = this.decoder.decode(streamId, bytes, 0, bytes.length)
    if (decoded === 'too-large') throw new Error('too large')
    if (decoded === 'blocked') {
      this.#blocked.set(streamId, bytes)
      this.mostBlocked = Math.max(this.mostBlocked, this.#blocked.size)
    } else this.lists.set(streamId, decoded.fields)
  }
}

const files = ['ls-qpack', 'nghttp3'].flatMap(encoder =>
  readdirSync(new URL(`encoded/${encoder}/`, VECTORS)).map(file => `${encoder}/${file}`),
)

describe('the sections of other encoders', () => {
  it('have 30 files', () => expect(files).toHaveLength(30))

  it.each(files)('are decoded: %s', file => {
    const [, qifName, table, blocked] = /\/([\w-]+)\.out\.(\d+)\.(\d+)\.[01]$/.exec(file)!
    const records = recordsOf(`encoded/${file}`)
    const expected = qif(qifName!)
    expect(expected.length).toBeGreaterThan(10)

    const reader = new Reader(Number(table), Number(blocked))
    for (const record of records) reader.receive(record)
    expect(reader.result()).toEqual(expected)

    // The encoder stream in pieces of one byte.
    const byByte = new Reader(Number(table), Number(blocked))
    for (const { streamId, bytes } of records) {
      if (streamId !== 0) byByte.receive({ streamId, bytes })
      else
        for (let i = 0; i < bytes.length; i++) byByte.receive({ streamId, bytes: bytes.subarray(i, i + 1) })
    }
    expect(byByte.result()).toEqual(expected)
  })

  it.each(files.filter(file => /\.100\.[01]$/.test(file)))(
    'are decoded with a late encoder stream: %s',
    file => {
      const [, qifName, table, blocked] = /\/([\w-]+)\.out\.(\d+)\.(\d+)\.[01]$/.exec(file)!
      const records = recordsOf(`encoded/${file}`)
      const reader = new Reader(Number(table), Number(blocked))
      // What an encoder was told to have arrived must not be late: with acknowledgments only what came just
      // before may be.
      const lag = file.endsWith('.1') ? 1 : 20
      const late: VectorRecord[] = []
      for (const record of records) {
        if (record.streamId === 0) late.push(record)
        else {
          reader.receive(record)
          if (late.length >= lag) for (const instruction of late.splice(0)) reader.receive(instruction)
        }
      }
      for (const instruction of late) reader.receive(instruction)
      expect(reader.result()).toEqual(qif(qifName!))
      expect(reader.mostBlocked).toBeGreaterThan(0)
    },
  )

  it('are decoded: the examples of the drafts', () => {
    const reader = new Reader(220, 1)
    for (const record of recordsOf('encoded/draft-examples.out')) reader.receive(record)
    expect(reader.result()).toEqual(qif('draft-examples'))
  })
})

describe('the test vectors of errors', () => {
  it.each([
    ['err1', 'decompression: a field block ends within a field'],
    ['err2', 'decompression: a field block ends within a field'],
    ['err3', 'decompression: a field block ends within a field'],
    ['err4', 'decompression: a section has a negative Base'],
    ['err5', 'decompression: a field refers to entry -2 of 0 that were promised'],
    ['err6', 'decompression: a field block ends within a field'],
    ['err7', 'decompression: a field block ends within a field'],
    ['err8', 'decompression: a field block ends within a field'],
    ['err11', 'encoder-stream: an instruction refers to entry 1, which is not in the table'],
    ['err12', 'encoder-stream: an insertion refers to the static entry 68719476671'],
  ])('are refused: %s', (file, fault) => {
    const [record, ...others] = recordsOf(`errors/${file}`)
    expect(others).toEqual([])
    const { decoder } = new Reader(4096, 100)
    const { streamId, bytes } = record!
    expect(
      faultOf(() =>
        streamId === 0 ? feed(decoder, bytes) : decoder.decode(streamId, bytes, 0, bytes.length),
      ),
    ).toBe(fault)
  })

  /**
   * When these were made QPACK had HPACK's static table, with nothing at 0 and at 62 (quicwg/base-drafts#1726
   * quotes the draft). That of RFC 9204 has both, so that they are sections like others; that no message may
   * consist of such a field is for HTTP/3 to say.
   */
  it.each([
    ['err9', [':authority', '']],
    ['err10', ['x-xss-protection', '1; mode=block']],
  ])('are refused except %s, which has become legal', (file, fields) => {
    const [{ bytes, streamId }] = recordsOf(`errors/${file}`) as [VectorRecord]
    const { decoder } = new Reader(4096, 100)
    expect(decoder.decode(streamId, bytes, 0, bytes.length)).toMatchObject({ fields })
  })
})
