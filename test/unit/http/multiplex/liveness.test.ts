import { describe, expect, it } from 'vitest'
import {
  Liveness,
  type LivenessRules,
  type LivenessVerdict,
} from '../../../../src/http/multiplex/liveness.ts'

const RULES: LivenessRules = {
  intervalMs: 100,
  timeoutMs: 250,
  idleIntervalMs: 0,
  quietIntervalMs: 1_000,
  isLossy: false,
}

/** A connection that only has a clock: every wish to be called is granted on time. */
class Watched {
  readonly liveness: Liveness
  readonly log: string[] = []
  isBusy = false
  now = 1_000

  constructor(rules: Partial<LivenessRules> = {}) {
    this.liveness = new Liveness({ ...RULES, ...rules })
    this.liveness.start(this.now)
  }

  begin(): void {
    if (!this.isBusy) this.liveness.onBusy(this.now)
    this.isBusy = true
  }

  until(end: number): string[] {
    for (;;) {
      const { nextAt } = this.liveness
      if (nextAt > end) break
      this.now = Math.max(this.now, nextAt)
      this.#note(this.liveness.onTimer(this.isBusy, this.now))
      expect(this.liveness.nextAt).toBeGreaterThan(this.now)
    }
    this.now = end
    return this.log.splice(0)
  }

  hear(what: 'spoken' | 'answer' = 'answer'): void {
    this.liveness.onHeard(this.now)
    if (what === 'spoken') this.liveness.onSpoken(this.now)
  }

  #note(verdict: LivenessVerdict): void {
    if (verdict !== 'fine') this.log.push(`${verdict} ${this.now}`)
  }
}

describe('Liveness', () => {
  it('asks when an exchange has waited for intervalMs, and gives up timeoutMs later', () => {
    const peer = new Watched()
    expect(peer.liveness.nextAt).toBe(Number.POSITIVE_INFINITY)
    peer.until(5_000)
    peer.begin()
    expect(peer.until(5_349)).toEqual(['ask 5100'])
    expect(peer.liveness.isAsking).toBe(true)
    expect(peer.until(9_000)).toEqual(['dead 5350'])
    expect(peer.liveness.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('counts from the last byte, whatever it was', () => {
    const peer = new Watched()
    peer.begin()
    for (const at of [1_099, 1_150, 1_249]) {
      expect(peer.until(at)).toEqual([])
      peer.hear('spoken')
    }
    expect(peer.until(9_000)).toEqual(['ask 1349', 'dead 1599'])
  })

  it('accepts any byte as an answer', () => {
    const peer = new Watched()
    peer.begin()
    expect(peer.until(1_349)).toEqual(['ask 1100'])
    peer.hear('spoken')
    expect([peer.liveness.isAsking, peer.until(1_448), peer.until(1_449)]).toEqual([false, [], ['ask 1449']])
  })

  it('asks a peer that only answers again after quietIntervalMs, and after intervalMs once it has sent more', () => {
    const peer = new Watched()
    peer.begin()
    expect(peer.until(1_110)).toEqual(['ask 1100'])
    peer.hear()
    expect(peer.until(2_110)).toEqual(['ask 2100'])
    peer.hear()
    expect(peer.until(2_500)).toEqual([])
    peer.hear('spoken')
    expect(peer.until(9_000)).toEqual(['ask 2600', 'dead 2850'])
  })

  it('does not ask such a peer a second time without a quietIntervalMs', () => {
    const peer = new Watched({ quietIntervalMs: 0 })
    peer.begin()
    expect(peer.until(1_110)).toEqual(['ask 1100'])
    peer.hear()
    expect(peer.until(1e9)).toEqual([])
    peer.hear('spoken')
    expect(peer.until(1e9 + 100)).toEqual([`ask ${1e9 + 100}`])
  })

  it('does not ask while nothing is under way', () => {
    const peer = new Watched()
    peer.begin()
    peer.until(1_050)
    peer.hear('spoken')
    peer.isBusy = false
    expect(peer.until(1e9)).toEqual([])
  })

  it('remembers an exchange that was given up before anything came', () => {
    const peer = new Watched()
    for (const at of [1_000, 1_040, 1_070]) {
      peer.until(at)
      peer.begin()
      peer.until(at + 20)
      peer.isBusy = false
    }
    expect(peer.until(9_000)).toEqual(['ask 1100', 'dead 1350'])
  })

  it('asks idle peers every idleIntervalMs, when that is set', () => {
    const peer = new Watched({ idleIntervalMs: 400 })
    expect(peer.until(1_410)).toEqual(['ask 1400'])
    peer.hear()
    expect(peer.until(1_820)).toEqual(['ask 1810'])
    peer.hear()
    // An ask that nobody owed anything for does not make the next one wait.
    peer.begin()
    expect(peer.until(9_000)).toEqual(['ask 1920', 'dead 2170'])
  })

  it('repeats a ping on a carrier that loses packets, and the first one counts', () => {
    const peer = new Watched({ isLossy: true })
    peer.begin()
    expect(peer.until(9_000)).toEqual(['ask 1100', 'ask 1200', 'ask 1300', 'dead 1350'])
  })

  it('never asks and never gives up with intervals of 0', () => {
    const careless = new Watched({ intervalMs: 0 })
    careless.begin()
    expect(careless.until(1e9)).toEqual([])
    const patient = new Watched({ timeoutMs: 0 })
    patient.begin()
    expect(patient.until(1e9)).toEqual(['ask 1100'])
    patient.hear('spoken')
    expect(patient.until(1e9 + 200)).toEqual([`ask ${1e9 + 100}`])
  })

  it('checks again when it was called late, since the answer may wait to be read', () => {
    const peer = new Watched()
    peer.begin()
    peer.until(1_200)
    expect(peer.liveness.onTimer(true, 60_000)).toBe('fine')
    expect(peer.liveness.nextAt).toBe(60_100)
    peer.now = 60_001
    peer.hear('spoken')
    expect(peer.until(60_300)).toEqual(['ask 60101'])
    expect(peer.liveness.onTimer(true, 90_000)).toBe('fine')
    peer.now = 90_000
    expect(peer.until(99_000)).toEqual(['dead 90100'])
  })

  it('gives a ping its time when it could not leave at once', () => {
    const peer = new Watched()
    peer.begin()
    peer.until(1_349)
    peer.liveness.onDelayed(1_340)
    expect(peer.until(9_000)).toEqual(['dead 1590'])
  })
})
