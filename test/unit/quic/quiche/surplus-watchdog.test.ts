import { describe, expect, it } from 'vitest'
import { SurplusWatchdog } from '../../../../src/quic/quiche/surplus-watchdog.ts'
import { fc } from '../../../support/property.ts'

const limits = { maxSurplusBytes: 1_000_000, streamWindowBytes: 250_000 }

describe('SurplusWatchdog', () => {
  it('takes a download with its overhead, however long', () => {
    const watchdog = new SurplusWatchdog(limits)
    for (let i = 0; i < 1000; i += 1) watchdog.onDelivered(1_000_000)
    expect(watchdog.isFlood(1_050_000_000, 0, 0)).toBe(false)
  })

  it('takes many small answers, each in a packet of its own', () => {
    const watchdog = new SurplusWatchdog(limits)
    for (let i = 0; i < 1_000_000; i += 1) watchdog.onDelivered(10)
    expect(watchdog.isFlood(100_000_000, 0, 0)).toBe(false)
  })

  it('takes the acknowledgements of a long upload', () => {
    expect(new SurplusWatchdog(limits).isFlood(40_000_000, 1_000_000, 0)).toBe(false)
  })

  it('calls what reaches nobody a flood', () => {
    const watchdog = new SurplusWatchdog(limits)
    watchdog.onDelivered(1000)
    expect(watchdog.isFlood(1_000_000, 0, 0)).toBe(false)
    expect(watchdog.isFlood(1_100_000, 0, 0)).toBe(true)
  })

  it('allows a window on top while somebody sleeps', () => {
    const watchdog = new SurplusWatchdog(limits)
    expect(watchdog.isFlood(1_400_000, 0, 2)).toBe(false)
    expect(watchdog.isFlood(1_600_000, 0, 2)).toBe(true)
  })

  it('never trips on a peer that sends at most an eighth more than is read', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 100 }), reads => {
        const watchdog = new SurplusWatchdog(limits)
        let received = 0
        for (const bytes of reads) {
          received += bytes * 1.125
          watchdog.onDelivered(bytes)
          expect(watchdog.isFlood(received, 0, 0)).toBe(false)
        }
      }),
    )
  })
})
