import { describe, expect, it } from 'vitest'
import { AnswerDue } from '../../../../src/http/http3/answer-due.ts'

const PTO_MS = 100
const MIN_MS = 200

/** A peer on a clock: every wish to be called is granted on time. */
class Watched {
  readonly due: AnswerDue
  readonly log: string[] = []
  now = 1_000

  constructor(minMs = MIN_MS) {
    this.due = new AnswerDue(minMs)
  }

  send(): void {
    this.due.onSent(PTO_MS, this.now)
  }

  until(end: number): string[] {
    while (this.due.nextAt <= end) {
      this.now = Math.max(this.now, this.due.nextAt)
      const verdict = this.due.onTimer(this.now)
      if (verdict !== 'fine') this.log.push(`${verdict} ${this.now}`)
      expect(this.due.nextAt).toBeGreaterThan(this.now)
    }
    this.now = end
    return this.log.splice(0)
  }
}

describe('AnswerDue', () => {
  it('asks after one probe timeout, four times in all, and reports after three that the peer does not answer', () => {
    const peer = new Watched()
    expect(peer.due.nextAt).toBe(Number.POSITIVE_INFINITY)
    peer.send()
    expect(peer.until(1_099)).toEqual([])
    expect(peer.due.isInDoubt).toBe(false)
    expect(peer.until(1_299)).toEqual(['ask 1100', 'ask 1150', 'ask 1200', 'ask 1250'])
    expect(peer.due.isInDoubt).toBe(true)
    expect(peer.until(99_000)).toEqual(['unresponsive 1300'])
    expect(peer.due.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('waits for minMs where that is longer, and does not ask more often for it', () => {
    const peer = new Watched(900)
    peer.send()
    expect(peer.until(99_000)).toEqual(['ask 1100', 'ask 1300', 'ask 1500', 'ask 1700', 'unresponsive 1900'])
  })

  it('never asks with 0', () => {
    const peer = new Watched(0)
    peer.send()
    expect([peer.until(99_000), peer.due.isDue, peer.due.isInDoubt]).toEqual([[], false, false])
  })

  it('counts from the first thing that was sent, and anew after anything that came', () => {
    const peer = new Watched()
    peer.send()
    peer.until(1_050)
    peer.send()
    expect(peer.until(1_120)).toEqual(['ask 1100'])
    peer.due.onHeard()
    expect([peer.due.isDue, peer.due.isInDoubt]).toEqual([false, false])
    expect(peer.until(5_000)).toEqual([])
    peer.send()
    expect(peer.until(5_100)).toEqual(['ask 5100'])
  })

  it('reports the next silence again', () => {
    const peer = new Watched()
    peer.send()
    expect(peer.until(2_000).at(-1)).toBe('unresponsive 1300')
    peer.due.onHeard()
    peer.send()
    expect(peer.until(3_000).at(-1)).toBe('unresponsive 2300')
  })

  it('draws no conclusion from a timer that comes late, since what came meanwhile is not read yet', () => {
    const peer = new Watched()
    peer.send()
    peer.until(1_250)
    peer.now = 5_000
    expect(peer.due.onTimer(5_000)).toBe('fine')
    expect(peer.until(5_099)).toEqual([])
    expect(peer.until(5_100)).toEqual(['unresponsive 5100'])
  })

  it('asks four times before it concludes anything, however late the first of them is', () => {
    const peer = new Watched()
    peer.send()
    peer.now = 5_000
    expect(peer.until(6_000)).toEqual(['ask 5100', 'ask 5150', 'ask 5200', 'ask 5250', 'unresponsive 5300'])
  })
})
