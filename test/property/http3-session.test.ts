import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../src/base/http/headers.ts'
import { HTTP3_ERROR_CODES } from '../../src/http/http3/frames/error-codes.ts'
import {
  data,
  dynamicSection,
  FRAME,
  frame,
  headers,
  insertLiteral,
  requestHeaders,
  responseHeaders,
  setCapacity,
  varint,
} from '../support/http3-wire.ts'
import { fc } from '../support/property.ts'
import { POST, ROLES, type Role, SessionRig } from '../unit/http/http3/http3-session/session-rig.ts'

/** What may stand where, so that most runs get far into a session: it is changed, cut and put together. */
const ON_REQUESTS: readonly Buffer[] = [
  requestHeaders('/', [['x-a', 'b']], 'POST'),
  requestHeaders('/', [['content-length', '5']], 'POST'),
  responseHeaders(200, [['content-length', '5']]),
  responseHeaders(103),
  responseHeaders(),
  headers(['x-sum', '1']),
  ...Array.from({ length: 6 }, (_, i) => data('hello'.repeat(i + 1))),
  data(''),
  data('x'.repeat(3000)),
  frame(FRAME.HEADERS, dynamicSection(1, 128, 0, 1)),
  frame(FRAME.HEADERS, dynamicSection(2, 128, 1, 1)),
  frame(0x21, Buffer.from('grease')),
]
const ON_CONTROL: readonly Buffer[] = [
  frame(0x21, Buffer.from('grease')),
  frame(FRAME.GOAWAY, varint(8)),
  frame(FRAME.GOAWAY, varint(0)),
  frame(FRAME.PRIORITY_UPDATE, Buffer.from('\0u=1, i')),
  frame(FRAME.PRIORITY_UPDATE, Buffer.from('\x04u=5')),
  frame(FRAME.MAX_PUSH_ID, varint(3)),
]
const ON_ENCODER: readonly Buffer[] = [
  setCapacity(4096),
  insertLiteral(':status', '200'),
  insertLiteral('x-long', 'y'.repeat(300)),
]
const ON_DECODER: readonly Buffer[] = [Buffer.of(0x40), Buffer.of(0x44)]
const ON_OTHERS: readonly Buffer[] = [varint(0x21), varint(0x40, 2)]

type Where = number | 'control' | 'encoder' | 'decoder' | 'other' | 'second'

const noise = fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array))

/** Mostly as it should be; else with a byte changed, or cut, or anything. */
function bytesOf(pieces: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const good = fc
    .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 3 })
    .map(list => Buffer.concat(list))
  const bad = fc.tuple(good, fc.nat(), fc.nat(255), fc.boolean()).map(([whole, mark, byte, isCut]) => {
    const at = mark % whole.length
    const changed = Buffer.from(whole)
    changed[at] = byte
    return isCut ? whole.subarray(0, at) : changed
  })
  return fc.oneof(
    { weight: 12, arbitrary: good },
    { weight: 2, arbitrary: bad },
    { weight: 1, arbitrary: noise },
  )
}

const PIECES: Readonly<Record<string, readonly Buffer[]>> = {
  control: ON_CONTROL,
  encoder: ON_ENCODER,
  decoder: ON_DECODER,
  other: ON_OTHERS,
  second: ON_OTHERS,
}
const WHERE: readonly Where[] = [
  0,
  0,
  0,
  4,
  4,
  4,
  8,
  8,
  12,
  'control',
  'encoder',
  'encoder',
  'decoder',
  'other',
  'second',
]
const WHATS = [
  ...Array.from({ length: 12 }, () => 'bytes' as const),
  ...(['turn', 'reset', 'stop', 'datagram', 'pause', 'resume', 'room', 'room', 'time', 'end'] as const),
  ...Array.from({ length: 4 }, () => 'command' as const),
]

const step = fc.constantFrom(...WHERE).chain(stream =>
  fc.record({
    what: fc.constantFrom(...WHATS),
    stream: fc.constant(stream),
    bytes: bytesOf(PIECES[String(stream)] ?? ON_REQUESTS),
    isLast: fc.nat(7).map(n => n === 0 && typeof stream === 'number'),
    amount: fc.nat(30_000),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

const LEGAL: ReadonlySet<number> = new Set(
  Object.entries(HTTP3_ERROR_CODES)
    // That would be a defect of ours.
    .filter(([name]) => name !== 'H3_INTERNAL_ERROR')
    .map(([, code]) => code),
)

function idOf(rig: SessionRig, stream: Step['stream']): number {
  if (typeof stream === 'number') return stream
  const index = ['control', 'encoder', 'decoder', 'other', 'second'].indexOf(stream)
  return rig.peerControl + 4 * index
}

/** The streams whose inputs are over: nothing can come of them any more. */
class Peer {
  readonly rig: SessionRig
  readonly #ended = new Set<number>()
  readonly #begun = new Set<number>()

  constructor(rig: SessionRig) {
    this.rig = rig
  }

  play({ what, stream: name, bytes: piece, isLast, amount }: Step): void {
    const { rig } = this
    const { quic } = rig
    // A critical stream that is broken off is one row of a table in the unit tests, and would end most runs
    // here.
    if ((what === 'reset' || what === 'stop') && typeof name === 'string' && amount > 1000) return
    const id = idOf(rig, name)
    const stream = rig.streams.get(id)
    if (what === 'bytes' && !this.#ended.has(id)) {
      const type = { control: 0, encoder: 2, decoder: 3 }[String(name)]
      const isNew = type !== undefined && !this.#begun.has(id) && !quic.ids.includes(id)
      this.#begun.add(id)
      quic.deliver(id, isNew ? Buffer.concat([varint(type), piece]) : piece, isLast)
      if (isLast) this.#ended.add(id)
    } else if (what === 'turn') rig.turn()
    else if (what === 'reset' && !this.#ended.has(id)) {
      this.#ended.add(id)
      quic.peerResets(id, amount)
    } else if (what === 'stop') quic.peerStops(id, amount)
    else if (what === 'datagram') {
      quic.tell({
        type: 'datagram',
        bytes: amount < 500 ? Buffer.from(piece) : Buffer.concat([varint(amount % 4), piece]),
      })
    } else if (what === 'pause') stream?.pause()
    else if (what === 'resume') stream?.resume()
    else if (what === 'room') quic.allow(id, amount)
    else if (what === 'time') rig.pass(amount)
    else if (what === 'command' && stream !== undefined) this.#command(stream, amount)
    else if (what === 'end' && amount < 1000) {
      quic.ends({ isApplication: isLast, code: amount })
      rig.turn()
    }
  }

  #command(stream: NonNullable<ReturnType<SessionRig['streams']['get']>>, amount: number): void {
    const which = amount % 5
    if (which === 0 && this.rig.role === 'server') stream.respond(200, NO_HEADERS, amount % 2 === 0)
    else if (which === 1) stream.write(Buffer.alloc(amount), chunk => Buffer.from(chunk))
    else if (which === 2) stream.end(amount % 2 === 0 ? NO_HEADERS : ['x-sum', '1'])
    else if (which === 3 && amount % 3 === 0) stream.reset('CANCEL')
  }
}

/**
 * What a listener may receive of each stream: at most one end, and nothing after the last event; and at most
 * one end of the session, the last.
 */
function checkLog(log: readonly string[]): void {
  const over = log.findIndex(line => line.startsWith('over'))
  if (over >= 0) expect(log.slice(over + 1)).toEqual([])
  for (const id of [0, 4, 8, 12]) {
    const told = log
      .map(line => line.split(' '))
      .filter(([word, of]) => of === String(id) && word !== 'closed' && word !== 'goaway')
    const words = told.map(([word]) => word!)
    const isOf = (...names: readonly string[]) => words.filter(word => names.includes(word)).length
    expect([id, isOf('request') <= 1, isOf('end') <= 1, isOf('reset') <= 1]).toEqual([id, true, true, true])
    if (words.includes('reset')) expect(words.at(-1)).toBe('reset')
    const afterEnd = words.slice(words.indexOf('end') + 1)
    if (words.includes('end'))
      expect(afterEnd.every(word => ['writable', 'reset', 'datagram'].includes(word))).toBe(true)
    expect(log.filter(line => line.startsWith(`closed ${id}`)).length).toBeLessThanOrEqual(1)
  }
}

function run(role: Role, steps: readonly Step[]): void {
  const rig = new SessionRig(role, { options: { qpackBlockedStreams: 2, writeAheadBytes: 20_000 } })
  rig.quic.room = 5000
  const peer = new Peer(rig)
  for (let i = 0; i < 3; i++) {
    if (role === 'client') {
      rig.open(POST, i === 1)
      if (i === 0) rig.receive(0, responseHeaders())
    } else rig.receive(4 * i, requestHeaders('/', i === 1 ? [['content-length', '10']] : [], 'POST'))
  }
  rig.encoder(setCapacity(4096))
  const log: string[] = rig.log()
  for (const each of steps) {
    peer.play(each)
    rig.session.flush()
    log.push(...rig.log())
  }
  rig.turn()
  log.push(...rig.log())
  checkLog(log)
  const { closed } = rig.quic
  if (closed !== undefined) {
    expect([closed.reason, closed.isApplication && LEGAL.has(closed.code)]).toEqual([closed.reason, true])
  }
  const isOver = log.some(line => line.startsWith('over'))
  expect(isOver).toBe(closed !== undefined || log.includes('ending'))
  if (isOver) expect([rig.session.openStreams, rig.session.capacity]).toEqual([0, 0])
  expect(rig.session.bufferedBytes).toBeLessThan(4 * (65_536 + 20_000 + 16_384 + 30_000 + 10))
  // It can always be ended, and then nothing is left.
  rig.session.close('NO_ERROR', '')
  expect(rig.session.openStreams).toBe(0)
  checkLog([...log, ...rig.log()])
}

describe('among the peers of HTTP/3 that send anything,', () => {
  it.each(ROLES)('a %s session never throws, and ends with valid codes', role => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), steps => run(role, steps)),
      { numRuns: 1000 },
    )
  })

  it.each(ROLES)('a %s session survives random bytes on any stream', role => {
    const everywhere = fc.array(
      fc.tuple(fc.constantFrom(0, 2, 3, 6, 7, 10, 11, 14, 15, 4, 5), fc.uint8Array({ maxLength: 60 })),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(everywhere, list => {
        const rig = new SessionRig(role, { handshake: false })
        rig.quic.establish()
        rig.turn()
        if (role === 'client') rig.open()
        const own = role === 'client' ? 0 : 1
        for (const [id, piece] of list) {
          // Nothing comes on our own unidirectional streams, nor on what we have not opened.
          if ((id & 1) === own && id !== 0) continue
          rig.receive(id, piece)
        }
        const { closed } = rig.quic
        if (closed !== undefined)
          expect([closed.reason, LEGAL.has(closed.code)]).toEqual([closed.reason, true])
      }),
      { numRuns: 1000 },
    )
  })
})
