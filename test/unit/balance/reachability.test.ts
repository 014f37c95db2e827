import { describe, expect, it } from 'vitest'
import { EndpointReachability } from '../../../src/balance/reachability.ts'

const endpoint = () => new EndpointReachability({ backoffBaseMs: 100, backoffMaxMs: 400, random: () => 1 })

describe('an endpoint that cannot be connected to', () => {
  it('pauses for twice as long after each failure in a row, up to a limit', () => {
    const one = endpoint()
    let now = 0
    const pauses: number[] = []
    for (let failures = 0; failures < 4; failures += 1) {
      one.onConnectFailed('refused', now)
      const { state } = one
      if (state.kind !== 'down') throw new Error(state.kind)
      pauses.push(state.until - now)
      now = state.until
      expect(one.takeProbe(now)).toBe(true)
    }
    expect(pauses).toEqual([100, 200, 400, 400])
  })

  it('counts connects that failed together as one failure', () => {
    const one = endpoint()
    one.onConnectFailed('refused', 0)
    one.onConnectFailed('refused', 1)
    expect(one.state).toMatchObject({ until: 100, failures: 1 })
  })

  it('starts its pauses anew after a connect', () => {
    const one = endpoint()
    one.onConnectFailed('refused', 0)
    expect(one.onConnected(50)).toBe(true)
    expect(one.onConnected(60)).toBe(false)
    one.onConnectFailed('refused', 100)
    expect(one.state).toMatchObject({ until: 200 })
  })

  it('reports since when it is up, and as up from the start when it never failed', () => {
    const one = endpoint()
    expect(one.upSince).toBe(-Infinity)
    one.onConnectFailed('refused', 0)
    expect(one.upSince).toBeUndefined()
    one.onConnected(1_000)
    expect(one.upSince).toBe(1_000)
  })
})
