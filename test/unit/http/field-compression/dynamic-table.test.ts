import { describe, expect, it } from 'vitest'
import { DynamicTable } from '../../../../src/http/field-compression/dynamic-table.ts'

function contents(table: DynamicTable): string[] {
  return Array.from({ length: table.count }, (_, i) => `${table.nameAt(i)}=${table.valueAt(i)}`)
}

describe('the dynamic table', () => {
  it('has the newest entry first and evicts the oldest ones for it', () => {
    const evicted: string[] = []
    const table = new DynamicTable(3 * 34, (name, number) => evicted.push(`${number} ${name}`))
    for (const name of ['a', 'b', 'c']) table.insert(name, '1')
    expect([contents(table), table.bytes]).toEqual([['c=1', 'b=1', 'a=1'], 102])
    table.insert('d', '22')
    expect([contents(table), table.bytes]).toEqual([['d=22', 'c=1'], 69])
    expect(evicted).toEqual(['0 a', '1 b'])
    expect(table.inserted).toBe(4)
  })

  it('accepts an entry that fills it', () => {
    const table = new DynamicTable(100)
    table.insert('a', '1')
    table.insert('name', 'x'.repeat(64))
    expect([table.count, table.bytes]).toEqual([1, 100])
  })

  it('is emptied by an entry that is larger than the table (RFC 7541 4.4)', () => {
    const evicted: string[] = []
    const table = new DynamicTable(99, name => evicted.push(name))
    table.insert('a', '1')
    table.insert('name', 'x'.repeat(64))
    expect([table.count, table.bytes, table.inserted, evicted]).toEqual([0, 0, 1, ['a']])
    table.insert('b', '2')
    expect(contents(table)).toEqual(['b=2'])
  })

  it('evicts when it is made smaller, and forgets nothing when made larger', () => {
    const table = new DynamicTable(200)
    for (const name of ['a', 'b', 'c']) table.insert(name, '1')
    table.resize(68)
    expect(contents(table)).toEqual(['c=1', 'b=1'])
    table.resize(67)
    expect(contents(table)).toEqual(['c=1'])
    table.resize(4096)
    expect(contents(table)).toEqual(['c=1'])
    table.resize(0)
    expect([table.count, table.bytes]).toEqual([0, 0])
  })

  it('keeps its order when the ring grows and wraps', () => {
    const table = new DynamicTable(34 * 100)
    for (let i = 0; i < 500; i++) table.insert(String.fromCharCode(256 + i), '1')
    const expected = Array.from({ length: 100 }, (_, i) => `${String.fromCharCode(256 + 499 - i)}=1`)
    expect(contents(table)).toEqual(expected)
  })

  it('has a new generation after each change', () => {
    const table = new DynamicTable(100)
    const seen = new Set([table.generation])
    for (const change of [
      () => table.insert('a', '1'),
      () => table.insert('a', '1'),
      () => table.insert('b', 'x'.repeat(200)),
      () => table.resize(50),
      () => table.resize(50),
    ]) {
      change()
      expect(seen.has(table.generation)).toBe(false)
      seen.add(table.generation)
    }
    expect(seen.size).toBe(6)
  })
})
