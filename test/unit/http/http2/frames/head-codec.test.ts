import { describe, expect, it } from 'vitest'
import { Http2StreamFault } from '../../../../../src/http/http2/frames/error-codes.ts'
import { HeadReader } from '../../../../../src/http/http2/frames/head-codec.ts'
import { requestBlock } from '../../../../support/http2-fields.ts'

const newReader = (): HeadReader =>
  new HeadReader({
    maxTableBytes: 4096,
    maxHeaderBytes: 65_536,
    maxHeaderCount: 100,
    allowsExtendedConnect: false,
  })

/** What reading the same bytes so many times comes to. */
function read(reader: HeadReader, bytes: Buffer, times: number): unknown[] {
  return Array.from({ length: times }, () => {
    const block = reader.decode(bytes, 0, bytes.length)
    if (block === 'too-large') return block
    try {
      return reader.messages.request(block)
    } catch (error) {
      return error
    }
  })
}

describe('HeadReader', () => {
  it('judges a head that repeats only once, whether it is valid or malformed', () => {
    const reader = newReader()
    const malformed = read(reader, requestBlock('no slash'), 20)
    for (const fault of malformed)
      expect(fault).toMatchObject({
        code: 'PROTOCOL_ERROR',
        message: expect.stringContaining(':path') as unknown,
      })
    expect(malformed[0]).toBeInstanceOf(Http2StreamFault)
    // The first two are no repetition yet, as far as the decoder knows.
    expect(new Set(malformed).size).toBeLessThan(5)
    const good = read(reader, requestBlock('/good'), 20)
    for (const head of good) expect(head).toMatchObject({ path: '/good' })
    expect(new Set(good).size).toBeLessThan(5)
  })
})
