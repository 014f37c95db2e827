import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../src/base/events/connection.ts'
import { HANDSHAKE_MEANS, type HandshakeAmount } from '../../src/origin/ledger/handshake-figures.ts'
import { HandshakeLedger } from '../../src/origin/ledger/handshake-ledger.ts'
import { ledgerConnection } from '../support/ledger-connection.ts'
import { fc } from '../support/property.ts'

const DAY = 86_400_000
const EPSILON = 1e-6

const measured = (max: number) => fc.option(fc.nat({ max }), { nil: undefined })
const state = fc.constantFrom<Pick<HandshakeInfo, 'kind' | 'earlyData'>>(
  { kind: 'full', earlyData: 'none' },
  { kind: 'full', earlyData: 'rejected' },
  { kind: 'resumed', earlyData: 'none' },
  { kind: 'resumed', earlyData: 'rejected' },
  { kind: 'early_data', earlyData: 'accepted' },
)
const opening = fc
  .record({
    state,
    protocol: fc.constantFrom('http/1.1' as const, 'h2' as const, 'h3' as const),
    tlsVersion: fc.constantFrom('TLSv1.3', 'TLSv1.2'),
    tfo: fc.constantFrom('off' as const, 'used' as const, 'fallback' as const),
    tfoSparedRoundTrip: fc.boolean(),
    connectMs: fc.nat({ max: 500 }),
    tlsMs: fc.nat({ max: 500 }),
    bytes: measured(10_000),
    cpuMs: measured(50),
  })
  .map(({ state, protocol, tlsVersion, tfo, tfoSparedRoundTrip, connectMs, ...rest }) => {
    const isQuic = protocol === 'h3'
    // Early data and QUIC are of TLS 1.3; Fast Open is of TCP.
    const version = isQuic || state.kind === 'early_data' ? 'TLSv1.3' : tlsVersion
    return ledgerConnection(
      {
        ...rest,
        ...state,
        tlsVersion: version,
        tfo: isQuic ? 'off' : tfo,
        tfoSparedRoundTrip: !isQuic && tfo === 'used' && tfoSparedRoundTrip,
        connectMs: isQuic ? 0 : connectMs,
      },
      protocol,
    )
  })
const step = fc.oneof(
  opening.map(connection => ({ type: 'open' as const, connection })),
  fc.record({
    type: fc.constant('reuse' as const),
    count: fc.integer({ min: 1, max: 20 }),
    protocol: fc.constantFrom('h2' as const, 'h3' as const),
  }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.nat({ max: DAY / 2 }) }),
  fc.constant({ type: 'look' as const }),
)

/** Of all handshakes so far: what no price may exceed. */
interface Highest {
  roundTrips: number
  seconds: number
  bytes: number
  cpuMs: number
}

function amounts({ roundTrips, seconds, bytes = 0, cpuMs = 0 }: HandshakeAmount): Highest {
  return { roundTrips, seconds, bytes, cpuMs }
}

describe('any history of handshakes', () => {
  it('is counted to the last byte, and avoids no more than handshakes cost', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        let now = 123_456
        const startedAt = now
        const ledger = new HandshakeLedger(now)
        const highest: Highest = { roundTrips: 0, seconds: 0, bytes: 0, cpuMs: 0 }
        const paid: Highest = { roundTrips: 0, seconds: 0, bytes: 0, cpuMs: 0 }
        let handshakes = 0
        let reuses = 0
        let before = ledger.figures(now)

        for (const step of steps) {
          if (step.type === 'wait') now += step.ms
          if (step.type === 'reuse') {
            reuses += step.count
            for (let i = 0; i < step.count; i++) ledger.onReuse(step)
          }
          if (step.type === 'open') {
            handshakes += 1
            const { handshake, protocol } = step.connection
            const { timings, tlsVersion, bytes = 0, cpuMs = 0 } = handshake
            ledger.onOpened(step.connection, now)
            const own = ledger.of(step.connection, 0)!
            for (const [name, value] of Object.entries(amounts(own.paid)))
              paid[name as keyof Highest] += value
            const most = protocol === 'h3' ? 1 : tlsVersion === 'TLSv1.3' ? 2 : 3
            highest.roundTrips = Math.max(highest.roundTrips, most)
            highest.seconds = Math.max(highest.seconds, (timings.connectMs + timings.tlsMs) / 1000)
            highest.bytes = Math.max(highest.bytes, bytes)
            highest.cpuMs = Math.max(highest.cpuMs, cpuMs)
            // Of one handshake: what it took and what it was spared make up a full one.
            const spared = Object.values(own.avoided).reduce((sum, { roundTrips }) => sum + roundTrips, 0)
            expect(own.paid.roundTrips).toBeGreaterThanOrEqual(0)
            expect(own.paid.roundTrips + spared).toBe(most)
            expect(own.paid).toMatchObject({ bytes: handshake.bytes, cpuMs: handshake.cpuMs })
          }
          if (step.type === 'wait') continue // nobody looks on the way

          const figures = ledger.figures(now)
          const { byKind, ...sums } = figures.paid
          expect(Object.values(byKind).reduce((sum, count) => sum + count, 0)).toBe(handshakes)
          for (const [name, value] of Object.entries(amounts(sums)))
            expect(value).toBeCloseTo(paid[name as keyof Highest], 6)
          expect(figures.avoided.reuse.count).toBe(reuses)

          let seconds = 0
          for (const means of HANDSHAKE_MEANS) {
            const { count, ...avoided } = figures.avoided[means]
            seconds += avoided.seconds
            for (const [name, value] of Object.entries(amounts(avoided))) {
              const key = name as keyof Highest
              expect(value).toBeGreaterThanOrEqual(amounts(before.avoided[means])[key])
              expect(value).toBeLessThanOrEqual(count * highest[key] + EPSILON)
            }
          }
          const { savedSeconds, windowSeconds, perDay } = figures.lastDay
          expect(windowSeconds).toBeCloseTo(Math.min(DAY, now - startedAt) / 1000, 6)
          expect(savedSeconds).toBeGreaterThanOrEqual(-EPSILON)
          expect(savedSeconds).toBeLessThanOrEqual(seconds + EPSILON)
          if (now - startedAt < DAY) expect(savedSeconds).toBeCloseTo(seconds, 6)
          if (windowSeconds > 0) expect(perDay * windowSeconds).toBeCloseTo(savedSeconds * 86_400, 2)
          before = figures
        }
      }),
      { numRuns: 400 },
    )
  })
})
