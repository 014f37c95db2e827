import { describe, expect, it } from 'vitest'
import { sizePool } from '../../../../src/pool/rules/sizing.ts'
import { fc } from '../../../support/property.ts'

describe('sizing by Little’s law', () => {
  it('needs a connection per exchange under way with http/1.1', () => {
    expect(sizePool({ rps: 1000, latencyMs: 80, protocol: 'http/1.1' })).toEqual({
      concurrency: 80,
      streams: 120,
      connections: 120,
      spare: 0,
      streamsPerConnection: 1,
      origin: { connections: 120, streams: 120, rps: 1000 },
    })
  })

  it.each(['h2', 'h3'] as const)('shares connections with %s, and has a spare one', protocol => {
    const sizing = sizePool({ rps: 1000, latencyMs: 80, protocol, edges: 10 })
    expect(sizing.connections).toBe(3)
    expect(sizing.spare).toBe(1)
    expect(sizing.streamsPerConnection).toBe(100)
    expect(sizing.origin).toEqual({ connections: 30, streams: 1200, rps: 10_000 })
  })

  it('needs one connection at the least, in addition to the spare one, and no more for a rounding error', () => {
    expect(sizePool({ rps: 0.1, latencyMs: 1, protocol: 'h2' }).connections).toBe(2)
    expect(sizePool({ rps: 10, latencyMs: 300, protocol: 'http/1.1', headroom: 1 }).connections).toBe(3)
    expect(
      sizePool({ rps: 1000, latencyMs: 3, headroom: 1.1, protocol: 'h2', streamsPerConnection: 3.0 }),
    ).toMatchObject({ streams: 3.3, connections: 3 })
  })

  it('always offers as many streams as the demand, and not a connection too many', () => {
    const input = fc.record({
      rps: fc.integer({ min: 1, max: 1e6 }),
      latencyMs: fc.integer({ min: 1, max: 60_000 }),
      streamsPerConnection: fc.integer({ min: 1, max: 1000 }),
    })
    fc.assert(
      fc.property(input, given => {
        const { connections, spare, streams, streamsPerConnection } = sizePool({ ...given, protocol: 'h2' })
        const busy = connections - spare
        expect(busy * streamsPerConnection).toBeGreaterThanOrEqual(streams)
        expect((busy - 1) * streamsPerConnection).toBeLessThan(Math.max(streams, 1))
      }),
    )
  })

  it.each([
    [{ rps: 0 }, 'rps must be a number above 0'],
    [{ rps: Number.NaN }, 'rps must be'],
    [{ latencyMs: -1 }, 'latencyMs must be'],
    [{ headroom: Infinity }, 'headroom must be'],
    [{ edges: 1.5 }, 'edges must be a whole number'],
    [{ streamsPerConnection: 0 }, 'streamsPerConnection must be'],
    [{ protocol: 'http/1.1' as const, streamsPerConnection: 2 }, 'streamsPerConnection is 1'],
  ])('refuses %j', (wrong, message) => {
    expect(() => sizePool({ rps: 1, latencyMs: 1, protocol: 'h2', ...wrong })).toThrow(message)
  })
})
