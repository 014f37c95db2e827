import { describe, expect, it } from 'vitest'
import { EarlyBytes } from '../../../../src/connect/openssl/pending-write.ts'

describe('EarlyBytes', () => {
  it('keeps copies, in order, in one piece', () => {
    const early = new EarlyBytes(100)
    const memory = Buffer.from('abc')
    expect(early.add([memory, Buffer.from('d')])).toBe(true)
    memory.fill('!')
    expect(early.add([Buffer.from('ef')])).toBe(true)
    expect(early.byteCount).toBe(6)
    expect(early.all().toString()).toBe('abcdef')
    expect(early.all().toString()).toBe('abcdef')
  })

  it('takes what the ticket allows, and of a write all or nothing', () => {
    const early = new EarlyBytes(4)
    expect(early.add([Buffer.from('abc')])).toBe(true)
    expect(early.add([Buffer.from('d'), Buffer.from('e')])).toBe(false)
    expect(early.byteCount).toBe(3)
    expect(early.add([Buffer.from('d')])).toBe(true)
    expect(early.all().toString()).toBe('abcd')
  })

  it('holds no more than 64 KB, whatever the ticket allows', () => {
    const early = new EarlyBytes(0xffff_ffff)
    expect(early.add([Buffer.alloc(65_536)])).toBe(true)
    expect(early.add([Buffer.alloc(1)])).toBe(false)
  })

  it('can be empty, and be emptied', () => {
    const early = new EarlyBytes(0)
    expect(early.add([Buffer.alloc(0)])).toBe(true)
    expect(early.add([Buffer.alloc(1)])).toBe(false)
    expect(early.all()).toHaveLength(0)
    const other = new EarlyBytes(10)
    other.add([Buffer.from('abc')])
    other.clear()
    expect(other.byteCount).toBe(0)
    expect(other.all()).toHaveLength(0)
  })
})
