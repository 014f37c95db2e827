import { describe, expect, it } from 'vitest'
import type { NativeConnection } from '../../../../src/quic/quiche/binding.ts'
import { LocalStreams } from '../../../../src/quic/quiche/local-streams.ts'

/** Only what LocalStreams asks; a stream counts for quiche with its first write. */
class FakeNative {
  bidirectional = 0
  asked = 0

  peerStreamsLeftBidi(): number {
    this.asked += 1
    return this.bidirectional
  }

  peerStreamsLeftUni(): number {
    return 1
  }
}

function streamsOver(native: FakeNative): LocalStreams {
  return new LocalStreams(native as unknown as NativeConnection, 'client', 'bidirectional') // as: see FakeNative
}

describe('the streams that we open', () => {
  it('are numbered in steps of four, and no more than the peer allows', () => {
    const native = new FakeNative()
    native.bidirectional = 3
    const streams = streamsOver(native)
    expect([streams.open(), streams.open(), streams.open(), streams.open()]).toEqual([0, 4, 8, undefined])
  })

  it('count when they are handed out, whether quiche knows them or not', () => {
    const native = new FakeNative()
    native.bidirectional = 3
    const streams = streamsOver(native)
    streams.open()
    streams.open()
    expect(streams.left()).toBe(1)
    native.bidirectional = 2
    streams.onCreated(0)
    streams.onLimitsMoved()
    expect(streams.left()).toBe(1)
  })

  it('ask quiche again only when the limit may have changed', () => {
    const native = new FakeNative()
    native.bidirectional = 1
    const streams = streamsOver(native)
    streams.left()
    native.bidirectional = 5
    expect([streams.left(), native.asked]).toEqual([1, 1])
    streams.onLimitsMoved()
    expect([streams.left(), native.asked]).toEqual([5, 2])
    streams.open()
    expect([streams.left(), native.asked]).toEqual([4, 2])
  })
})
