import { describe, expect, it } from 'vitest'
import { PendingWrite } from '../../../../src/connect/openssl/pending-write.ts'
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

  it('of nothing is empty at once', () => {
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
