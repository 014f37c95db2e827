import { describe, expect, it } from 'vitest'
import { EarlyBytes, PendingWrite } from '../../../../src/connect/openssl/pending-write.ts'
import { fc } from '../../../support/property.ts'

const write = (...texts: string[]): PendingWrite =>
  new PendingWrite(
    texts.map(text => Buffer.from(text)),
    () => {},
  )

describe('PendingWrite', () => {
  it('takes a large chunk apart without copying it', () => {
    const chunk = Buffer.from('abcdefgh')
    const pending = new PendingWrite([chunk], () => {})
    const first = pending.next(3)
    expect(first.toString()).toBe('abc')
    expect(first.buffer).toBe(chunk.buffer)
    expect(pending.next(3).toString()).toBe('def')
    expect(pending.isEmpty).toBe(false)
    expect(pending.next(3).toString()).toBe('gh')
    expect(pending.isEmpty).toBe(true)
    expect(pending.next(3)).toHaveLength(0)
  })

  it('puts small chunks together', () => {
    const pending = write('a', '', 'bc', 'def')
    expect(pending.next(4).toString()).toBe('abcd')
    expect(pending.next(4).toString()).toBe('ef')
    expect(pending.isEmpty).toBe(true)
  })

  it('is empty at once when nothing is written', () => {
    expect(write().isEmpty).toBe(true)
    expect(write('', '').isEmpty).toBe(true)
  })

  it('gives every byte once, in order, in slices that are full but for the last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 12 })),
        fc.integer({ min: 1, max: 9 }),
        (texts, maxBytes) => {
          const pending = write(...texts)
          const slices: Buffer[] = []
          while (!pending.isEmpty) slices.push(pending.next(maxBytes))
          expect(Buffer.concat(slices).toString()).toBe(Buffer.from(texts.join('')).toString())
          for (const slice of slices.slice(0, -1)) expect(slice).toHaveLength(maxBytes)
        },
      ),
    )
  })
})

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

  it('accepts what the ticket allows, and of a write all or nothing', () => {
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

  it('can be empty, and can be emptied', () => {
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
