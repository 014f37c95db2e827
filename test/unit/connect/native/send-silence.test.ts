import { describe, expect, it } from 'vitest'
import { SendSilence, type SendState } from '../../../../src/connect/native/dead-peer-detector.ts'
import { fc } from '../../../support/property.ts'

const state = (unackedSegments: number, sinceHeardMs: number, unansweredProbes = 0): SendState => ({
  unackedSegments,
  unansweredProbes,
  sinceHeardMs,
})

describe('SendSilence', () => {
  it('begins with the look that finds something outstanding, however long nothing was heard before', () => {
    const silence = new SendSilence()
    expect(silence.look(state(0, 300_000), 300_000)).toBe(0)
    expect(silence.look(state(1, 302_500), 302_500)).toBe(0)
    expect(silence.look(state(1, 305_000), 305_000)).toBe(2_500)
    expect(silence.look(state(3, 320_000), 320_000)).toBe(17_500)
  })

  it('begins anew when the peer was heard, with the same segments outstanding or not', () => {
    const silence = new SendSilence()
    silence.look(state(4, 0), 1_000)
    expect(silence.look(state(4, 100), 3_500)).toBe(0)
    expect(silence.look(state(4, 2_600), 6_000)).toBe(2_500)
  })

  it('takes the jiffies of the kernel for no proof of liveness', () => {
    const silence = new SendSilence()
    silence.look(state(1, 0), 1_000)
    expect(silence.look(state(1, 2_492), 3_500)).toBe(2_500)
  })

  it('begins anew when the peer was heard right after a look', () => {
    const silence = new SendSilence()
    silence.look(state(1, 24_000), 184_910)
    // Heard at 184,911, and asked again since.
    expect(silence.look(state(0, 409, 1), 185_320)).toBe(0)
  })

  it('is over when everything is acknowledged', () => {
    const silence = new SendSilence()
    silence.look(state(1, 500), 1_000)
    expect(silence.look(state(0, 3_000), 3_500)).toBe(0)
    expect(silence.look(state(1, 5_500), 6_000)).toBe(0)
  })

  it('is as long as its probes go unanswered where the window is closed', () => {
    const silence = new SendSilence()
    expect(silence.look(state(0, 4_000, 0), 1_000), 'between two probes').toBe(0)
    expect(silence.look(state(0, 6_500, 1), 3_500), 'a probe has just left').toBe(0)
    expect(silence.look(state(0, 200, 0), 6_000), 'it was answered').toBe(0)
    expect(silence.look(state(0, 5_200, 1), 11_000)).toBe(0)
    expect(silence.look(state(0, 25_200, 4), 31_000)).toBe(20_000)
  })

  it('is never overstated for a peer that answers each probe in time, whatever the pauses', () => {
    const pauses = fc.array(
      fc.record({
        pauseMs: fc.integer({ min: 200, max: 120_000 }), // TCP_RTO_MIN: probes are no closer
        answerMs: fc.integer({ min: 1, max: 1_000 }),
      }),
      { minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(pauses, fc.integer({ min: 50, max: 2_500 }), (probes, lookMs) => {
        const silence = new SendSilence()
        let heardAt = 0
        let at = 0
        let lookAt = lookMs
        for (const { pauseMs, answerMs } of probes) {
          const sentAt = at + pauseMs
          at = sentAt + answerMs
          for (; lookAt < at; lookAt += lookMs) {
            const out = lookAt < sentAt ? 0 : 1
            const silentMs = silence.look(state(0, lookAt - heardAt, out), lookAt)
            if (silentMs > answerMs) throw new Error(`${silentMs} ms at ${lookAt}, asked at ${sentAt}`)
          }
          heardAt = at
        }
      }),
    )
  })
})
