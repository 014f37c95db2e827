import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { Http2ConnectionFault } from '../../../../src/http/http2/frames/error-codes.ts'
import { FloodGuard } from '../../../../src/http/multiplex/flood-guard.ts'

const KINDS = [
  'maxPingsPerSecond',
  'maxSettingsPerSecond',
  'maxResetsPerSecond',
  'maxEmptyFramesPerSecond',
  'maxTinyWindowUpdatesPerSecond',
  'maxIgnoredFramesPerSecond',
] as const
type FloodKind = (typeof KINDS)[number]

function guard(kind: FloodKind, perSecond: number): FloodGuard<FloodKind> {
  return new FloodGuard({
    kinds: KINDS,
    rates: { ...DEFAULT_HTTP2_OPTIONS, [kind]: perSecond },
    fault: (message, limit) => new Http2ConnectionFault('ENHANCE_YOUR_CALM', message, limit),
  })
}

/** How many of `times` are taken at `now`. */
function taken(guard: FloodGuard<FloodKind>, kind: FloodKind, times: number, now: number): number {
  for (let i = 0; i < times; i++) {
    try {
      guard.count(kind, now)
    } catch (error) {
      expect(error).toBeInstanceOf(Http2ConnectionFault)
      expect(error).toMatchObject({ code: 'ENHANCE_YOUR_CALM', limit: kind })
      expect((error as Error).message).toContain(kind)
      return i
    }
  }
  return times
}

describe.each(KINDS)('FloodGuard, %s', kind => {
  it('allows ten seconds’ worth at once, and not one more', () => {
    expect(taken(guard(kind, 3), kind, 100, 1000)).toBe(30)
  })

  it('allows the rate forever', () => {
    const one = guard(kind, 4)
    expect(taken(one, kind, 40, 0)).toBe(40)
    for (let second = 1; second < 100; second++) expect(taken(one, kind, 4, second * 1000)).toBe(4)
    expect(taken(one, kind, 1, 99_000)).toBe(0)
  })

  it('forgets within ten seconds, and saves up no more than that', () => {
    const one = guard(kind, 2)
    expect(taken(one, kind, 20, 0)).toBe(20)
    expect(taken(one, kind, 20, 5000)).toBe(10)
    expect(taken(one, kind, 100, 1_000_000)).toBe(20)
  })

  it('is off at 0', () => {
    expect(taken(guard(kind, 0), kind, 100_000, 0)).toBe(100_000)
  })

  it('does not count the other kinds', () => {
    const one = guard(kind, 1)
    for (const other of KINDS) if (other !== kind) expect(taken(one, other, 20, 0)).toBe(20)
    expect(taken(one, kind, 100, 0)).toBe(10)
  })
})

describe('FloodGuard', () => {
  it('counts each kind for itself, and names the limit', () => {
    const guard = new FloodGuard({
      kinds: KINDS,
      rates: { ...DEFAULT_HTTP2_OPTIONS, maxResetsPerSecond: 1, maxEmptyFramesPerSecond: 0 },
      fault: (message, limit) => new Http2ConnectionFault('ENHANCE_YOUR_CALM', message, limit),
    })
    for (let i = 0; i < 10; i++) guard.count('maxResetsPerSecond', 0)
    for (let i = 0; i < 1000; i++) guard.count('maxEmptyFramesPerSecond', 0)
    guard.count('maxIgnoredFramesPerSecond', 0)
    expect(() => guard.count('maxResetsPerSecond', 0)).toThrow(
      expect.objectContaining({ code: 'ENHANCE_YOUR_CALM', limit: 'maxResetsPerSecond' }),
    )
    guard.count('maxResetsPerSecond', 1001)
  })
})
