import { expect, test } from 'vitest'
import { DatagramQueue } from '../../../src/webtransport/datagram-queue.ts'

const of = (byte: number): Uint8Array => Uint8Array.of(byte)

test('a full queue gives up its oldest datagram for a new one', () => {
  const queue = new DatagramQueue(2, Number.POSITIVE_INFINITY)
  for (const byte of [1, 2, 3]) queue.push(of(byte), 0)
  expect(queue.length).toBe(2)
  expect(queue.dropped).toBe(1)
  expect(queue.peek(0)).toEqual(of(2))
})

test('a datagram that waited for too long is dropped when its turn comes', () => {
  const queue = new DatagramQueue(10, 100)
  queue.push(of(1), 0)
  queue.push(of(2), 60)
  expect(queue.peek(130)).toEqual(of(2))
  expect(queue.expired).toBe(1)
  queue.shift()
  expect(queue.peek(130)).toBeUndefined()
})
