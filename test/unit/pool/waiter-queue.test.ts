import { describe, expect, it } from 'vitest'
import { WaiterQueue } from '../../../src/pool/waiter-queue.ts'

describe('the queue of waiters', () => {
  it('is first in, first out', () => {
    const queue = new WaiterQueue<string>()
    queue.push('a', 0, 10)
    queue.push('b', 0, 20)
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual(['a', 'b', undefined])
    queue.assertConsistent()
  })

  it.each([
    ['the head', 'a', ['b', 'c']],
    ['the middle', 'b', ['a', 'c']],
    ['the tail', 'c', ['a', 'b']],
  ])('lets %s leave', (_, waiter, rest) => {
    const queue = new WaiterQueue<string>()
    for (const name of ['a', 'b', 'c']) queue.push(name, 0, 1)
    expect(queue.remove(waiter)).toBe(true)
    expect(queue.remove(waiter)).toBe(false)
    expect(queue.has(waiter)).toBe(false)
    queue.assertConsistent()
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([...rest, undefined])
  })

  it('reports the earliest deadline and drops those whose time has come', () => {
    const queue = new WaiterQueue<string>()
    expect(queue.firstDeadline).toBe(Infinity)
    queue.push('a', 0, 10)
    queue.push('b', 0, 20)
    expect(queue.firstDeadline).toBe(10)
    expect(queue.shiftExpired(9)).toBeUndefined()
    expect(queue.shiftExpired(10)).toBe('a')
    expect(queue.shiftExpired(10)).toBeUndefined()
    expect(queue.firstDeadline).toBe(20)
  })

  it('accepts one back at the head and keeps the order of deadlines', () => {
    const queue = new WaiterQueue<string>()
    queue.push('b', 0, 20)
    queue.pushFront('a', 0, 99)
    queue.assertConsistent()
    expect(queue.firstDeadline).toBe(20)
    expect(queue.shift()).toBe('a')
    queue.pushFront('a', 0, 1)
    expect(queue.firstDeadline).toBe(1)
    queue.remove('b')
    expect(queue.size).toBe(1)
    queue.assertConsistent()
  })

  it('drops the last one that came, and reports since when the head waits', () => {
    const queue = new WaiterQueue<string>()
    expect(queue.headSince).toBeUndefined()
    expect(queue.pop()).toBeUndefined()
    queue.push('a', 5, 10)
    queue.push('b', 7, 20)
    queue.pushFront('c', 9, 30) // as long as who was the head
    expect(queue.headSince).toBe(5)
    expect([queue.pop(), queue.pop()]).toEqual(['b', 'a'])
    queue.assertConsistent()
    expect(queue.pop()).toBe('c')
    expect(queue.size).toBe(0)
    queue.assertConsistent()
  })

  it('refuses one that waits already', () => {
    const queue = new WaiterQueue<string>()
    queue.push('a', 0, 1)
    expect(() => queue.push('a', 0, 2)).toThrow('waits already')
  })
})
