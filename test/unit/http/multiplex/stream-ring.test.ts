import { describe, expect, it } from 'vitest'
import { StreamRing } from '../../../../src/http/multiplex/stream-ring.ts'

interface Numbered {
  readonly id: number
}

const streamOf = (id: number): Numbered => ({ id })
const ring = (): StreamRing<Numbered> => new StreamRing<Numbered>(2)

describe('StreamRing', () => {
  it('finds live streams, however many numbers went by', () => {
    const table = ring()
    const longLived = streamOf(0)
    table.add(longLived)
    for (let id = 4; id < 10_000; id += 4) {
      const stream = streamOf(id)
      table.add(stream)
      expect(table.get(id)).toBe(stream)
      expect(table.get(0)).toBe(longLived)
      expect(table.size).toBe(2)
      table.remove(stream)
      expect(table.get(id)).toBeUndefined()
    }
    table.remove(longLived)
    expect([table.get(0), table.size, table.all()]).toEqual([undefined, 0, []])
  })

  it('holds thousands at once, and lists them in order', () => {
    const table = ring()
    const streams = Array.from({ length: 3000 }, (_, i) => streamOf(4 * i))
    for (const stream of streams) table.add(stream)
    expect(streams.every(stream => table.get(stream.id) === stream)).toBe(true)
    expect(table.all()).toEqual(streams)
    for (const stream of streams) table.remove(stream)
    expect([table.size, table.all()]).toEqual([0, []])
  })

  it('counts a stream once, also when it is removed twice', () => {
    const table = ring()
    const stream = streamOf(8)
    table.add(stream)
    table.remove(stream)
    table.remove(stream)
    expect(table.size).toBe(0)
  })

  it('accepts streams whose ids lie far apart', () => {
    const table = ring()
    const ids = [2 ** 50, 0, 2 ** 40 + 1024, 1024]
    for (const id of ids) table.add(streamOf(id))
    expect(ids.map(id => table.get(id)?.id)).toEqual(ids)
    expect(table.all().map(({ id }) => id)).toEqual(ids.toSorted((a, b) => a - b))
    expect(table.get(2048)).toBeUndefined()
  })
})
