import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { CoalescingSeeker } from '../../../../src/origin/coalescing/coalescing-decision.ts'
import { type PendingDial, PendingDials, untilOver } from '../../../../src/origin/coalescing/pending-dials.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const AT = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
const POLICY = { serverName: undefined, isVerified: true, trust: 'roots', settings: '{}' }
const DIAL: PendingDial = {
  owner: parseOrigin('https://a.test'),
  protocol: 'h2',
  endpoint: AT,
  policy: POLICY,
  mayCoalesce: true,
  vouchedNames: [],
}
const SEEKER: CoalescingSeeker = {
  origin: parseOrigin('https://b.test'),
  protocol: 'h2',
  endpoints: [AT],
  policy: POLICY,
  mayCoalesce: true,
  isAvoided: false,
}
const BOTH = { certificateNames: ['a.test', 'b.test'], originSet: undefined }
const turn = () => new Promise(resolve => setImmediate(resolve))

describe('a dial of another origin', () => {
  it('is waited for where the last certificate at its address covered both, until it is over', async () => {
    const dials = new PendingDials()
    dials.onSeen(DIAL, BOTH)
    expect(dials.find(SEEKER)).toBeUndefined()
    const end = dials.begin(DIAL)
    let isOver = false
    void dials.find(SEEKER)?.then(() => (isOver = true))
    await turn()
    expect(isOver).toBe(false)
    end()
    expect(dials.find(SEEKER)).toBeUndefined()
    await turn()
    await turn()
    expect(isOver).toBe(true)
  })

  it('is not waited for by an origin that could not share the connection', () => {
    const dials = new PendingDials()
    dials.begin(DIAL)
    expect(dials.find(SEEKER), 'nobody has seen a certificate there').toBeUndefined()
    dials.onSeen(DIAL, { ...BOTH, certificateNames: ['a.test'] })
    expect(dials.find(SEEKER), 'it does not cover').toBeUndefined()
    dials.onSeen(DIAL, { ...BOTH, originSet: ['https://a.test'] })
    expect(dials.find(SEEKER), 'an ORIGIN frame named others').toBeUndefined()
    dials.onSeen(DIAL, BOTH)
    const elsewhere = { ...AT, address: '192.0.2.9' }
    for (const change of [
      { origin: DIAL.owner },
      { protocol: 'h3' as const },
      { endpoints: [elsewhere] },
      { policy: { ...POLICY, trust: 'others' } },
      { mayCoalesce: false },
      { isAvoided: true },
    ]) {
      expect(dials.find({ ...SEEKER, ...change }), Object.keys(change).join()).toBeUndefined()
    }
    expect(dials.find(SEEKER)).toBeDefined()
  })

  it('is remembered for 1024 addresses at the most, and the one that was seen first makes room', () => {
    const dials = new PendingDials()
    const at = (port: number) => ({ protocol: 'h2' as const, endpoint: { ...AT, port } })
    for (let port = 1; port <= 1025; port += 1) dials.onSeen(at(port), BOTH)
    for (const port of [1, 2]) dials.begin({ ...DIAL, endpoint: { ...AT, port } })
    expect(dials.find({ ...SEEKER, endpoints: [{ ...AT, port: 1 }] })).toBeUndefined()
    expect(dials.find({ ...SEEKER, endpoints: [{ ...AT, port: 2 }] })).toBeDefined()
  })
})

describe('the wait for a dial of another origin', () => {
  it('ends after two seconds, with the signal, or when it is over', async () => {
    const clock = new FakeClock()
    const never = new Promise<void>(() => {})
    const ended: string[] = []
    const abort = new AbortController()
    const wait = (name: string, over: Promise<void>, signal = new AbortController().signal) =>
      void untilOver(over, clock, signal).then(() => ended.push(name))
    wait('over', Promise.resolve())
    wait('aborted', never, abort.signal)
    wait('late', never)
    await turn()
    expect(ended).toEqual(['over'])
    abort.abort()
    await turn()
    expect(ended).toEqual(['over', 'aborted'])
    clock.advance(1_999)
    await turn()
    expect(ended).toHaveLength(2)
    clock.advance(1)
    await turn()
    expect(ended).toEqual(['over', 'aborted', 'late'])
  })
})
