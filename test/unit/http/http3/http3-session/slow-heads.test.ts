import { describe, expect, it } from 'vitest'
import { requestHeaders } from '../../../../support/http3-wire.ts'
import { SessionRig } from './session-rig.ts'

describe('the heads of requests', () => {
  it('are broken off when they take too long, each when its own time is up, and nothing else is', () => {
    const rig = new SessionRig('server', { headTimeoutMs: 1000 })
    rig.receive(0, requestHeaders().subarray(0, 1))
    rig.pass(600)
    rig.receive(4, requestHeaders().subarray(0, 1))
    rig.receive(8, requestHeaders(), true)
    rig.log()
    rig.pass(399)
    expect([rig.log(), rig.session.openStreams]).toEqual([[], 3])
    rig.pass(1)
    expect(rig.verdict(0)).toBe('stream 0 H3_REQUEST_INCOMPLETE')
    expect(rig.log()).toEqual(['defence headerTimeoutMs', 'closed 0 failed'])
    rig.pass(599)
    expect([rig.log(), rig.session.openStreams]).toEqual([[], 2])
    rig.pass(1)
    expect(rig.log()).toEqual(['defence headerTimeoutMs', 'closed 4 failed'])
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('are not waited for any more when they were complete', () => {
    const rig = new SessionRig('server', { headTimeoutMs: 1000 })
    const head = requestHeaders()
    rig.receive(0, head.subarray(0, 1))
    rig.pass(900)
    rig.receive(0, head.subarray(1))
    rig.log()
    rig.pass(5000)
    expect([rig.log(), rig.session.openStreams]).toEqual([[], 1])
  })

  it('may take any time without a limit', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders().subarray(0, 1))
    rig.pass(1_000_000)
    expect(rig.session.openStreams).toBe(1)
  })
})
