import { describe, expect, it } from 'vitest'
import { StallMeter } from '../../../../src/http/http3/inbound-messages.ts'

describe('StallMeter', () => {
  const stream = (lastReadAt = 0) => ({ stallMs: 0, lastReadAt, hasSlept: false })

  it('measures nothing where everything comes in order', () => {
    const meter = new StallMeter()
    const [one, other] = [stream(), stream()]
    for (let now = 10; now <= 1000; now += 10) {
      meter.onTurn(2500, now)
      meter.onRead(one, 1200, now)
      meter.onRead(other, 1200, now)
    }
    expect([one.stallMs, other.stallMs]).toEqual([0, 0])
  })

  it('counts what a stream yields beyond what arrived as stalled since nobody could read it', () => {
    const meter = new StallMeter()
    const [stuck, fine] = [stream(), stream()]
    meter.onTurn(2500, 10)
    meter.onRead(stuck, 1200, 10)
    meter.onRead(fine, 1200, 10)
    // Five datagrams come that nobody can read.
    meter.onTurn(6250, 20)
    meter.onTurn(1250, 60)
    meter.onRead(stuck, 7200, 60)
    expect([stuck.stallMs, fine.stallMs]).toEqual([40, 0])
    // And that was that.
    meter.onTurn(1250, 100)
    meter.onRead(stuck, 1200, 100)
    expect(stuck.stallMs).toBe(40)
  })

  it('does not count bytes that waited for a stalled reader', () => {
    const meter = new StallMeter()
    const stalled = stream()
    meter.onTurn(6250, 20)
    stalled.hasSlept = true
    meter.onTurn(0, 500)
    meter.onRead(stalled, 6000, 500)
    expect([stalled.stallMs, stalled.hasSlept]).toEqual([0, false])
  })

  it('takes less than a datagram that nobody reads for acknowledgements', () => {
    const meter = new StallMeter()
    const one = stream()
    for (let now = 0; now < 20; now++) meter.onTurn(1000, now)
    meter.onTurn(1250, 1000)
    meter.onRead(one, 1200, 1000)
    expect(one.stallMs).toBe(0)
  })
})
