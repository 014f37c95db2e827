import { describe, expect, it } from 'vitest'
import type { WebTransportCarrier } from '../../../src/base/http/web-transport-carrier.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { SessionDatagrams } from '../../../src/webtransport/datagrams.ts'

/** A connection that takes so many datagrams, of 10 bytes at the most. */
function carrierOf(room: number) {
  const sent: string[] = []
  const carrier = {
    maxDatagramBytes: 10,
    sendDatagram: (bytes: Uint8Array) => {
      if (sent.length >= room) return false
      sent.push(Buffer.from(bytes).toString())
      return true
    },
  } as unknown as WebTransportCarrier // what is called of it
  return { carrier, sent }
}

describe('the datagrams of a session that a proxy carries', () => {
  it('come in the call that brings them, those from before it listened first', () => {
    const datagrams = new SessionDatagrams(new FakeClock())
    const came: string[] = []
    datagrams.receive(Buffer.from('before'))
    datagrams.onDatagram = payload => came.push(Buffer.from(payload).toString())
    expect(came).toEqual(['before'])
    datagrams.receive(Buffer.from('now'))
    expect(came).toEqual(['before', 'now'])
    expect(datagrams.lost).toEqual({ unread: 0, oversized: 0, unsent: 0 })
  })

  it('leave in the call that relays them, and wait in a short queue that drops the oldest', () => {
    const datagrams = new SessionDatagrams(new FakeClock())
    datagrams.outgoingHighWaterMark = 2
    const narrow = carrierOf(1)
    datagrams.begin(narrow.carrier)
    for (const text of ['1', '2', '3', '4', 'longer than 10 bytes']) datagrams.relay(Buffer.from(text))
    expect(narrow.sent).toEqual(['1'])
    expect(datagrams.lost).toEqual({ unread: 0, oversized: 0, unsent: 2 })
    const wide = carrierOf(9)
    datagrams.begin(wide.carrier)
    expect(wide.sent).toEqual(['4'])
    expect(datagrams.lost.oversized).toBe(1)
  })

  it('are nobody’s when the session is over', () => {
    const datagrams = new SessionDatagrams(new FakeClock())
    const { carrier, sent } = carrierOf(9)
    datagrams.begin(carrier)
    let came = 0
    datagrams.onDatagram = () => (came += 1)
    datagrams.end(new Error('over') as never, false)
    datagrams.receive(Buffer.from('late'))
    datagrams.relay(Buffer.from('late'))
    expect([came, sent]).toEqual([0, []])
  })
})
