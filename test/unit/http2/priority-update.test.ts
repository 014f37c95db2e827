import { describe, expect, it } from 'vitest'
import { ConnectionFault } from '../../../src/http2/http2-error.ts'
import { encodePriorityUpdate, readPriorityUpdate } from '../../../src/http2/priority-update.ts'
import { DEFAULT_PRIORITY, parsePriority } from '../../../src/multiplex/priority.ts'
import { uint32 } from '../../support/http2-wire.ts'

describe('PRIORITY_UPDATE', () => {
  const faultOf = (payload: Buffer): string => {
    try {
      readPriorityUpdate(payload, 0, payload.length)
    } catch (error) {
      if (error instanceof ConnectionFault) return error.code
      throw error
    }
    return 'none'
  }

  it.each<[string, string, Buffer]>([
    ['RFC 9218 7.1: stream 0', 'PROTOCOL_ERROR', Buffer.concat([uint32(0), Buffer.from('u=1')])],
    ['RFC 9218 7.1: stream 0 but for the reserved bit', 'PROTOCOL_ERROR', uint32(0x8000_0000)],
    ['RFC 9113 4.2: no room for a stream', 'FRAME_SIZE_ERROR', Buffer.alloc(3)],
    ['RFC 9113 4.2: nothing', 'FRAME_SIZE_ERROR', Buffer.alloc(0)],
    ['no value is a value', 'none', uint32(1)],
  ])('%s: %s', (_, code, payload) => {
    expect(faultOf(payload)).toBe(code)
  })

  it('is read as it was written, without the reserved bit', () => {
    const payload = encodePriorityUpdate(2 ** 31 - 1, 'u=1, i')
    expect(payload.toString('latin1')).toBe('\x7f\xff\xff\xffu=1, i')
    const framed = Buffer.concat([Buffer.from('..'), payload, Buffer.from('..')])
    framed[2] = 0xff
    expect(readPriorityUpdate(framed, 2, 2 + payload.length)).toEqual({
      streamId: 2 ** 31 - 1,
      value: 'u=1, i',
    })
  })

  it('is cut where it is no priority any more', () => {
    const payload = encodePriorityUpdate(1, `u=1${' '.repeat(16_000)}`)
    const { value } = readPriorityUpdate(payload, 0, payload.length)
    expect(value.length).toBeLessThan(300)
    expect(parsePriority(value)).toBe(DEFAULT_PRIORITY)
  })
})
