import { describe, expect, it } from 'vitest'
import { Http2ConnectionFault } from '../../../../../src/http/http2/frames/error-codes.ts'
import {
  encodeHttp2Settings,
  INITIAL_HTTP2_SETTINGS,
  readHttp2Settings,
  SETTING_TABLE,
} from '../../../../../src/http/http2/frames/settings.ts'
import { SETTING, settings } from '../../../../support/http2-wire.ts'

type Entry = [id: number, value: number]

function payloadOf(entries: readonly Entry[]): Buffer {
  return Buffer.concat(entries.map(([id, value]) => settings({ [id]: value }).subarray(9)))
}

const read = (
  entries: readonly Entry[],
  current = INITIAL_HTTP2_SETTINGS,
  from: 'client' | 'server' = 'client',
) => {
  const payload = payloadOf(entries)
  // In the middle of a larger read.
  const buffer = Buffer.concat([Buffer.alloc(3, 0xff), payload, Buffer.alloc(3, 0xff)])
  return readHttp2Settings(buffer, 3, 3 + payload.length, current, from)
}

const faultOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof Http2ConnectionFault) return error.code
    throw error
  }
  return 'none'
}

const NO_PRIORITIES = 9

describe('readSettings', () => {
  it.each<[Entry, object]>([
    [[SETTING.HEADER_TABLE_SIZE, 0], { headerTableBytes: 0 }],
    [[SETTING.HEADER_TABLE_SIZE, 2 ** 32 - 1], { headerTableBytes: 2 ** 32 - 1 }],
    [[SETTING.ENABLE_PUSH, 0], { enablePush: false }],
    [[SETTING.ENABLE_PUSH, 1], {}],
    [[SETTING.MAX_CONCURRENT_STREAMS, 0], { maxConcurrentStreams: 0 }],
    [[SETTING.MAX_CONCURRENT_STREAMS, 2 ** 32 - 1], { maxConcurrentStreams: 2 ** 32 - 1 }],
    [[SETTING.INITIAL_WINDOW_SIZE, 0], { initialWindowBytes: 0 }],
    [[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1], { initialWindowBytes: 2 ** 31 - 1 }],
    [[SETTING.MAX_FRAME_SIZE, 16_384], {}],
    [[SETTING.MAX_FRAME_SIZE, 2 ** 24 - 1], { maxFrameBytes: 2 ** 24 - 1 }],
    [[SETTING.MAX_HEADER_LIST_SIZE, 1], { maxHeaderListBytes: 1 }],
    [[SETTING.ENABLE_CONNECT_PROTOCOL, 1], { enableConnectProtocol: true }],
    [[NO_PRIORITIES, 1], { noRfc7540Priorities: true }],
    // RFC 9113 6.5.2: unknown ones must be ignored, whatever they say.
    [[0, 7], {}],
    [[7, 7], {}],
    [[10, 7], {}],
    [[0xffff, 2 ** 32 - 1], {}],
  ])('reads %j', (entry, changed) => {
    expect(read([entry])).toEqual({ ...INITIAL_HTTP2_SETTINGS, ...changed })
  })

  it.each<[section: string, code: string, from: 'client' | 'server', Entry]>([
    ['RFC 9113 6.5.2', 'PROTOCOL_ERROR', 'client', [SETTING.ENABLE_PUSH, 2]],
    ['RFC 9113 6.5.2', 'PROTOCOL_ERROR', 'server', [SETTING.ENABLE_PUSH, 2]],
    ['RFC 9113 6.5.2: not from a server', 'PROTOCOL_ERROR', 'server', [SETTING.ENABLE_PUSH, 1]],
    ['RFC 9113 6.5.2: but 0 may come', 'none', 'server', [SETTING.ENABLE_PUSH, 0]],
    ['RFC 9113 6.5.2', 'FLOW_CONTROL_ERROR', 'client', [SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]],
    ['RFC 9113 6.5.2', 'FLOW_CONTROL_ERROR', 'server', [SETTING.INITIAL_WINDOW_SIZE, 2 ** 32 - 1]],
    ['RFC 9113 6.5.2', 'PROTOCOL_ERROR', 'client', [SETTING.MAX_FRAME_SIZE, 16_383]],
    ['RFC 9113 6.5.2', 'PROTOCOL_ERROR', 'client', [SETTING.MAX_FRAME_SIZE, 0]],
    ['RFC 9113 6.5.2', 'PROTOCOL_ERROR', 'client', [SETTING.MAX_FRAME_SIZE, 2 ** 24]],
    ['RFC 8441 3', 'PROTOCOL_ERROR', 'server', [SETTING.ENABLE_CONNECT_PROTOCOL, 2]],
    ['RFC 9218 2.1', 'PROTOCOL_ERROR', 'client', [NO_PRIORITIES, 2]],
  ])('applies %s, with %s, to a %s that sends %j', (_, code, from, entry) => {
    expect(faultOf(() => read([entry], INITIAL_HTTP2_SETTINGS, from))).toBe(code)
  })

  it('applies the values in their order, so that the last one counts (RFC 9113 6.5.3)', () => {
    const entries: Entry[] = [
      [SETTING.MAX_CONCURRENT_STREAMS, 5],
      [SETTING.INITIAL_WINDOW_SIZE, 0],
      [SETTING.MAX_CONCURRENT_STREAMS, 7],
    ]
    expect(read(entries)).toMatchObject({ maxConcurrentStreams: 7, initialWindowBytes: 0 })
  })

  it('keeps what a later frame does not mention, and leaves the earlier settings as they were', () => {
    const first = read([[SETTING.MAX_CONCURRENT_STREAMS, 5]])
    const second = read([[SETTING.MAX_FRAME_SIZE, 20_000]], first)
    expect(second).toEqual({ ...first, maxFrameBytes: 20_000 })
    expect(first.maxFrameBytes).toBe(16_384)
  })

  it('does not let a peer take extended CONNECT back (RFC 8441 3)', () => {
    const offered = read([[SETTING.ENABLE_CONNECT_PROTOCOL, 1]])
    expect(faultOf(() => read([[SETTING.ENABLE_CONNECT_PROTOCOL, 0]], offered))).toBe('PROTOCOL_ERROR')
    expect(read([[SETTING.ENABLE_CONNECT_PROTOCOL, 1]], offered).enableConnectProtocol).toBe(true)
    expect(read([], offered).enableConnectProtocol).toBe(true)
    // Offered late is fine, and so is saying 0 for as long as it was never offered.
    expect(read([[SETTING.ENABLE_CONNECT_PROTOCOL, 1]], read([])).enableConnectProtocol).toBe(true)
    expect(read([[SETTING.ENABLE_CONNECT_PROTOCOL, 0]], read([])).enableConnectProtocol).toBe(false)
  })

  it('reads the end of the RFC 7540 priorities in the first SETTINGS only (RFC 9218 2.1)', () => {
    const empty = read([])
    expect(faultOf(() => read([[NO_PRIORITIES, 1]], empty))).toBe('PROTOCOL_ERROR')
    expect(read([[NO_PRIORITIES, 0]], empty).noRfc7540Priorities).toBe(false)
    const without = read([[NO_PRIORITIES, 1]])
    expect(faultOf(() => read([[NO_PRIORITIES, 0]], without))).toBe('PROTOCOL_ERROR')
    expect(read([[NO_PRIORITIES, 1]], without).noRfc7540Priorities).toBe(true)
  })
})

describe('encodeSettings', () => {
  it('writes what differs from the initial values, in the order of the ids', () => {
    const payload = encodeHttp2Settings({
      noRfc7540Priorities: true,
      enablePush: false,
      maxConcurrentStreams: 0,
      headerTableBytes: 4096,
      initialWindowBytes: 65_535,
      maxHeaderListBytes: Number.POSITIVE_INFINITY,
    })
    expect(payload.toString('hex')).toBe('000200000000000300000000000900000001')
  })

  it('writes nothing for the initial values', () => {
    expect(encodeHttp2Settings(INITIAL_HTTP2_SETTINGS)).toHaveLength(0)
    expect(encodeHttp2Settings({})).toHaveLength(0)
  })

  it('writes what readHttp2Settings reads', () => {
    const all = {
      headerTableBytes: 1,
      enablePush: false,
      maxConcurrentStreams: 2,
      initialWindowBytes: 3,
      maxFrameBytes: 16_385,
      maxHeaderListBytes: 4,
      enableConnectProtocol: true,
      noRfc7540Priorities: true,
    }
    const payload = encodeHttp2Settings(all)
    expect(payload).toHaveLength(SETTING_TABLE.length * 6)
    expect(readHttp2Settings(payload, 0, payload.length, INITIAL_HTTP2_SETTINGS, 'server')).toEqual(all)
  })

  it('agrees with the table about the initial values', () => {
    for (const { name, initial } of SETTING_TABLE) expect(Number(INITIAL_HTTP2_SETTINGS[name])).toBe(initial)
  })
})
