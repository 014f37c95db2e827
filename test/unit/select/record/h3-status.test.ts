import { describe, expect, it } from 'vitest'
import { Http3Status } from '../../../../src/select/record/h3-status.ts'

const OPTIONS = { brokenBaseMs: 1000, brokenMaxMs: 10_000 }
const fresh = () => new Http3Status(OPTIONS)

/**
 * HTTP/3 failed and TCP worked, so many times in a row, as soon as it may; returns when the last happened.
 */
function fail(status: Http3Status, times: number, from = 0): number {
  let now = from
  for (let i = 0; i < times; i++) {
    now = Math.max(now, status.brokenUntil ?? now)
    status.onHttp3Failed('timeout', now)
    status.onTcpWorked(now)
  }
  return now
}

describe('Http3Status', () => {
  it('is pending at first: may be tried, but not with early data', () => {
    const status = fresh()
    expect([status.name(0), status.mayTry(0), status.mayUseEarlyData(0)]).toEqual(['pending', true, false])
    expect([status.because(0), status.brokenUntil, status.changedAt]).toEqual([
      'not tried yet',
      undefined,
      Number.NEGATIVE_INFINITY,
    ])
    status.onTrialStarted(0)
    expect(status.mayTry(0)).toBe(true) // the first tries are no trials
    status.onTrialAbandoned(1)
    expect(status.name(1)).toBe('pending')
  })

  it('is confirmed by a success', () => {
    const status = fresh()
    status.onHttp3Worked(5)
    expect([status.name(5), status.mayTry(5), status.mayUseEarlyData(5), status.changedAt]).toEqual([
      'confirmed',
      true,
      true,
      5,
    ])
    expect(status.because(3005)).toBe('worked 3 s ago')
    status.onHttp3Worked(3005)
    expect(status.because(3005)).toBe('worked just now')
  })

  it('blames nothing for a failure while TCP is not known to work', () => {
    const status = fresh()
    status.onHttp3Failed('timeout', 0)
    expect([status.name(0), status.mayTry(0)]).toEqual(['pending', true])
    expect(status.because(2000)).toBe(
      'failed 2 s ago: timeout; not blamed, since TCP was not seen to work then',
    )
    status.onTcpWorked(10_001) // too late to belong to it
    expect(status.name(10_001)).toBe('pending')
  })

  it.each([
    [
      'TCP works after the failure',
      (status: Http3Status) => {
        status.onHttp3Failed('timeout', 0)
        status.onTcpWorked(10_000)
        return 10_000
      },
    ],
    [
      'TCP worked before the failure',
      (status: Http3Status) => {
        status.onTcpWorked(0)
        status.onHttp3Failed('timeout', 10_000)
        return 10_000
      },
    ],
  ])('is broken when %s', (_, happens) => {
    const status = fresh()
    const now = happens(status)
    expect([status.name(now), status.mayTry(now), status.isBroken(now)]).toEqual(['broken', false, true])
    expect(status.brokenUntil).toBe(now + 1000)
    expect(status.because(now)).toBe('broken for another 1 s after 1 failure: timeout')
    expect(() => status.onTrialStarted(now)).toThrow('no trial while broken')
  })

  it('does not count the other failures of the same race', () => {
    const status = fresh()
    status.onHttp3Failed('a', 0)
    status.onHttp3Failed('b', 1)
    status.onTcpWorked(2)
    status.onHttp3Failed('c', 3)
    status.onTcpWorked(4)
    expect([status.brokenUntil, status.because(3)]).toEqual([
      1002,
      'broken for another 999 ms after 1 failure: b',
    ])
    status.onTcpWorked(1002)
    expect(status.name(1002)).toBe('failedRecently')
  })

  it('may be tried again when its time has passed, once at a time', () => {
    const status = fresh()
    fail(status, 1)
    expect([status.name(999), status.name(1000), status.mayTry(1000)]).toEqual([
      'broken',
      'failedRecently',
      true,
    ])
    expect(status.because(1000)).toBe('may be tried again after 1 failure, the last 1 s ago: timeout')
    status.onTrialStarted(1000)
    expect([status.mayTry(1000), status.mayUseEarlyData(1000)]).toEqual([false, false])
    expect(status.because(1000)).toBe('a trial is under way after 1 failure, the last 1 s ago: timeout')
    expect(() => status.onTrialStarted(1001)).toThrow('no trial while')
    status.onTrialAbandoned(1002)
    expect(status.mayTry(1002)).toBe(true)
  })

  it('ends a trial with a success: everything is forgotten', () => {
    const status = fresh()
    const now = fail(status, 3)
    status.onTrialStarted(status.brokenUntil!)
    status.onHttp3Worked(now + 5000)
    expect(status.name(now + 5000)).toBe('confirmed')
    const again = fail(status, 1, now + 6000)
    expect(status.brokenUntil).toBe(again + 1000)
  })

  it('counts on where trials complete the handshake and get no answer', () => {
    const status = fresh()
    const now = fail(status, 3)
    const connectedAt = status.brokenUntil!
    status.onTrialStarted(connectedAt)
    status.onHttp3Connected(connectedAt)
    expect([status.name(connectedAt), status.mayTry(connectedAt)]).toEqual(['confirmed', true])
    expect([status.mayUseEarlyData(connectedAt), connectedAt - now]).toEqual([false, 4000])
    fail(status, 1, connectedAt + 50)
    expect(status.brokenUntil).toBe(connectedAt + 50 + 8000)
    const answeredAt = status.brokenUntil!
    status.onHttp3Connected(answeredAt)
    status.onHttp3Worked(answeredAt)
    expect(status.mayUseEarlyData(answeredAt)).toBe(true)
    fail(status, 1, answeredAt + 50)
    expect(status.brokenUntil).toBe(answeredAt + 50 + 1000)
  })

  it('ends a trial with a failure, also where TCP did not work either', () => {
    const status = fresh()
    fail(status, 1)
    status.onTrialStarted(20_000)
    status.onHttp3Failed('timeout', 20_001)
    expect([status.name(20_001), status.mayTry(20_001)]).toEqual(['failedRecently', true])
    status.onTcpWorked(20_002)
    expect(status.brokenUntil).toBe(22_002)
  })

  it('gives up a trial that never reported', () => {
    const status = fresh()
    fail(status, 1)
    status.onTrialStarted(1000)
    expect([status.mayTry(60_999), status.mayTry(61_000)]).toEqual([false, true])
    status.onTrialStarted(61_000)
    expect(status.mayTry(61_000)).toBe(false)
  })

  it('doubles the time with each failure in a row, up to the maximum', () => {
    const status = fresh()
    const lengths = Array.from({ length: 6 }, () => {
      const now = fail(status, 1)
      return status.brokenUntil! - now
    })
    expect(lengths).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
    const now = fail(status, 100)
    expect(status.because(now)).toBe('broken for another 10 s after 64 failures: timeout')
  })

  it('is confirmed by a connection that comes late, while broken', () => {
    const status = fresh()
    fail(status, 1)
    status.onHttp3Worked(10)
    expect([status.name(10), status.brokenUntil]).toEqual(['confirmed', undefined])
  })

  it('breaks after it was confirmed, and stops early data with the failure', () => {
    const status = fresh()
    status.onHttp3Worked(0)
    status.onHttp3Failed('stalled', 20_000)
    expect([status.name(20_000), status.mayUseEarlyData(20_000), status.mayUseEarlyData(30_001)]).toEqual([
      'confirmed',
      false,
      true,
    ])
    status.onTcpWorked(20_500)
    expect([status.name(20_500), status.mayUseEarlyData(20_500)]).toEqual(['broken', false])
  })

  it.each([
    ['broken', 0],
    ['failedRecently', 1000],
  ])('forgets with the network that it was %s', (name, now) => {
    const status = fresh()
    fail(status, 4)
    const at = status.brokenUntil! - 1000 + now
    expect(status.name(at)).toBe(name)
    status.onNetworkChanged(at)
    expect([status.name(at), status.mayTry(at)]).toEqual(['pending', true])
    expect(status.because(at + 2000)).toBe('not tried since the network changed 2 s ago')
    const again = fail(status, 1, at + 5000)
    expect(status.brokenUntil).toBe(again + 1000) // the count began anew
  })

  it('lets what worked show again, on a new network, that it works', () => {
    const status = fresh()
    status.onHttp3Worked(0)
    status.onNetworkChanged(1)
    expect([status.name(1), status.mayUseEarlyData(1)]).toEqual(['pending', false])
    status.onHttp3Worked(2)
    expect(status.because(2)).toBe('worked just now')
  })

  it('does not blame HTTP/3 for what happened on the network before', () => {
    const status = fresh()
    status.onTcpWorked(0)
    status.onNetworkChanged(1)
    status.onHttp3Failed('timeout', 2)
    expect([status.name(2), status.because(2)]).toEqual([
      'pending',
      'failed just now: timeout; not blamed, since TCP was not seen to work then',
    ])
    status.onNetworkChanged(3)
    status.onTcpWorked(4)
    expect(status.name(4)).toBe('pending')
  })

  it('keeps a reason in a few words', () => {
    const status = fresh()
    status.onTcpWorked(0)
    status.onHttp3Failed('x'.repeat(5000), 0)
    expect(status.because(0).length).toBeLessThan(300)
  })

  describe('is kept', () => {
    const moved = (status: Http3Status, now: number) =>
      Http3Status.restore(OPTIONS, status.snapshot(5000, now)!, 4000, now)

    it('not while nothing is known', () => {
      expect(fresh().snapshot(0, 0)).toBeUndefined()
    })

    it('as confirmed', () => {
      const status = fresh()
      status.onHttp3Worked(7)
      expect(status.snapshot(5000, 8)).toEqual({ name: 'confirmed', at: 5007 })
      const restored = moved(status, 2007)
      expect([restored.name(2007), restored.because(2007), restored.changedAt]).toEqual([
        'confirmed',
        'worked 1 s ago',
        1007,
      ])
    })

    it('as broken, with its count', () => {
      const status = fresh()
      const now = fail(status, 2)
      expect(status.snapshot(5000, now)).toEqual({
        name: 'broken',
        at: now + 5000,
        until: now + 7000,
        failures: 2,
        reason: 'timeout',
      })
      const restored = moved(status, now + 1000)
      expect([restored.name(now + 1000), restored.brokenUntil]).toEqual(['broken', now + 3000])
      fail(restored, 1)
      expect(restored.brokenUntil).toBe(now + 3000 + 4000)
    })

    it('as failedRecently, without a trial that was under way', () => {
      const status = fresh()
      fail(status, 1)
      expect(status.snapshot(0, 1000)).toMatchObject({ name: 'failedRecently' })
      status.onTrialStarted(1000)
      expect(status.snapshot(0, 1000)).toMatchObject({ name: 'failedRecently', failures: 1 })
      const restored = moved(status, 3000)
      expect([restored.name(3000), restored.mayTry(3000)]).toEqual(['failedRecently', true])
    })

    it('for no longer than the configuration allows now', () => {
      const snapshot = { name: 'broken' as const, at: 0, until: 1e12, failures: 9, reason: 'x' }
      expect(Http3Status.restore(OPTIONS, snapshot, 0, 100).brokenUntil).toBe(10_100)
    })
  })
})
