import { describe, expect, it } from 'vitest'
import { requestBlock, responseBlock } from '../support/http2-fields.ts'
import {
  data,
  FLAG,
  headers,
  PREFACE,
  ping,
  resetStream,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from '../support/http2-wire.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'
import { GET, SessionRig } from '../unit/http/http2/http2-session/session-rig.ts'
import { type ExchangePlan, Pair } from './http2-pair.ts'

const never = fc.constant(Number.POSITIVE_INFINITY)
const chunkSizes = fc.array(fc.oneof(fc.nat(10), fc.nat(2000), fc.nat(40_000)), { maxLength: 5 })
const rarely = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 3, arbitrary: never }, { weight: 1, arbitrary: value })

const plan: fc.Arbitrary<ExchangePlan> = fc.record({
  request: chunkSizes,
  response: chunkSizes,
  requestTrailers: fc.boolean(),
  responseTrailers: fc.boolean(),
  informational: fc.nat(2),
  isEarly: fc.boolean(),
  serverSleepsAt: rarely(fc.integer({ min: 1, max: 50_000 })),
  clientSleepsAt: rarely(fc.integer({ min: 1, max: 50_000 })),
  serverResetsAt: rarely(fc.integer({ min: 1, max: 100_000 })),
  clientResetsAt: rarely(fc.integer({ min: 1, max: 100_000 })),
})

const options = fc.record({
  streamWindowBytes: fc.constantFrom(1000, 16_384, 65_535, 262_144),
  maxStreamWindowBytes: fc.constantFrom(1000, 65_535, 1_000_000),
  connectionWindowBytes: fc.constantFrom(65_535, 100_000, 16_777_216),
  maxBufferedBytes: fc.constantFrom(1, 100_000, 67_108_864),
  writeAheadBytes: fc.constantFrom(1, 5000, 131_072),
  maxFrameBytes: fc.constantFrom(16_384, 30_000),
  headerTableBytes: fc.constantFrom(0, 100, 4096, 10_000),
  encoderTableBytes: fc.constantFrom(0, 100, 4096),
  maxConcurrentStreams: fc.constantFrom(1, 3, 128),
  // More than the server takes would be refused, rightly.
  streamsBeforeSettings: fc.constant(1),
})

type Step = [what: 'open' | 'toServer' | 'toClient' | 'wakeClient' | 'wakeServer' | 'tick', amount: number]
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(
    'open',
    'open',
    'toServer',
    'toServer',
    'toClient',
    'toClient',
    'wakeClient',
    'wakeServer',
    'tick',
  ),
  fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })),
)

function run(pair: Pair, [what, amount]: Step): void {
  if (what === 'open') pair.open()
  else if (what === 'toServer') pair.deliver('server', amount)
  else if (what === 'toClient') pair.deliver('client', amount)
  else if (what === 'wakeClient') pair.wake('client')
  else if (what === 'wakeServer') pair.wake('server')
  else pair.tick(amount % 1000)
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** What must be true of every exchange once nothing moves any more. */
function checkEnds(pair: Pair): void {
  expect(pair.complaints).toEqual([])
  for (const [index, plan] of pair.plans.entries()) {
    const client = pair.client.seen.get(index)
    const server = pair.server.seen.get(index)
    if (client === undefined) {
      expect(server).toBeUndefined()
      continue
    }
    // What was said to be unprocessed was never seen (design invariant 1).
    if (client.reset?.cause === 'unprocessed') {
      expect(server).toBeUndefined()
      continue
    }
    expect(client.reset?.code).not.toBe('REFUSED_STREAM')
    const isBroken = [client, server].some(seen => seen?.gaveUp === true || seen?.reset !== undefined)
    if (isBroken) {
      // Both know, unless one of them was done before.
      expect(client.gaveUp || client.ended || client.reset !== undefined).toBe(true)
      continue
    }
    expect(client).toMatchObject({ ended: true, head: true, bytes: sum(plan.response) })
    expect(client.trailers).toEqual(plan.responseTrailers ? ['x-sum', '12345'] : [])
    // A server that has answered loses what it did not read.
    if (plan.isEarly && plan.serverSleepsAt < Number.POSITIVE_INFINITY) continue
    expect(server).toMatchObject({ ended: true, bytes: sum(plan.request) })
    expect(server?.trailers).toEqual(plan.requestTrailers ? ['x-sum', '12345'] : [])
  }
  for (const { session } of [pair.client, pair.server]) {
    expect({ open: session.openStreams, held: session.bufferedBytes, out: session.outputBytes }).toEqual({
      open: 0,
      held: 0,
      out: 0,
    })
  }
}

describe('our client and our server', () => {
  it('complete every exchange, byte for byte, however the wire cuts and readers stall', () => {
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        options,
        options,
        fc.array(step, { maxLength: 60 }),
        (plans, client, server, steps) => {
          const pair = new Pair(plans, client, server)
          for (const one of steps) run(pair, one)
          pair.settle()
          expect([pair.client.end, pair.server.end]).toEqual([undefined, undefined])
          expect(pair.client.seen.size).toBe(plans.length)
          checkEnds(pair)
        },
      ),
      { numRuns: volume(200, 400) },
    )
  })

  it('report correctly what was processed when either of them drains in the middle', () => {
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        options,
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom('client' as const, 'server' as const),
        fc.array(step, { maxLength: 30 }),
        (plans, server, before, drains, after) => {
          const pair = new Pair(plans, { streamsBeforeSettings: 1 }, server)
          for (const one of before) run(pair, one)
          pair.drain(drains)
          for (const one of after) run(pair, one)
          pair.settle()
          expect(pair.client.end).toMatchObject({ code: 'NO_ERROR' })
          expect(pair.server.end).toMatchObject({ code: 'NO_ERROR' })
          checkEnds(pair)
        },
      ),
      { numRuns: volume(150, 300) },
    )
  })
})

/** What a well-behaved peer could say in the middle of an exchange. */
function conversation(role: 'client' | 'server'): Buffer {
  const start = role === 'server' ? [PREFACE] : []
  const block =
    role === 'server' ? requestBlock('/x', [['x', 'y']], 'POST') : responseBlock(200, [['x', 'y']])
  return Buffer.concat([
    ...start,
    settings({ 3: 100, 4: 100_000 }),
    SETTINGS_ACK,
    headers(1, block),
    data(1, 'some content'),
    ping(),
    windowUpdate(0, 5000),
    headers(3, block.subarray(0, 10), 0),
    Buffer.from([0, 0, block.length - 10, 9, 4, 0, 0, 0, 3]),
    block.subarray(10),
    resetStream(3, 'CANCEL'),
    data(1, 'more', FLAG.END_STREAM),
    windowUpdate(1, 7),
  ])
}

const edit = fc.record({
  at: fc.nat(),
  remove: fc.oneof(fc.constant(0), fc.nat(20)),
  insert: fc.uint8Array({ maxLength: 12 }),
  flip: fc.nat(255),
})

/** Gives bytes in pieces, and sees to it that whatever they are the session stays a session. */
function feed(role: 'client' | 'server', bytes: Buffer, cuts: readonly number[]): void {
  const rig = new SessionRig(role, { handshake: false })
  if (role === 'client')
    for (let i = 0; i < 3; i++) rig.open({ ...GET, method: i === 1 ? 'HEAD' : 'GET' }, i === 2)
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = 1 + ((cuts[i % Math.max(1, cuts.length)] ?? 1000) % 40)
    rig.receive(bytes.subarray(at, at + size))
    at += size
    rig.frames()
    expect(rig.session.bufferedBytes).toBeLessThanOrEqual(bytes.length)
  }
  const log = rig.log()
  const ends = log.filter(line => line.startsWith('over'))
  expect(ends.length).toBeLessThanOrEqual(1)
  if (ends.length === 1) {
    expect(log.at(-1)).toBe(ends[0])
    expect(ends[0]).not.toContain('INTERNAL_ERROR')
    expect(rig.session).toMatchObject({ openStreams: 0, capacity: 0, bufferedBytes: 0 })
  } else {
    rig.session.close('NO_ERROR', '')
    expect(rig.log().at(-1)).toBe('over NO_ERROR local')
  }
}

describe.each(['client', 'server'] as const)('a %s, whatever comes,', role => {
  it('goes on or ends cleanly with mutated frames', () => {
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(1000), { maxLength: 10 }),
        (edits, cuts) => {
          let bytes = conversation(role)
          for (const { at, remove, insert, flip } of edits) {
            const from = at % bytes.length
            bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)])
            const flipped = at % Math.max(1, bytes.length)
            if (bytes.length > 0) bytes[flipped] = (bytes[flipped] ?? 0) ^ flip
          }
          feed(role, bytes, cuts)
        },
      ),
      { numRuns: volume(500, 1500) },
    )
  })

  it('goes on or ends cleanly with random frames', () => {
    const frame = fc
      .tuple(
        fc.oneof(fc.nat(12), fc.constant(16), fc.nat(255)),
        fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x0d, 0x2d), fc.nat(255)),
        fc.constantFrom(0, 1, 2, 3, 5, 7),
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.constantFrom(requestBlock(), responseBlock(), Buffer.alloc(8), Buffer.alloc(4)),
        ),
      )
      .map(([type, flags, streamId, payload]) => {
        const header = Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, streamId])
        return Buffer.concat([header, payload])
      })
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.nat(1000), { maxLength: 5 }),
        (frames, cuts) => {
          const start = role === 'server' ? [PREFACE, settings()] : [settings()]
          feed(role, Buffer.concat([...start, ...frames]), cuts)
        },
      ),
      { numRuns: volume(1000, 2500) },
    )
  })

  it('goes on or ends cleanly with random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, afterStart) => {
        const start = role === 'server' ? [PREFACE, settings()] : [settings()]
        feed(role, Buffer.concat([...(afterStart ? start : []), noise]), [7, 900])
      }),
      { numRuns: volume(400, 1000) },
    )
  })
})
