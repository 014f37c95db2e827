import { expect, test } from 'vitest'
import { type Ordered, SendOrders } from '../../../src/webtransport/send-orders.ts'

function stream(order: number): Ordered & { urgency: number } {
  return {
    order,
    urgency: 3,
    prioritize(urgency) {
      this.urgency = urgency
    },
  }
}

test('orders above and below 0 become urgencies, the nearest to 0 first', () => {
  const orders = new SendOrders()
  const streams = [1000, 10, 500, 7, -3, -100, 0].map(stream)
  for (const one of streams) orders.add(one, null)
  expect(streams.map(({ urgency }) => urgency)).toEqual([0, 1, 0, 2, 4, 5, 3])
})

test('an order that is not used any more moves the others up', () => {
  const orders = new SendOrders()
  const [near, middle, far] = [stream(1), stream(2), stream(3)]
  for (const one of [far, near, middle]) orders.add(one, null)
  expect([near, middle, far].map(({ urgency }) => urgency)).toEqual([2, 1, 0])
  orders.remove(near, null)
  expect([middle.urgency, far.urgency]).toEqual([2, 1])
})

test('groups are apart, and one of another session is refused', () => {
  const orders = new SendOrders()
  const group = orders.newGroup()
  const [grouped, other] = [stream(5), stream(1)]
  orders.add(other, null)
  orders.add(grouped, group)
  expect(grouped.urgency).toBe(2)
  expect(orders.groupOf(group)).toBe(group)
  expect(() => orders.groupOf(new SendOrders().newGroup())).toThrow(/createSendGroup/)
})
