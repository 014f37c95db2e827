import { describe, expect, it } from 'vitest'
import type { LivenessOptions } from '../../../../../src/base/options/protocol-options.ts'
import { responseBlock } from '../../../../support/http2-fields.ts'
import { data, FLAG, frame, headers, ping, TYPE, windowUpdate } from '../../../../support/http2-wire.ts'
import { POST, SessionRig } from './session-rig.ts'

const LIVENESS: LivenessOptions = {
  intervalMs: 1_000,
  timeoutMs: 3_000,
  idleIntervalMs: 0,
  quietIntervalMs: 60_000,
}

/** A session whose timer is never late. */
class Timed extends SessionRig {
  constructor(liveness: Partial<LivenessOptions> = {}) {
    super('client', { liveness: { ...LIVENESS, ...liveness } })
  }

  /** The pings that were put out until then, each with its time. */
  until(end: number): number[] {
    const pings: number[] = []
    for (let at = this.session.nextTimeoutAt; at <= end; at = this.session.nextTimeoutAt) {
      this.now = at
      this.session.onTimeout(at)
      for (const { type, flags } of this.wire()) if (type === TYPE.PING && flags === 0) pings.push(at)
    }
    this.now = end
    return pings
  }

  answer(): void {
    const payload = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])
    this.receive(frame(TYPE.PING, FLAG.ACK, 0, payload))
  }
}

describe('liveness of an HTTP/2 session', () => {
  it('asks by PING while an exchange waits, and ends all of them when nothing comes', () => {
    const rig = new Timed()
    expect(rig.until(50_000)).toEqual([])
    rig.open()
    rig.open()
    expect(rig.until(53_999)).toEqual([51_000])
    expect(rig.log()).toEqual([])
    expect(rig.until(60_000)).toEqual([])
    expect(rig.log()).toEqual([
      'ending',
      'closed 1 failed',
      'reset 1 NO_ERROR session',
      'closed 3 failed',
      'reset 3 NO_ERROR session',
      'over NO_ERROR silent',
    ])
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('gives a stalled reader the rest of what had come whole before it ends the others', () => {
    const rig = new Timed()
    for (const id of [1, 3]) {
      rig.open().pause()
      rig.receive(headers(id, responseBlock()), data(id, 'answer', id === 1 ? FLAG.END_STREAM : 0))
    }
    rig.log()
    rig.until(60_000)
    expect(rig.log()).toEqual([
      'ending',
      'data 1 6',
      'closed 1',
      'end 1',
      'closed 3 failed',
      'reset 3 NO_ERROR session',
      'over NO_ERROR silent',
    ])
  })

  it('never asks while bytes come, of whatever kind', () => {
    const rig = new Timed()
    rig.open(POST, false)
    for (const bytes of [windowUpdate(0, 5_000), ping(), headers(1, responseBlock()), data(1, 'abc')]) {
      expect(rig.until(rig.now + 999)).toEqual([])
      rig.receive(bytes)
      rig.wire()
    }
    expect(rig.until(rig.now + 1_000)).toEqual([rig.now])
  })

  it('spares a server that counts pings: one that sends only answers and control frames is asked again after quietIntervalMs', () => {
    const rig = new Timed()
    rig.open(POST, false)
    expect(rig.until(1_500)).toEqual([1_000])
    rig.answer()
    for (let second = 2; second < 60; second++) {
      expect(rig.until(second * 1_000)).toEqual([])
      rig.receive(windowUpdate(0, 5_000), ping())
      rig.wire()
    }
    expect(rig.until(61_500)).toEqual([61_000])
    rig.answer()
    rig.receive(headers(1, responseBlock()))
    expect(rig.until(63_000)).toEqual([62_500])
  })

  it('shares one PING with a check that is under way, in both directions', () => {
    const rig = new Timed()
    rig.open()
    rig.wire()
    rig.until(900)
    rig.session.ping()
    expect(rig.frames()).toHaveLength(1)
    expect(rig.until(1_100)).toEqual([])
    rig.answer()
    expect(rig.log()).toEqual(['pong'])
    const other = new Timed()
    other.open()
    expect(other.until(1_200)).toEqual([1_000])
    other.session.ping()
    expect(other.frames()).toEqual([])
    other.answer()
    expect(other.log()).toEqual(['pong'])
    other.session.ping()
    expect(other.frames()).toHaveLength(1)
  })

  it('keeps asking for an exchange that was given up unanswered', () => {
    const rig = new Timed()
    rig.open().reset('CANCEL')
    rig.log()
    expect(rig.until(9_000)).toEqual([1_000])
    expect(rig.log()).toEqual(['ending', 'over NO_ERROR silent'])
  })

  it('asks idle peers where the options say so', () => {
    const rig = new Timed({ idleIntervalMs: 5_000 })
    expect(rig.until(5_500)).toEqual([5_000])
    rig.answer()
    expect(rig.until(10_500)).toEqual([10_500])
    expect(rig.until(20_000)).toEqual([])
    expect(rig.log().at(-1)).toBe('over NO_ERROR silent')
  })

  it('waits for a PING that is behind an upload on a slow path', () => {
    const rig = new Timed()
    const stream = rig.open(POST, false)
    stream.write(Buffer.alloc(40_000), chunk => chunk)
    rig.session.takeOutput()
    stream.write(Buffer.alloc(20_000), chunk => chunk)
    rig.now = 1_000
    rig.session.onTimeout(1_000)
    rig.now = 3_900
    rig.session.releaseOutput() // what was ahead has left only now; the PING has not
    rig.session.takeOutput()
    const until = (end: number): void => {
      for (let at = rig.session.nextTimeoutAt; at <= end; at = rig.session.nextTimeoutAt)
        rig.session.onTimeout(at)
    }
    until(6_999)
    expect(rig.log()).toEqual([])
    until(7_000)
    expect(rig.log().at(-1)).toBe('over NO_ERROR silent')
  })

  it('is off by default', () => {
    const rig = new SessionRig('client')
    rig.open()
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })
})
