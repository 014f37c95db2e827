import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { readPriorityUpdate } from '../../../../../src/http/http2/frames/control-payloads.ts'
import { Http2ConnectionFault } from '../../../../../src/http/http2/frames/error-codes.ts'
import { DEFAULT_PRIORITY, parsePriority } from '../../../../../src/http/multiplex/messages/priority.ts'
import { requestBlock } from '../../../../support/http2-fields.ts'
import { FLAG, frame, headers, SETTING, uint32, windowUpdate } from '../../../../support/http2-wire.ts'
import { SessionRig } from '../http2-session/session-rig.ts'

describe('the PRIORITY_UPDATE frame', () => {
  const faultOf = (payload: Buffer): string => {
    try {
      readPriorityUpdate(payload, 0, payload.length)
    } catch (error) {
      if (error instanceof Http2ConnectionFault) return error.code
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
  ])('is judged by %s with %s', (_, code, payload) => {
    expect(faultOf(payload)).toBe(code)
  })

  it('is read without the reserved bit', () => {
    const payload = Buffer.concat([uint32(2 ** 31 - 1), Buffer.from('u=1, i')])
    const framed = Buffer.concat([Buffer.from('..'), payload, Buffer.from('..')])
    framed[2] = 0xff
    expect(readPriorityUpdate(framed, 2, 2 + payload.length)).toEqual({
      streamId: 2 ** 31 - 1,
      value: 'u=1, i',
    })
  })

  it('is cut where its text can be no priority any more', () => {
    const payload = Buffer.concat([uint32(1), Buffer.from(`u=1${' '.repeat(16_000)}`)])
    const { value } = readPriorityUpdate(payload, 0, payload.length)
    expect(value.length).toBeLessThan(300)
    expect(parsePriority(value)).toBe(DEFAULT_PRIORITY)
  })
})

describe('a PRIORITY_UPDATE that comes before its request (RFC 9218 7.1)', () => {
  const END = FLAG.END_HEADERS | FLAG.END_STREAM
  const update = (id: number): Buffer => frame(0x10, 0, 0, Buffer.concat([uint32(id), Buffer.from('u=0')]))
  const tooLarge = requestBlock(
    '/',
    Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'a'] as const),
  )

  /**
   * Requests on 9 and 11, of which 11 was said to be urgent: who is served first when both wait for the
   * window of the connection.
   */
  function firstServed(before: readonly Buffer[]): string | undefined {
    const peerSettings = { [SETTING.INITIAL_WINDOW_SIZE]: 1_000_000 }
    const rig = new SessionRig('server', { peerSettings, options: { maxConcurrentStreams: 4 } })
    rig.receive(...before, update(11))
    for (const id of [9, 11]) {
      rig.receive(headers(id, requestBlock(), END))
      rig.stream(id).respond(200, NO_HEADERS, false)
      rig.stream(id).write(Buffer.alloc(70_000), chunk => Buffer.from(chunk))
    }
    rig.frames()
    rig.receive(windowUpdate(0, 1000))
    return rig.frames()[0]
  }

  it('counts against the limit of those that wait', () => {
    expect(firstServed([])).toBe('DATA 11')
  })

  it('is dropped with a request that is refused, so that the next ones count as before', () => {
    const refused = [1, 3, 5, 7].flatMap(id => [update(id), headers(id, tooLarge, END)])
    expect(firstServed(refused)).toBe('DATA 11')
  })

  it('is dropped when its number is skipped (RFC 9113 5.1.1)', () => {
    expect(firstServed([...[1, 2, 3, 5].map(update), headers(7, tooLarge, END)])).toBe('DATA 11')
  })
})
