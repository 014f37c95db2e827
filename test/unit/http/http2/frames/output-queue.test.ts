import { describe, expect, it } from 'vitest'
import { DATA, END_STREAM, HEADERS, PING } from '../../../../../src/http/http2/frames/frame-table.ts'
import { OutputQueue } from '../../../../../src/http/http2/frames/output-queue.ts'

const bytesOf = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString('hex')

describe('OutputQueue', () => {
  it('appends frames one behind the other', () => {
    const queue = new OutputQueue()
    queue.putFrame(PING, 1, 0, Buffer.from('0102030405060708', 'hex'))
    queue.putData(3, 0, Buffer.from('abcdef'), 1, 3)
    expect(queue.bytes).toBe(9 + 8 + 9 + 2)
    expect(bytesOf(queue.take())).toBe('00000806010000000001020304050607080000020000000000036263')
    expect(queue.bytes).toBe(0)
  })

  it('leaves output that was taken unchanged until it is released, and uses two blocks in turn', () => {
    const queue = new OutputQueue()
    queue.putFrame(PING, 0, 0, Buffer.alloc(8, 1))
    const [first] = queue.take()
    queue.putFrame(PING, 0, 0, Buffer.alloc(8, 2))
    expect(first?.subarray(9)).toEqual(Buffer.alloc(8, 1))
    expect(queue.unsentBytes).toBe(34)
    queue.release()
    expect(queue.unsentBytes).toBe(17)
    const [second] = queue.take()
    expect(second?.buffer).not.toBe(first?.buffer)
    queue.release()
    queue.putFrame(PING, 0, 0, Buffer.alloc(8, 3))
    const [third] = queue.take()
    expect(third?.buffer).toBe(first?.buffer)
  })

  it('grows by blocks, in order', () => {
    const queue = new OutputQueue()
    const chunk = Buffer.alloc(5000)
    for (let i = 0; i < 40; i++) queue.putData(i, 0, chunk.fill(i), 0, chunk.length)
    const all = Buffer.concat(queue.take())
    expect(all.length).toBe(40 * 5009)
    for (let i = 0; i < 40; i++) {
      expect(all.readUInt32BE(i * 5009 + 5)).toBe(i)
      expect(all.subarray(i * 5009 + 9, (i + 1) * 5009)).toEqual(Buffer.alloc(5000, i))
    }
  })

  it('sets END_STREAM on a frame that nobody has taken, wherever it stands in the block', () => {
    const queue = new OutputQueue()
    queue.putFrame(PING, 0, 0, Buffer.alloc(8))
    const position = queue.position
    queue.putData(5, 0, Buffer.from('x'), 0, 1)
    queue.putFrame(HEADERS, 4, 7, Buffer.from('y'))
    expect(queue.endStreamAt(position)).toBe(true)
    const all = Buffer.concat(queue.take())
    expect(all[17 + 3]).toBe(DATA)
    expect(all[17 + 4]).toBe(END_STREAM)
    expect(all[27 + 4]).toBe(4)
  })

  it('does not touch a frame that was taken, or that lies in a full block', () => {
    const queue = new OutputQueue()
    queue.putData(5, 0, Buffer.from('x'), 0, 1)
    const [taken] = queue.take()
    expect(queue.endStreamAt(0)).toBe(false)
    expect(taken?.[4]).toBe(0)
    queue.release()
    const position = queue.position
    queue.putData(5, 0, Buffer.from('x'), 0, 1)
    queue.putData(7, 0, Buffer.alloc(10_000), 0, 10_000) // a block of its own
    expect(queue.endStreamAt(position)).toBe(false)
  })

  it('knows which frames were taken', () => {
    const queue = new OutputQueue()
    queue.putData(1, 0, Buffer.from('x'), 0, 1)
    queue.take()
    queue.release()
    const position = queue.position
    queue.putData(3, 0, Buffer.from('x'), 0, 1)
    expect(queue.isUntaken(0)).toBe(false)
    expect(queue.isUntaken(position)).toBe(true)
  })

  it('takes back frames that nobody has taken, from a position on, and goes on behind them', () => {
    const queue = new OutputQueue()
    const chunk = Buffer.alloc(5000)
    queue.putData(1, 0, chunk, 0, 100)
    const [taken] = queue.take()
    const positions: number[] = []
    // The blocks of each grow: a cut falls into one of them, or between two.
    for (let i = 0; i < 8; i++) {
      positions.push(queue.position)
      queue.putData(3 + i, 0, chunk.fill(i), 0, chunk.length)
    }
    for (let kept = 7; kept >= 2; kept--) {
      queue.dropFrom(positions[kept] ?? -1)
      expect([queue.position, queue.bytes]).toEqual([positions[kept], kept * 5009])
      const last = queue.position
      queue.putData(99, 0, Buffer.from('x'), 0, 1)
      expect(queue.endStreamAt(last)).toBe(true)
    }
    expect(taken?.length).toBe(109)
    queue.release()
    const all = Buffer.concat(queue.take())
    expect(all.length).toBe(2 * 5009 + 10)
    for (let i = 0; i < 2; i++) {
      expect(all.subarray(i * 5009 + 9, (i + 1) * 5009)).toEqual(Buffer.alloc(5000, i))
    }
    expect(all.subarray(2 * 5009).toString('hex')).toBe('00000100010000006378')
  })

  it('does not take back frames that were taken', () => {
    const queue = new OutputQueue()
    queue.putData(1, 0, Buffer.from('x'), 0, 1)
    queue.take()
    expect(() => queue.dropFrom(0)).toThrow('position 0 was taken')
  })
})
