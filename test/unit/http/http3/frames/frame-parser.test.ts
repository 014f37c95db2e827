import { describe, expect, it } from 'vitest'
import { FrameParser, type FrameTreatment } from '../../../../../src/http/http3/frames/frame-parser.ts'
import { frame, varint } from '../../../../support/http3-wire.ts'
import { fc } from '../../../../support/property.ts'

const TREATMENTS: readonly FrameTreatment[] = ['deliver', 'gather', 'skip']

/** Writes down what it receives; the type of a frame says how it is treated. */
class Recorder {
  readonly log: string[] = []
  delivered = ''
  isHeld = false
  /** Held after each piece that is handed on. */
  holdsAlways = false

  onFrame(type: number, length: number): FrameTreatment {
    this.log.push(`frame ${type} ${length}`)
    return TREATMENTS[type % 3]!
  }
  onPayload(buffer: Buffer, start: number, end: number): void {
    expect(end).toBeGreaterThan(start)
    this.delivered += buffer.toString('latin1', start, end)
    this.isHeld = this.holdsAlways
  }
  onGathered(type: number, buffer: Buffer, start: number, end: number): void {
    this.log.push(`gathered ${type} ${buffer.toString('latin1', start, end)}`)
    this.isHeld = this.holdsAlways
  }
}

const WIRE = Buffer.concat([
  frame(0, Buffer.from('abc')),
  frame(1, Buffer.from('section')),
  frame(2, Buffer.from('skipped')),
  frame(1),
  frame(0),
  frame(2),
  frame(300_003, Buffer.from('d'.repeat(70))),
  Buffer.concat([varint(4, 8), varint(2, 8), Buffer.from('xy')]),
])
const LOG = [
  'frame 0 3',
  'frame 1 7',
  'gathered 1 section',
  'frame 2 7',
  'frame 1 0',
  'gathered 1 ',
  'frame 0 0',
  'frame 2 0',
  'frame 300003 70',
  'frame 4 2',
  'gathered 4 xy',
]

/** The bytes in pieces that are overwritten afterwards: what the parser kept must be its own. */
function feed(parser: FrameParser, recorder: Recorder, bytes: Buffer, cuts: readonly number[]): void {
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.concat([Buffer.of(0xee), bytes.subarray(from, to), Buffer.of(0xee)])
    let at = 1
    while (at < piece.length - 1) {
      at = parser.receive(piece, at, piece.length - 1)
      recorder.isHeld = false
    }
    piece.fill(0xee)
    from = to
  }
}

describe('FrameParser', () => {
  it.each(Array.from({ length: WIRE.length + 1 }, (_, cut) => cut))(
    'reads the same frames when they are cut at byte %i',
    cut => {
      const recorder = new Recorder()
      const parser = new FrameParser(recorder)
      feed(parser, recorder, WIRE, [cut])
      expect(recorder.log).toEqual(LOG)
      expect(recorder.delivered).toBe(`abc${'d'.repeat(70)}`)
      expect(parser.isWithinFrame).toBe(false)
    },
  )

  it('reads the same frames byte by byte, held after every piece', () => {
    const recorder = new Recorder()
    recorder.holdsAlways = true
    const parser = new FrameParser(recorder)
    feed(
      parser,
      recorder,
      WIRE,
      WIRE.map((_, i) => i).subarray(1) as unknown as number[], // an iterable of the indexes
    )
    expect(recorder.log).toEqual(LOG)
    expect(recorder.delivered).toBe(`abc${'d'.repeat(70)}`)
  })

  it('stops where it is held, and reads nothing while it is', () => {
    const recorder = new Recorder()
    recorder.holdsAlways = true
    const parser = new FrameParser(recorder)
    const at = parser.receive(WIRE, 0, WIRE.length)
    expect(at).toBe(5)
    expect(parser.receive(WIRE, at, WIRE.length)).toBe(at)
    expect(recorder.log).toEqual(['frame 0 3'])
  })

  it('knows whether it is within a frame', () => {
    const states = (bytes: Buffer): boolean[] => {
      const parser = new FrameParser(new Recorder())
      return [...bytes].map((_, i) => {
        parser.receive(bytes, i, i + 1)
        return parser.isWithinFrame
      })
    }
    expect(states(frame(0, Buffer.of(1, 2)))).toEqual([true, true, true, false])
    expect(states(frame(1))).toEqual([true, false])
    expect(states(Buffer.concat([varint(2, 4), varint(1, 2), Buffer.of(0)]))).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ])
  })

  it('skips a frame of unlimited length forever', () => {
    const recorder = new Recorder()
    const parser = new FrameParser(recorder)
    parser.receive(Buffer.concat([varint(2), Buffer.alloc(8, 0xff)]), 0, 9)
    for (let i = 0; i < 10; i++) parser.receive(Buffer.alloc(1000), 0, 1000)
    expect(recorder.log).toEqual(['frame 2 Infinity'])
    expect(parser.isWithinFrame).toBe(true)
  })

  it('passes on what its sink throws', () => {
    const recorder = new Recorder()
    recorder.onFrame = () => {
      throw new Error('not here')
    }
    expect(() => new FrameParser(recorder).receive(WIRE, 0, WIRE.length)).toThrow('not here')
  })

  it('reads any frames, cut and held in any way, as the same', () => {
    const frames = fc.array(
      fc.tuple(fc.nat(100_000), fc.uint8Array({ maxLength: 200 }), fc.constantFrom(1, 2, 4, 8)),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(frames, fc.array(fc.nat(3000)), fc.boolean(), (list, marks, holdsAlways) => {
        const wire = Buffer.concat(
          list.map(([type, payload, size]) =>
            Buffer.concat([varint(type), varint(payload.length, Math.max(size, 2)), payload]),
          ),
        )
        const recorder = new Recorder()
        recorder.holdsAlways = holdsAlways
        const cuts = marks.map(mark => mark % (wire.length + 1)).sort((a, b) => a - b)
        const parser = new FrameParser(recorder)
        feed(parser, recorder, wire, cuts)
        const text = (payload: Uint8Array): string => Buffer.from(payload).toString('latin1')
        expect(recorder.log).toEqual(
          list.flatMap(([type, payload]) => {
            const begun = `frame ${type} ${payload.length}`
            return type % 3 === 1 ? [begun, `gathered ${type} ${text(payload)}`] : [begun]
          }),
        )
        const delivered = list.filter(([type]) => type % 3 === 0).map(([, payload]) => text(payload))
        expect(recorder.delivered).toBe(delivered.join(''))
        expect(parser.isWithinFrame).toBe(false)
      }),
    )
  })
})
