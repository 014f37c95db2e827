import { expect, it } from 'vitest'
import { Fifo } from '../../../../src/base/fifo.ts'
import type { QuicEvent } from '../../../../src/quic/engine.ts'
import type { NativeConnection } from '../../../../src/quic/quiche/binding.ts'
import { Datagrams } from '../../../../src/quic/quiche/datagrams.ts'
import { UnreadDataGuard } from '../../../../src/quic/quiche/unread-data-guard.ts'

const MAX_QUEUED = 64

/** quiche's queue: what has no room drives out the oldest. */
class NativeQueue {
  readonly waiting: Uint8Array[] = []
  dropped = 0

  receive(bytes: number): void {
    this.waiting.push(new Uint8Array(bytes))
    if (this.waiting.length <= MAX_QUEUED) return
    this.waiting.shift()
    this.dropped += 1
  }

  dgramRecvQueueLen(): number {
    return this.waiting.length
  }

  dgramRecvVec(): Uint8Array | null {
    return this.waiting.shift() ?? null
  }
}

it('takes datagrams out of quiche while the packets of one read are taken in, so that none is dropped there', () => {
  const native = new NativeQueue()
  const events = new Fifo<QuicEvent>()
  const guard = new UnreadDataGuard({ maxSurplusBytes: 65_536, streamWindowBytes: 0 })
  const datagrams = new Datagrams(native as unknown as NativeConnection, events, guard, MAX_QUEUED) // all that is called
  const packets = 1_000
  for (let i = 0; i < packets; i++) {
    native.receive(1_000)
    datagrams.onPacket()
  }
  datagrams.poll()
  expect([native.dropped, events.length]).toEqual([0, packets])
  const traffic = { receivedPackets: packets, receivedBytes: packets * 1_030, sentBytes: 0, unreadStreams: 0 }
  expect(guard.onTraffic(traffic)).toBe('fine')
})
