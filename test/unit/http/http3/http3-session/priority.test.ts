import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { FRAME, frame, requestHeaders, varint } from '../../../../support/http3-wire.ts'
import { SessionRig } from './session-rig.ts'

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
const update = (id: number, value: string): Buffer =>
  frame(FRAME.PRIORITY_UPDATE, Buffer.concat([varint(id), Buffer.from(value)]))

/**
 * A server with requests on streams 0, 4, …, each of which has a body of its own waiting, since QUIC takes
 * nothing.
 */
function blocked(...priorities: readonly string[]): SessionRig {
  const rig = new SessionRig('server')
  rig.quic.room = 0
  for (const [index, priority] of priorities.entries()) {
    rig.receive(4 * index, requestHeaders('/', priority === '' ? [] : [['priority', priority]]), true)
    rig.stream(4 * index).respond(200, NO_HEADERS, false)
    rig.stream(4 * index).write(Buffer.alloc(40_000), keep)
    rig.stream(4 * index).end(NO_HEADERS)
    rig.session.flush()
  }
  rig.quic.writes = []
  return rig
}

/** Lets QUIC take everything of all of them in one turn; who was served, in order. */
function order(rig: SessionRig, ids: readonly number[], ...first: readonly Buffer[]): number[] {
  for (const id of ids) rig.quic.allow(id, 1_000_000)
  if (first.length > 0) rig.quic.deliver(rig.peerControl, Buffer.concat(first))
  rig.turn()
  const served = rig.quic.writes.map(line => Number(line.split(' ')[0])).filter(id => id % 4 === 0)
  return served.filter((id, i) => id !== served[i - 1])
}

describe('the order in which streams are served (RFC 9218 10)', () => {
  it('puts more urgent ones first, and the others as they came', () => {
    expect(order(blocked('u=5', '', 'u=0', 'u=3'), [0, 4, 8, 12])).toEqual([8, 4, 12, 0])
  })

  it('lets incremental ones alternate', () => {
    const served = order(blocked('i', 'i'), [0, 4])
    expect(served.slice(0, 4)).toEqual([0, 4, 0, 4])
  })

  it('is passed on to QUIC', () => {
    expect(blocked('u=5, i', '', 'u=0').quic.priorities).toEqual(['0 u=5 i', '8 u=0'])
  })

  it('lets every stream end, whatever the priorities', () => {
    const rig = blocked('u=7, i', 'i', 'u=0, i', 'u=0')
    order(rig, [0, 4, 8, 12])
    for (const id of [0, 4, 8, 12]) expect(rig.quic.stream(id).isFinished).toBe(true)
    expect(rig.session.openStreams).toBe(0)
  })
})

describe('PRIORITY_UPDATE (RFC 9218 7.2)', () => {
  it('moves a stream that is open', () => {
    const rig = blocked('', '')
    rig.control(update(4, 'u=1'))
    expect(rig.quic.priorities).toEqual(['4 u=1'])
    expect(order(rig, [0, 4])).toEqual([4, 0])
  })

  it('moves a stream that is about to be served in the same turn, and every stream still ends', () => {
    const rig = blocked('', '', '')
    expect(order(rig, [0, 4, 8], update(8, 'u=0'), update(0, 'u=7'))).toEqual([8, 4, 0])
    expect(rig.session.openStreams).toBe(0)
    // Later streams find the queue in order.
    rig.quic.room = 1_000_000
    rig.receive(12, requestHeaders(), true)
    rig.stream(12).respond(204, NO_HEADERS, true)
    expect(rig.quic.stream(12).isFinished).toBe(true)
  })

  it('may come before its request, and overrides the field (7)', () => {
    const rig = new SessionRig('server')
    rig.control(update(4, 'u=6'), update(0, 'u=1, i'))
    rig.receive(0, requestHeaders('/', [['priority', 'u=5']]), true)
    rig.receive(4, requestHeaders(), true)
    expect(rig.quic.priorities).toEqual(['0 u=1 i', '4 u=6'])
  })

  it('is kept for 256 requests that have not come, and skipped above that', () => {
    const rig = new SessionRig('server')
    for (let i = 0; i < 300; i++) rig.control(update(4 * i, 'u=1'))
    rig.receive(4 * 255, requestHeaders(), true)
    rig.receive(4 * 256, requestHeaders(), true)
    expect(rig.quic.priorities).toEqual([`${4 * 255} u=1`])
    expect(rig.quic.closed).toBeUndefined()
  })

  it('of a request that is over is skipped', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders(), true)
    rig.stream(0).respond(204, NO_HEADERS, true)
    rig.control(update(0, 'u=1'))
    expect(rig.quic.priorities).toEqual([])
    // And is not remembered: there is room for those that have not come.
    for (let i = 1; i <= 300; i++) {
      rig.receive(4 * i, requestHeaders(), true)
      rig.stream(4 * i).respond(204, NO_HEADERS, true)
      rig.control(update(4 * i, 'u=1'))
    }
    rig.control(update(2000, 'u=2'))
    rig.receive(2000, requestHeaders(), true)
    expect(rig.quic.priorities).toEqual(['2000 u=2'])
  })

  it.each(['u=9', 'nonsense"', '', 'u=1'.repeat(5000)])(
    'with %s, which is no priority, sets the default',
    value => {
      const rig = new SessionRig('server')
      rig.receive(0, requestHeaders(), true)
      rig.control(update(0, value))
      expect(rig.quic.closed).toBeUndefined()
      expect(rig.quic.priorities).toEqual(['0 u=3'])
    },
  )
})
