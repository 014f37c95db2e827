import { describe, expect, it } from 'vitest'
import { INCOMPLETE, SectionBuffer } from '../../../../../src/http/http1/codec/section-buffer.ts'

/** Takes everything up to CRLF CRLF, and counts the bytes that it was shown. */
class CountingParser {
  looked = 0
  sections: string[] = []

  parseSection(buffer: Buffer, start: number, end: number): number {
    this.looked += end - start
    const at = buffer.indexOf('\r\n\r\n', start)
    if (at < 0 || at + 4 > end) {
      if (buffer.toString('latin1', start, end).includes('bad')) throw new Error('bad')
      return INCOMPLETE
    }
    this.sections.push(buffer.toString('latin1', start, at + 4))
    return at + 4
  }
}

describe('SectionBuffer', () => {
  it('lets a section that is whole be parsed where it lies', () => {
    const parser = new CountingParser()
    const section = new SectionBuffer(parser, 1000, false)
    const bytes = Buffer.from('..a: b\r\n\r\nrest')
    expect(section.receive(bytes, 2, bytes.length)).toBe(10)
    expect(section.hasPart).toBe(false)
    expect(parser.sections).toEqual(['a: b\r\n\r\n'])
  })

  it('collects a section that comes in pieces, and says where it ended', () => {
    const parser = new CountingParser()
    const section = new SectionBuffer(parser, 1000, false)
    expect(section.receive(Buffer.from('a: b\r'), 0, 5)).toBe(INCOMPLETE)
    expect(section.hasPart).toBe(true)
    expect(section.receive(Buffer.from('\n\r'), 0, 2)).toBe(INCOMPLETE)
    expect(section.receive(Buffer.from('\nrest'), 0, 5)).toBe(1)
    expect(section.hasPart).toBe(false)
    expect(parser.sections).toEqual(['a: b\r\n\r\n'])
  })

  it('reads each byte a bounded number of times, however small the pieces are', () => {
    const parser = new CountingParser()
    const section = new SectionBuffer(parser, 100_000, false)
    const bytes = Buffer.from(`${'a: bcdefgh\r\n'.repeat(5000)}\r\n`)
    for (let i = 0; i < bytes.length - 1; i++) expect(section.receive(bytes, i, i + 1)).toBe(INCOMPLETE)
    expect(section.receive(bytes, bytes.length - 1, bytes.length)).toBe(bytes.length)
    expect(parser.sections[0]).toHaveLength(bytes.length)
    expect(parser.looked).toBeLessThanOrEqual(2 * bytes.length)
  })

  it.each(['x\ny', 'x\ry', 'x\r\r'])(
    'lets a section be parsed at once when a line ends wrongly: %j',
    text => {
      const parser = new CountingParser()
      const section = new SectionBuffer(parser, 1000, false)
      const bytes = Buffer.from(text)
      section.receive(Buffer.from('bad'), 0, 0)
      expect(section.receive(Buffer.from('ba'), 0, 2)).toBe(INCOMPLETE)
      expect(() => {
        section.receive(Buffer.from('d'), 0, 1)
        for (let i = 0; i < bytes.length; i++) section.receive(bytes, i, i + 1)
      }).toThrow('bad')
    },
  )

  it('accepts no more than its limit', () => {
    const parser = new CountingParser()
    const section = new SectionBuffer(parser, 8, false)
    section.receive(Buffer.from('1234'), 0, 4)
    expect(section.receive(Buffer.from('567890'), 0, 6)).toBe(4)
  })
})
