import { describe, expect, it } from 'vitest'
import {
  MAX_MESSAGE_BYTES,
  MAX_SEGMENTS,
  type PlannedMessage,
  planMessage,
  type QueuedDatagrams,
} from '../../../../src/quic/udp/batch-plan.ts'
import { fc } from '../../../support/property.ts'

const queue = (lengths: readonly number[], routes: readonly number[] = []): QueuedDatagrams => ({
  count: lengths.length,
  lengthAt: index => lengths[index] ?? 0,
  routeAt: index => routes[index] ?? 0,
})

function plan(queued: QueuedDatagrams, isSegmenting = true): PlannedMessage[] {
  const messages: PlannedMessage[] = []
  for (let next = 0; next < queued.count; ) {
    const message: PlannedMessage = { count: 0, bytes: 0, segmentBytes: 0 }
    planMessage(queued, next, isSegmenting, message)
    messages.push(message)
    next += message.count
  }
  return messages
}

const counts = (messages: readonly PlannedMessage[]): number[] => messages.map(({ count }) => count)

describe('datagrams that leave together', () => {
  it('are one message when they are of one size', () => {
    expect(plan(queue([1350, 1350, 1350]))).toEqual([{ count: 3, bytes: 4050, segmentBytes: 1350 }])
  })

  it('end with a shorter one, and before a longer one', () => {
    expect(counts(plan(queue([1350, 1350, 400, 1350])))).toEqual([3, 1])
    expect(counts(plan(queue([400, 1350, 1350])))).toEqual([1, 2])
  })

  it('are sent without segmentation when they are alone', () => {
    expect(plan(queue([1200]))).toEqual([{ count: 1, bytes: 1200, segmentBytes: 0 }])
    expect(counts(plan(queue([1350, 1350, 1350]), false))).toEqual([1, 1, 1])
  })

  it('are separate messages for each peer', () => {
    expect(counts(plan(queue([100, 100, 100, 100], [0, 0, 1, 1])))).toEqual([2, 2])
  })

  it('are bounded by the segments of the kernel, and by the length of an IP packet', () => {
    expect(counts(plan(queue(Array.from({ length: 130 }, () => 100))))).toEqual([
      MAX_SEGMENTS,
      MAX_SEGMENTS,
      2,
    ])
    const big = plan(queue(Array.from({ length: 60 }, () => 1452)))
    expect(big[0]?.bytes).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
    expect(counts(big)).toEqual([44, 16])
  })

  it('leave once each, in order, whatever they are', () => {
    const datagram = fc.record({ length: fc.integer({ min: 1, max: 65_000 }), route: fc.nat(2) })
    fc.assert(
      fc.property(fc.array(datagram, { maxLength: 200 }), fc.boolean(), (datagrams, isSegmenting) => {
        const lengths = datagrams.map(({ length }) => length)
        const messages = plan(
          queue(
            lengths,
            datagrams.map(({ route }) => route),
          ),
          isSegmenting,
        )
        let next = 0
        for (const { count, bytes, segmentBytes } of messages) {
          const part = datagrams.slice(next, next + count)
          next += count
          expect(part.reduce((sum, { length }) => sum + length, 0)).toBe(bytes)
          expect(new Set(part.map(({ route }) => route)).size).toBe(1)
          expect(count).toBeLessThanOrEqual(isSegmenting ? MAX_SEGMENTS : 1)
          expect(bytes).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
          if (count === 1) expect(segmentBytes).toBe(0)
          else {
            expect(part.slice(0, -1).every(({ length }) => length === segmentBytes)).toBe(true)
            expect(part.at(-1)?.length).toBeLessThanOrEqual(segmentBytes)
          }
        }
        expect(next).toBe(datagrams.length)
      }),
    )
  })
})
