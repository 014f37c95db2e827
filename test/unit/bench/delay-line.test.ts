import { describe, expect, it } from 'vitest'
import { DelayLine } from '../../../bench/relay/delay-line.ts'

const parcel = (text: string): Buffer => Buffer.from(text)

describe('DelayLine', () => {
  it('lets each parcel out after the delay, not before, in order, the end behind the bytes', () => {
    const line = new DelayLine(20, 1000, 0)
    line.put(parcel('a'), 100)
    line.put(parcel('b'), 105)
    line.put('end', 105)
    expect(line.nextDueAt).toBe(120)
    expect(line.take(119.9)).toBeUndefined()
    expect(line.take(120)).toEqual(parcel('a'))
    expect(line.take(120)).toBeUndefined()
    expect(line.nextDueAt).toBe(125)
    expect([line.take(200), line.take(200), line.take(200)]).toEqual([parcel('b'), 'end', undefined])
    expect(line.nextDueAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('counts what was put in before the way is open from its opening', () => {
    const line = new DelayLine(20, 1000, 140)
    line.put(parcel('a'), 100)
    line.put(parcel('b'), 150)
    expect(line.nextDueAt).toBe(160)
    expect(line.take(160)).toEqual(parcel('a'))
    expect(line.nextDueAt).toBe(170)
  })

  it('knows what it holds and when that is enough', () => {
    const line = new DelayLine(20, 4, 0)
    line.put(parcel('abc'), 0)
    expect([line.bytes, line.isFull]).toEqual([3, false])
    line.put(parcel('de'), 0)
    expect([line.bytes, line.isFull]).toEqual([5, true])
    line.take(20)
    expect([line.bytes, line.isFull]).toEqual([2, false])
  })

  it('keeps the order of thousands of parcels, put in and taken in turns', () => {
    const line = new DelayLine(20, 1_000_000, 0)
    const out: (string | undefined)[] = []
    for (let i = 0; i < 5_000; i++) {
      line.put(parcel(String(i)), i)
      for (let taken = line.take(i); taken !== undefined; taken = line.take(i)) out.push(taken.toString())
    }
    for (let taken = line.take(9_999); taken !== undefined; taken = line.take(9_999))
      out.push(taken.toString())
    expect(out).toEqual(Array.from({ length: 5_000 }, (_, i) => String(i)))
    expect(line.bytes).toBe(0)
  })
})
