import { describe, expect, it } from 'vitest'
import { SessionFlow } from '../../../src/webtransport/session-flow.ts'

const LIMITS = { maxData: 100, maxBidirectional: 2, maxUnidirectional: 4 }

describe('the flow control of a session', () => {
  it('bounds nothing where it was not negotiated', () => {
    const flow = new SessionFlow(undefined, undefined)
    for (let i = 0; i < 5; i++) flow.onOpened('bidirectional')
    expect(flow.mayOpen('bidirectional')).toBe(true)
    expect(flow.sendRoom).toBe(Number.POSITIVE_INFINITY)
    expect(flow.onReceived(1e9)).toBe(true)
    expect(flow.nextLimits()).toBeUndefined()
  })

  it('lets us send and open what the peer allows, and no limit goes down', () => {
    const flow = new SessionFlow(LIMITS, LIMITS)
    flow.onSent(60)
    expect(flow.sendRoom).toBe(40)
    flow.onMaxData(50)
    expect(flow.sendRoom).toBe(40)
    flow.onMaxData(200)
    expect(flow.sendRoom).toBe(140)
    flow.onOpened('bidirectional')
    flow.onOpened('bidirectional')
    expect(flow.mayOpen('bidirectional')).toBe(false)
    expect(flow.mayOpen('unidirectional')).toBe(true)
    flow.onMaxStreams('bidirectional', 3)
    expect(flow.mayOpen('bidirectional')).toBe(true)
  })

  it('announces a whole window when half of one was used', () => {
    const flow = new SessionFlow(LIMITS, LIMITS)
    flow.onReceived(49)
    expect(flow.nextLimits()).toBeUndefined()
    flow.onReceived(1)
    expect(flow.nextLimits()?.[1].maxData).toBe(150)
    expect(flow.nextLimits()).toBeUndefined()
    flow.onPeerEnded('bidirectional')
    expect(flow.nextLimits()?.[1].maxBidirectional).toBe(3)
  })

  it('finds a peer that sends or opens more than it may', () => {
    const flow = new SessionFlow(LIMITS, LIMITS)
    expect(flow.onReceived(100)).toBe(true)
    expect(flow.onReceived(1)).toBe(false)
    expect([1, 2, 3].map(() => flow.onPeerOpened('bidirectional'))).toEqual([true, true, false])
  })

  it('gives back a window for a stream whose bytes nobody has counted', () => {
    const flow = new SessionFlow(LIMITS, LIMITS)
    flow.onUncounted()
    expect(flow.nextLimits()?.[1].maxData).toBeGreaterThan(1_000_000)
  })
})
