import { describe, expect, it } from 'vitest'
import { type Traffic, UnreadDataGuard } from '../../../../src/quic/quiche/unread-data-guard.ts'
import { fc } from '../../../support/property.ts'

const limits = { maxSurplusBytes: 1_000_000, streamWindowBytes: 250_000 }

/** In packets of that size. */
function traffic(receivedBytes: number, packetBytes: number, more: Partial<Traffic> = {}): Traffic {
  const receivedPackets = Math.ceil(receivedBytes / packetBytes)
  return { receivedPackets, receivedBytes, sentBytes: 0, unreadStreams: 0, ...more }
}

const full = (receivedBytes: number, more: Partial<Traffic> = {}): Traffic =>
  traffic(receivedBytes, 1350, more)

describe('UnreadDataGuard', () => {
  it('passes a download with its overhead, however long', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 10_000; i += 1) watchdog.onDelivered(1_000_000)
    expect(watchdog.onTraffic(full(10_400_000_000, { sentBytes: 200_000_000 }))).toBe('fine')
  })

  it('passes many small answers, each in a packet of its own', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 100_000; i += 1) watchdog.onDelivered(10)
    expect(watchdog.onTraffic(traffic(7_500_000, 75, { sentBytes: 10_000_000 }))).toBe('fine')
  })

  it('passes single bytes, each in a packet of its own', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 100_000; i += 1) watchdog.onDelivered(3)
    expect(watchdog.onTraffic(traffic(5_000_000, 50, { sentBytes: 5_000_000 }))).toBe('fine')
  })

  it('passes the messages of many streams, many of them in a packet', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 3_800_000; i += 1) watchdog.onDelivered(22)
    // 38 frames with headers of 9 bytes each.
    expect(watchdog.onTraffic(traffic(121_500_000, 1215, { sentBytes: 5_000_000 }))).not.toBe('flood')
  })

  it('passes the acknowledgements of a long upload, though much of it is lost', () => {
    const acknowledgements = traffic(3_700_000_000, 100, { sentBytes: 100_000_000_000 })
    expect(new UnreadDataGuard(limits).onTraffic(acknowledgements)).toBe('fine')
  })

  it('calls bytes that nobody reads a flood', () => {
    const watchdog = new UnreadDataGuard(limits)
    watchdog.onDelivered(1000)
    expect(watchdog.onTraffic(full(1_000_000))).toBe('fine')
    expect(watchdog.onTraffic(full(1_100_000))).toBe('flood')
  })

  it('is not satisfied by a byte that is read in each packet, and an acknowledgement for it', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 20_000; i += 1) watchdog.onDelivered(1)
    expect(watchdog.onTraffic(traffic(3_700_000, 185, { sentBytes: 1_000_000 }))).toBe('flood')
  })

  it('reports once that a connection is to be retired for the overhead of small packets', () => {
    const watchdog = new UnreadDataGuard(limits)
    expect(watchdog.onTraffic(traffic(3_400_000, 80))).toBe('fine')
    expect(watchdog.onTraffic(traffic(3_600_000, 80))).toBe('worn-out')
    expect(watchdog.onTraffic(traffic(3_700_000, 80))).toBe('fine')
  })

  it('allows a window in addition while a reader stalls', () => {
    const watchdog = new UnreadDataGuard(limits)
    expect(watchdog.onTraffic(full(1_500_000, { unreadStreams: 2 }))).toBe('fine')
    expect(watchdog.onTraffic(full(1_700_000, { unreadStreams: 2 }))).toBe('flood')
  })

  it('allows bytes that lay unread in streams that we stop, however many', () => {
    const watchdog = new UnreadDataGuard(limits)
    let received = 0
    for (let i = 0; i < 1000; i += 1) {
      received += 200_000
      expect(watchdog.onTraffic(full(received, { unreadStreams: 1 }))).not.toBe('flood')
      watchdog.onStopped()
      expect(watchdog.onTraffic(full(received))).not.toBe('flood')
    }
  })

  it('saves up little of that for a peer that makes us stop streams in which nothing has come', () => {
    const watchdog = new UnreadDataGuard(limits)
    for (let i = 0; i < 1000; i += 1) {
      watchdog.onStopped()
      expect(watchdog.onTraffic(full(i))).toBe('fine')
    }
    expect(watchdog.onTraffic(full(2_000_000))).toBe('fine')
    expect(watchdog.onTraffic(full(2_200_000))).toBe('flood')
  })

  it('never trips on a peer that sends at most an eighth more than is read', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 100 }), reads => {
        const watchdog = new UnreadDataGuard(limits)
        let received = 0
        for (const bytes of reads) {
          received += bytes * 1.125
          watchdog.onDelivered(bytes)
          expect(watchdog.onTraffic(full(received))).toBe('fine')
        }
      }),
    )
  })
})
