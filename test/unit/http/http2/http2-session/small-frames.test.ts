import { describe, expect, it } from 'vitest'
import { requestBlock, responseBlock } from '../../../../support/http2-fields.ts'
import { data, FLAG, goaway, headers, resetStream } from '../../../../support/http2-wire.ts'
import { GET, type Role, SessionRig } from './session-rig.ts'

const ROLES: Role[] = ['client', 'server']

/** A session whose peer may send content on the streams 1, 3, …, `count` of them. */
function opened(role: Role, count = 1): SessionRig {
  const rig = new SessionRig(role)
  for (let id = 1; id < 2 * count; id += 2) {
    if (role === 'client') rig.open(GET, false)
    rig.receive(headers(id, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
  }
  rig.frames()
  rig.log()
  return rig
}

const digits = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i % 10))

describe.each(ROLES)('small DATA frames for a %s', role => {
  it('in one read reach their reader together', () => {
    const rig = opened(role)
    const bytes = digits(3_000)
    rig.receive(...bytes.map(byte => data(1, byte)))
    expect(rig.bodies.get(1)).toBe(bytes.join(''))
    expect(rig.log().length).toBeLessThan(6)
  })

  it('on streams that alternate reach their readers together, stream by stream', () => {
    const rig = opened(role, 4)
    const bytes = digits(1_000)
    rig.receive(...bytes.flatMap(byte => [1, 3, 5, 7].map(id => data(id, byte))))
    for (const id of [1, 3, 5, 7]) expect(rig.bodies.get(id)).toBe(bytes.join(''))
    expect(rig.log().length).toBeLessThan(4 * 5)
  })

  it('do not wait for a later read', () => {
    const rig = opened(role)
    rig.receive(data(1, 'a'))
    expect(rig.log()).toEqual(['data 1 1'])
    rig.receive(data(1, 'b').subarray(0, 5))
    rig.receive(Buffer.concat([data(1, 'b').subarray(5), data(1, 'c')]))
    expect(rig.log()).toEqual(['data 1 2'])
  })

  it('are not overtaken by a large one, nor by an end', () => {
    const rig = opened(role)
    rig.receive(data(1, 'a'), data(1, 'b'), data(1, 'c'.repeat(5_000)), data(1, 'd', FLAG.END_STREAM))
    expect(rig.bodies.get(1)).toBe(`ab${'c'.repeat(5_000)}d`)
    expect(rig.log().at(-1)).toBe('end 1')
  })

  it('are delivered before trailers, a reset and a fault that follow in the same read', () => {
    const trailers = headers(1, responseBlock().subarray(0, 0), FLAG.END_HEADERS | FLAG.END_STREAM)
    for (const [what, last] of [
      [trailers, /^end 1/],
      [resetStream(1, 'INTERNAL_ERROR'), /^reset 1/],
      [data(0, 'x'), /^over PROTOCOL_ERROR/],
    ] as const) {
      const rig = opened(role, 2)
      rig.receive(data(3, 'x'), data(1, 'a'), data(1, 'b'), what)
      expect([rig.bodies.get(1), rig.bodies.get(3)]).toEqual(['ab', 'x'])
      const log = rig.log()
      expect(log.indexOf('data 1 2')).toBeGreaterThanOrEqual(0)
      expect(log.findIndex(line => last.test(line))).toBeGreaterThan(log.indexOf('data 1 2'))
    }
  })

  it('are held when their reader stops, and dropped when it resets its stream', () => {
    const rig = opened(role, 2)
    rig.onData = stream => {
      if (stream.id === 1) stream.pause()
      else stream.reset('CANCEL')
    }
    rig.receive(data(1, 'a'), data(3, 'b'))
    rig.receive(data(1, 'c'), data(3, 'd'), data(1, 'e'))
    expect([rig.bodies.get(1), rig.bodies.get(3)]).toEqual(['a', 'b'])
    rig.onData = undefined
    rig.stream(1).resume()
    expect(rig.bodies.get(1)).toBe('ace')
    expect(rig.session.bufferedBytes).toBe(0)
  })

  it('are held when their reader is stopped by another', () => {
    const rig = opened(role, 2)
    rig.onData = () => {
      rig.stream(1).pause()
      rig.stream(3).pause()
    }
    rig.receive(data(1, 'a'), data(3, 'b'))
    expect(rig.log()).toEqual(['data 1 1'])
    rig.onData = undefined
    rig.stream(3).resume()
    expect(rig.bodies.get(3)).toBe('b')
  })
})

it('small DATA frames are delivered before a GOAWAY', () => {
  const rig = opened('client', 2)
  rig.receive(data(1, 'a'), data(3, 'b'), goaway(1, 'INTERNAL_ERROR'))
  expect([rig.bodies.get(1), rig.bodies.get(3)]).toEqual(['a', 'b'])
})
