import { describe, expect, it } from 'vitest'
import { ActiveStream, type Http2StreamParts } from '../../../../src/http/http2/active-stream.ts'
import { RecentIds, StreamTable } from '../../../../src/http/http2/stream-table.ts'

const parts = {} as Http2StreamParts // no stream asks for anything here
const events = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onReset() {} }
const streamOf = (id: number): ActiveStream => new ActiveStream(id, parts, events, 65_535, 65_535)

describe('StreamTable', () => {
  it('finds live streams, however many numbers went by', () => {
    const table = new StreamTable('client', 1)
    const longLived = streamOf(1)
    table.add(longLived)
    for (let id = 3; id < 5001; id += 2) {
      const stream = streamOf(id)
      table.add(stream)
      expect(table.get(id)).toBe(stream)
      expect(table.get(1)).toBe(longLived)
      expect(table.size).toBe(2)
      table.remove(stream)
      expect(table.get(id)).toBeUndefined()
    }
    table.remove(longLived)
    expect(table.get(1)).toBeUndefined()
    expect(table.size).toBe(0)
  })

  it('holds thousands at once, and lists them in order', () => {
    const table = new StreamTable('client', 1)
    const ids = Array.from({ length: 3000 }, (_, i) => 2 * i + 1)
    const streams = ids.map(streamOf)
    for (const stream of streams) table.add(stream)
    expect(ids.every((id, i) => table.get(id) === streams[i])).toBe(true)
    expect(table.all().map(stream => stream.id)).toEqual(ids)
    for (const stream of streams) table.remove(stream)
    expect(table.size).toBe(0)
    expect(table.all()).toEqual([])
  })

  it('counts a stream once, also when it is removed twice', () => {
    const table = new StreamTable('server', 2)
    const stream = streamOf(7)
    table.add(stream)
    table.remove(stream)
    table.remove(stream)
    expect(table.size).toBe(0)
  })

  it('tells idle numbers from closed ones, on both sides', () => {
    const client = new StreamTable('client', 1)
    expect(client.stateOfAbsent(1)).toBe('idle')
    client.takeOwnId()
    expect(client.stateOfAbsent(1)).toBe('closed')
    expect(client.stateOfAbsent(2)).toBe('idle')
    client.rememberReset(1)
    expect(client.stateOfAbsent(1)).toBe('resetByUs')

    const server = new StreamTable('server', 2)
    server.usePeerId(9)
    expect([7, 9, 11].map(id => server.stateOfAbsent(id))).toEqual(['closed', 'closed', 'idle'])
  })

  it('forgets the oldest resets', () => {
    const table = new StreamTable('server', 2)
    table.usePeerId(9999)
    for (let id = 1; id <= 2051; id += 2) table.rememberReset(id)
    expect(table.stateOfAbsent(1)).toBe('closed')
    expect(table.stateOfAbsent(2051)).toBe('resetByUs')
  })

  it('treats what a client may have reset and forgotten as reset', () => {
    const table = new StreamTable('client', 1)
    for (let id = 1; id <= 2053; id += 2) table.takeOwnId()
    for (let id = 1; id <= 2049; id += 2) table.rememberReset(id)
    expect([1, 3, 2051, 2055].map(id => table.stateOfAbsent(id))).toEqual([
      'resetByUs',
      'resetByUs',
      'closed',
      'idle',
    ])
  })

  it('knows when the numbers are used up', () => {
    const table = new StreamTable('client', 0x7fffffff)
    expect(table.isExhausted).toBe(false)
    table.takeOwnId()
    expect(table.isExhausted).toBe(true)
  })
})

describe('RecentIds', () => {
  it('knows the last 1024, and forgets the oldest', () => {
    const recent = new RecentIds()
    for (let id = 0; id < 1024; id++) recent.add(4 * id)
    expect([recent.has(0), recent.has(4 * 1023), recent.has(1)]).toEqual([true, true, false])
    recent.add(4 * 1024)
    expect([recent.has(0), recent.has(4), recent.has(4 * 1024)]).toEqual([false, true, true])
  })

  it('knows up to where it may have forgotten one, in whatever order they came', () => {
    const recent = new RecentIds()
    recent.add(101)
    for (let id = 0; id < 1023; id++) recent.add(1001 + 2 * id)
    expect([recent.mayHave(1), recent.mayHave(101), recent.mayHave(103)]).toEqual([false, true, false])
    recent.add(1) // 101 has to go
    expect([99, 101, 103, 1001].map(id => recent.mayHave(id))).toEqual([true, true, false, true])
    recent.add(3) // and now 1001
    expect([103, 1003].map(id => recent.mayHave(id))).toEqual([true, true])
    expect(recent.mayHave(5001)).toBe(false)
  })
})
