import { describe, expect, it } from 'vitest'
import { findName, idOfName, nameOf, UNKNOWN_NAME } from '../../../../../src/http/http1/codec/header-names.ts'

/** As many as the table has at least. */
const NAME_COUNT = 160

describe('header names', () => {
  const find = (text: string): number => {
    const bytes = Buffer.from(`..${text}..`, 'latin1')
    return findName(bytes, 2, 2 + text.length)
  }

  it('are found in any case, as one string', () => {
    for (const text of ['Content-Length', 'content-length', 'CONTENT-LENGTH']) {
      expect(nameOf(find(text))).toBe('content-length')
    }
  })

  it('are all found that the table contains', () => {
    for (let id = 0; id < NAME_COUNT; id++) {
      expect(find(nameOf(id).toUpperCase())).toBe(id)
      expect(idOfName(nameOf(id))).toBe(id)
    }
  })

  it('are unknown when they are not in the table', () => {
    for (const text of ['x-nobody-has-this', 'x', '']) expect(find(text)).toBe(UNKNOWN_NAME)
  })

  it('are not confused with another that has the same slot', () => {
    // Length, first, middle and last two bytes are those of the name.
    for (const twin of ['hxst', 'cxxxxxx-xxxxth', 'CONTENT-XENGTH', 'content_length'])
      expect(find(twin)).toBe(UNKNOWN_NAME)
  })
})
