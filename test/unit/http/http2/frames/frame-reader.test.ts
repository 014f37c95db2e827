import { describe, expect, it } from 'vitest'
import { CLIENT_PREFACE, FrameReader } from '../../../../../src/http/http2/frames/frame-reader.ts'
import { DATA, HEADERS, PADDED, PING, SETTINGS } from '../../../../../src/http/http2/frames/frame-table.ts'
import { fc } from '../../../../support/property.ts'

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}

const EMPTY_SETTINGS = frame(SETTINGS, 0, 0, Buffer.alloc(0))

/** Reads the pieces and writes down what is heard, DATA as one line per frame. */
function read(pieces: readonly Buffer[], expectsPreface = false): string[] {
  const log: string[] = []
  let data = ''
  const reader = new FrameReader(
    {
      onFrame: (type, flags, streamId, buffer, start, end) =>
        void log.push(`${type} ${flags} ${streamId} ${buffer.toString('hex', start, end)}`),
      onDataStart: (streamId, flags, bytes, padding) => {
        data = `data ${flags} ${streamId} ${bytes} ${padding} `
      },
      onDataChunk: (buffer, start, end) => {
        data += buffer.toString('hex', start, end)
      },
      onDataEnd: () => void log.push(data),
    },
    16_384,
    expectsPreface,
  )
  for (const piece of pieces) reader.receive(piece, 0, piece.length)
  return log
}

describe('FrameReader', () => {
  it('reads frames wherever reads begin and end', () => {
    const payload = fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes))
    const frames = fc.array(
      fc.oneof(
        fc.tuple(fc.constant(HEADERS), fc.constant(4), fc.integer({ min: 1, max: 99 }), payload),
        fc.tuple(fc.constant(DATA), fc.constantFrom(0, 1), fc.integer({ min: 1, max: 99 }), payload),
        fc.tuple(
          fc.constant(0xee),
          fc.integer({ min: 0, max: 255 }),
          fc.integer({ min: 0, max: 99 }),
          payload,
        ),
      ),
    )
    const cuts = fc.array(fc.integer({ min: 0, max: 2000 }))
    fc.assert(
      fc.property(frames, cuts, fc.boolean(), (list, cutsAt, isServer) => {
        const start = isServer ? Buffer.from(CLIENT_PREFACE, 'latin1') : Buffer.alloc(0)
        const all = Buffer.concat([
          start,
          EMPTY_SETTINGS,
          ...list.map(([type, flags, id, bytes]) => frame(type, flags, id, bytes)),
        ])
        const edges = [0, ...cutsAt.filter(at => at < all.length).sort((a, b) => a - b), all.length]
        const pieces = edges.slice(1).map((edge, i) => all.subarray(edges[i], edge))
        const expected = list.map(([type, flags, id, bytes]) =>
          type === DATA
            ? `data ${flags} ${id} ${bytes.length} 0 ${bytes.toString('hex')}`
            : `${type} ${flags} ${id} ${bytes.toString('hex')}`,
        )
        expect(read(pieces, isServer)).toEqual(['4 0 0 ', ...expected])
      }),
    )
  })

  it.each([
    ['all of it', Buffer.from('03616263000000', 'hex'), '616263', 4],
    ['nothing but padding', Buffer.from('02 0000'.replace(' ', ''), 'hex'), '', 3],
    ['no padding', Buffer.from('0061', 'hex'), '61', 1],
  ])('strips the padding of DATA: %s', (_name, payload, data, padding) => {
    const all = Buffer.concat([
      EMPTY_SETTINGS,
      frame(DATA, PADDED, 1, payload),
      frame(PING, 0, 0, Buffer.alloc(8)),
    ])
    const expected = ['4 0 0 ', `data 8 1 ${payload.length} ${padding} ${data}`, `6 0 0 ${'00'.repeat(8)}`]
    expect(read([all])).toEqual(expected)
    expect(read([...all].map(byte => Buffer.from([byte])))).toEqual(expected)
  })

  it.each([
    ['a first frame that is no SETTINGS', [frame(PING, 0, 0, Buffer.alloc(8))], 'PROTOCOL_ERROR'],
    [
      'a frame that is too long',
      [EMPTY_SETTINGS, frame(HEADERS, 4, 1, Buffer.alloc(16_385))],
      'FRAME_SIZE_ERROR',
    ],
    [
      'more padding than payload',
      [EMPTY_SETTINGS, frame(DATA, PADDED, 1, Buffer.from('0361', 'hex'))],
      'PROTOCOL_ERROR',
    ],
    [
      'padding without a length',
      [EMPTY_SETTINGS, frame(DATA, PADDED, 1, Buffer.alloc(0))],
      'FRAME_SIZE_ERROR',
    ],
    ['DATA on stream 0', [EMPTY_SETTINGS, frame(DATA, 0, 0, Buffer.alloc(1))], 'PROTOCOL_ERROR'],
    ['SETTINGS of 5 bytes', [frame(SETTINGS, 0, 0, Buffer.alloc(5))], 'FRAME_SIZE_ERROR'],
    ['SETTINGS on a stream', [frame(SETTINGS, 0, 1, Buffer.alloc(0))], 'PROTOCOL_ERROR'],
  ])('refuses %s', (_name, pieces, code) => {
    expect(() => read(pieces)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses a preface of another protocol at its first wrong byte', () => {
    expect(() => read([Buffer.from('GET')], true)).toThrow(/preface/)
  })

  it('ignores the reserved bit of the stream id', () => {
    const ping = frame(PING, 0, 0, Buffer.alloc(8))
    ping[5] = 0x80
    expect(read([EMPTY_SETTINGS, ping])).toEqual(['4 0 0 ', `6 0 0 ${'00'.repeat(8)}`])
  })
})
