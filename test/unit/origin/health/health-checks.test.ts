import { describe, expect, it } from 'vitest'
import type { BalancedEndpoint } from '../../../../src/balance/balancer.ts'
import { TransportError } from '../../../../src/base/errors.ts'
import type { CheckResult } from '../../../../src/health/check-state.ts'
import { HealthChecks } from '../../../../src/origin/health/health-checks.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const TIMEOUT_MS = 1_000
const GOOD = { isGood: true, because: '200' }

interface Probe {
  readonly index: number
  readonly signal: AbortSignal
  readonly resolve: (result: CheckResult) => void
  readonly reject: (error: unknown) => void
}

function endpointAt(index: number): BalancedEndpoint {
  return { index, address: `192.0.2.${index}`, weight: 1, tier: 0, zone: '', name: undefined }
}

function setUp(count: number) {
  const clock = new FakeClock()
  const probes: Probe[] = []
  const results: (CheckResult & { index: number; at: number })[] = []
  const checks = new HealthChecks({
    clock,
    endpoints: Array.from({ length: count }, (_, index) => endpointAt(index)),
    timeoutMs: TIMEOUT_MS,
    health: {
      nextCheckInMs: index => 5_000 + index,
      onChecked: (index, result, at) => void results.push({ index, at, ...result }),
    },
    probe: ({ index }, signal) =>
      new Promise((resolve, reject) => {
        probes.push({ index, signal, resolve, reject })
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  })
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  }
  return { clock, probes, results, checks, settled }
}

describe('the active checks of an origin', () => {
  it('run for each endpoint at a time of its own, one at a time, counted from the end of the last', async () => {
    const { clock, probes, results, settled } = setUp(2)
    clock.advance(5_000)
    expect(probes.map(({ index }) => index)).toEqual([0])
    clock.advance(500)
    expect(probes.map(({ index }) => index)).toEqual([0, 1])
    probes[0]?.resolve(GOOD)
    await settled()
    expect(results).toEqual([{ index: 0, at: 5_500, ...GOOD }])
    clock.advance(499) // the other one hangs, and is not asked again
    expect(probes).toHaveLength(2)
    clock.advance(4_501)
    await settled()
    expect(probes.map(({ index }) => index)).toEqual([0, 1, 0])
  })

  it('fail when they take too long, and are aborted', async () => {
    const { clock, probes, results, settled } = setUp(1)
    clock.advance(5_000 + TIMEOUT_MS)
    await settled()
    expect(probes[0]?.signal.aborted).toBe(true)
    expect(results).toEqual([
      { index: 0, at: 6_000, isGood: false, because: 'MM_HEADERS_TIMEOUT: no answer within 1000 ms' },
    ])
  })

  it('report nothing of an endpoint where this process fails, and go on', async () => {
    const { clock, probes, results, settled } = setUp(1)
    clock.advance(5_000)
    probes[0]?.reject(new TransportError('MM_PROTOCOL_UNAVAILABLE', 'no QUIC here'))
    await settled()
    expect(results).toEqual([])
    clock.advance(5_000)
    expect(probes).toHaveLength(2)
  })

  it('end with the origin, including those under way', async () => {
    const { clock, probes, results, checks, settled } = setUp(2)
    clock.advance(5_000)
    checks.close()
    await settled()
    expect(probes[0]?.signal.aborted).toBe(true)
    clock.advance(60_000)
    expect(probes).toHaveLength(1)
    expect(results).toEqual([])
  })
})
