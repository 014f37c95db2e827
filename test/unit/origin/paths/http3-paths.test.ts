import { beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../../../src/base/events/connection.ts'
import { Http3Path, type PathUser } from '../../../../src/origin/paths/http3-paths.ts'
import type { QuicConnection } from '../../../../src/quic/engine.ts'

describe('the path of an HTTP/3 connection', () => {
  const quic = { receivedBytes: 5_000 }
  let blamed: [Http3Path, string][]
  let path: Http3Path
  let proven: number
  let pings: number
  beforeEach(() => {
    blamed = []
    proven = 0
    pings = 0
    quic.receivedBytes = 5_000
    const ping = () => {
      pings++
      return Promise.reject(new Error('no pong'))
    }
    path = new Http3Path({ ping } as unknown as Connection, quic as QuicConnection, 'shop.test:443', {
      patienceMs: () => 70,
      onPathProven: () => void proven++,
      onPathFailed: (one, because) => void blamed.push([one, because]),
    })
  })
  const reasons = () => blamed.map(([, because]) => because)

  it('is suspect until a response came over it, however much is received', () => {
    const before = path.receivedBytes
    quic.receivedBytes += 100
    expect([path.isSuspect(before), path.isSilent(before)]).toEqual([true, false])
    path.isProven = true
    expect(path.isSuspect(before)).toBe(false)
  })

  it('is suspect again when nothing at all is received', () => {
    path.isProven = true
    expect([path.isSuspect(path.receivedBytes), path.isSilent(path.receivedBytes)]).toEqual([true, true])
  })

  it('is proven by its first response, and reports so once', () => {
    path.onAnswered()
    path.onAnswered()
    expect([path.isProven, proven]).toEqual([true, 1])
  })

  it('notifies those who wait for an answer over it that it has become unresponsive, until something comes', () => {
    const told: string[] = []
    const user = (name: string): PathUser => ({ onPathUnresponsive: () => void told.push(name) })
    const [stays, goes] = [user('stays'), user('goes')]
    path.join(stays)
    path.join(goes)
    path.leave(goes)
    expect(path.isUnresponsive).toBe(false)
    path.onUnresponsive()
    expect([told, path.isUnresponsive]).toEqual([['stays'], true])
    quic.receivedBytes += 1
    expect(path.isUnresponsive).toBe(false)
  })

  it('asks its peer with a PING, and is not judged by that yet', () => {
    path.check()
    expect([pings, path.hasFailed]).toEqual([1, false])
  })

  it('waits as long as its host sets', () => {
    expect(path.patienceMs).toBe(70)
  })

  describe('that TCP has overtaken', () => {
    it.each([true, false])('is to blame when it is silent, proven (%s) or not', isProven => {
      path.isProven = isProven
      path.onOvertaken(path.receivedBytes, 120.4, 119)
      expect(reasons()).toEqual(['silent for 120 ms, while TCP answered'])
      expect([blamed[0]?.[0], path.hasFailed]).toEqual([path, true])
    })

    it('is to blame when it never answered and TCP needed less than half of the time', () => {
      const before = path.receivedBytes
      quic.receivedBytes += 1 // it acknowledges, and answers nothing
      path.onOvertaken(before, 200, 99)
      expect(reasons()).toEqual(['no answer within 200 ms, while TCP answered in 99 ms'])
    })

    it('is not to blame when the origin is slow on both', () => {
      const before = path.receivedBytes
      quic.receivedBytes += 1
      path.onOvertaken(before, 200, 100)
      expect([reasons(), path.hasFailed]).toEqual([[], false])
    })

    it('is to blame when TCP was ahead for the second time, and it still never answered', () => {
      quic.receivedBytes += 1
      path.onOvertaken(0, 200, 150)
      expect(reasons()).toEqual([])
      path.onOvertaken(0, 200, 150)
      expect(reasons()).toEqual(['no answer within 200 ms, while TCP answered in 150 ms'])
    })

    it('is to blame when it never answered and TCP was ahead for the second time', () => {
      const before = path.receivedBytes
      quic.receivedBytes += 1
      path.onOvertaken(before, 200, 150)
      path.onOvertaken(before, 200, 150)
      expect(reasons()).toEqual(['no answer within 200 ms, while TCP answered in 150 ms'])
    })

    it('is not to blame for one slow answer after others, while it receives', () => {
      path.isProven = true
      const before = path.receivedBytes
      quic.receivedBytes += 1
      path.onOvertaken(before, 2_000, 10)
      path.onOvertaken(before, 2_000, 10)
      expect(reasons()).toEqual([])
    })
  })
})
