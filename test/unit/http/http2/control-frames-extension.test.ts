import { describe, expect, it } from 'vitest'
import { readAltSvc } from '../../../../src/http/http2/control-frames.ts'
import {
  addOrigins,
  encodeOrigins,
  readOrigins,
} from '../../../../src/http/multiplex/messages/origin-frame.ts'

/** A text with its length before it, or with another one. */
function prefixed(text: string, length = text.length): Buffer {
  const prefix = Buffer.alloc(2)
  prefix.writeUInt16BE(length)
  return Buffer.concat([prefix, Buffer.from(text, 'latin1')])
}

/** Reads in the middle of a larger buffer. */
function within<T>(payload: Buffer, read: (buffer: Buffer, start: number, end: number) => T): T {
  return read(Buffer.concat([Buffer.alloc(2, 0x61), payload, Buffer.alloc(400, 0x61)]), 2, 2 + payload.length)
}

describe('the ORIGIN frame (RFC 8336)', () => {
  const read = (...entries: Buffer[]) => within(Buffer.concat(entries), readOrigins)

  it('is read as it was written', () => {
    const origins = ['https://a.example', 'https://b.example:8443', 'http://[::1]:80']
    expect(within(encodeOrigins(origins), readOrigins)).toEqual(origins)
    expect(read()).toEqual([])
    expect(encodeOrigins([])).toHaveLength(0)
  })

  it.each([
    '',
    'null',
    'a.example',
    'https://',
    'https://a.example/',
    'https://u@a.example',
    'HTTPS://a.example',
    'https://A.example',
    'ftp://a.example',
    'https://a.example\0',
    'https://\xe9',
    `https://${'a'.repeat(300)}`,
  ])('loses an entry that is no origin (2.3): %j', text => {
    expect(read(prefixed('https://x'), prefixed(text), prefixed('https://y'))).toEqual([
      'https://x',
      'https://y',
    ])
  })

  it.each([
    ['one byte of a length', Buffer.from([0])],
    ['a length and nothing', prefixed('', 5)],
    ['less than its length', prefixed('https://y', 10)],
    ['much less', prefixed('https://y', 65_535)],
  ])('loses an entry that the frame ends within: %s', (_, tail) => {
    expect(read(prefixed('https://x'), tail)).toEqual(['https://x'])
  })

  it('is bounded', () => {
    expect(read(...Array.from({ length: 1000 }, (_, i) => prefixed(`https://a${i}`)))).toHaveLength(256)
  })

  it('adds to the set of earlier frames, which is bounded too (2.3)', () => {
    const [a, b, c] = ['https://a', 'https://b', 'https://c']
    expect(addOrigins(undefined, [])).toEqual([])
    expect(addOrigins(undefined, [a, b])).toEqual([a, b])
    expect(addOrigins([a, b], [c, a])).toEqual([a, b, c])
    expect(addOrigins([a, b], [])).toEqual([a, b])
    const many = Array.from({ length: 256 }, (_, i) => `https://a${i}`)
    expect(addOrigins(many, [a, b])).toEqual(many)
  })
})

describe('the ALTSVC frame (RFC 7838 4)', () => {
  const read = (streamId: number, payload: Buffer) =>
    within(payload, (buffer, start, end) => readAltSvc(buffer, start, end, streamId))
  const value = 'h3=":443"; ma=3600'

  it('names its origin on stream 0, and stands for that of the request on another', () => {
    expect(read(0, Buffer.concat([prefixed('https://a.example'), Buffer.from(value)]))).toEqual({
      origin: 'https://a.example',
      value,
    })
    expect(read(1, Buffer.concat([prefixed(''), Buffer.from(value)]))).toEqual({ origin: '', value })
    expect(read(1, prefixed(''))).toEqual({ origin: '', value: '' })
  })

  it.each<[string, number, Buffer]>([
    ['no origin on stream 0', 0, Buffer.concat([prefixed(''), Buffer.from(value)])],
    ['an origin on another', 3, Buffer.concat([prefixed('https://a.example'), Buffer.from(value)])],
    ['an origin that is none', 0, Buffer.concat([prefixed('a.example'), Buffer.from(value)])],
    ['nothing', 1, Buffer.alloc(0)],
    ['half a length', 1, Buffer.alloc(1)],
    ['a length beyond the end', 0, prefixed('https://a.example', 18)],
    ['a line end in its value', 1, Buffer.concat([prefixed(''), Buffer.from('a\r\nb')])],
    ['a value that is too long', 1, Buffer.concat([prefixed(''), Buffer.alloc(4097, 0x61)])],
  ])('is ignored with %s', (_, streamId, payload) => {
    expect(read(streamId, payload)).toBeUndefined()
  })
})
