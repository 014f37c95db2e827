import { describe, expect, it } from 'vitest'
import { NEVER } from '../../../../src/base/clock.ts'
import { type Deadlined, DeadlineTable } from '../../../../src/http/multiplex/deadlines.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

class Item implements Deadlined {
  readonly name: string
  deadlineAt: number
  tableIndex = -1

  constructor(name: string, deadlineAt = NEVER) {
    this.name = name
    this.deadlineAt = deadlineAt
  }
}

function tableAt(startMs = 0): { clock: FakeClock; table: DeadlineTable<Item>; due: string[] } {
  const clock = new FakeClock(startMs)
  const due: string[] = []
  const table: DeadlineTable<Item> = new DeadlineTable(clock, () => {
    table.touch()
    for (const item of table.takeDue()) {
      due.push(`${item.name} at ${clock.now()}`)
      table.remove(item)
    }
  })
  return { clock, table, due }
}

function put(table: DeadlineTable<Item>, name: string, deadlineAt = NEVER): Item {
  const item = new Item(name, deadlineAt)
  table.add(item)
  table.cover(deadlineAt)
  return item
}

describe('the deadlines of a connection', () => {
  it('are each kept on time by one timer', () => {
    const { clock, table, due } = tableAt(100)
    put(table, 'late', 900)
    put(table, 'soon', 300)
    put(table, 'never')
    put(table, 'soon too', 300)
    expect(clock.pendingTimers()).toBeLessThanOrEqual(2)
    clock.advance(199)
    expect(due).toEqual([])
    clock.advance(1)
    expect(due).toEqual(['soon at 300', 'soon too at 300'])
    clock.advance(5000)
    expect(due.slice(2)).toEqual(['late at 900'])
    expect([table.size, clock.pendingTimers()]).toEqual([1, 0])
  })

  it('move without the timer, which finds that out when it fires', () => {
    const { clock, table, due } = tableAt()
    const item = put(table, 'busy', 100)
    for (let now = 50; now < 1000; now += 50) {
      clock.advance(50)
      item.deadlineAt = now + 100
      table.cover(item.deadlineAt)
      expect(clock.pendingTimers()).toBe(1)
    }
    expect(due).toEqual([])
    clock.advance(100)
    expect(due).toEqual(['busy at 1050'])
  })

  it('are forgotten for streams that have ended, whatever the order', () => {
    const { clock, table, due } = tableAt()
    const items = ['a', 'b', 'c', 'd', 'e'].map(name => put(table, name, 100))
    for (const index of [2, 0, 4]) table.remove(items[index] as Item)
    table.remove(items[2] as Item)
    expect(
      table
        .all()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['b', 'd'])
    clock.advance(100)
    expect(due.sort()).toEqual(['b at 100', 'd at 100'])
    expect(table.size).toBe(0)
  })

  it('are set from the time at which a read began, until that is over', () => {
    const { clock, table } = tableAt(10)
    clock.advance(5)
    expect(table.now).toBe(10)
    expect(table.holdTime()).toBe(15)
    clock.advance(5)
    expect([table.touch(), table.now]).toEqual([15, 15])
    table.letTimeGo()
    expect([table.touch(), table.now]).toEqual([20, 20])
  })

  it('leave no timer behind', () => {
    const { clock, table } = tableAt()
    put(table, 'a', 100)
    table.dispose()
    expect(clock.pendingTimers()).toBe(0)
  })
})
