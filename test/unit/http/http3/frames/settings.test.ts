import { describe, expect, it } from 'vitest'
import {
  checkAgainstRemembered,
  decodeTicket,
  encodeHttp3Settings,
  encodeTicket,
  type Http3Settings,
  INITIAL_HTTP3_SETTINGS,
  readHttp3Settings,
} from '../../../../../src/http/http3/frames/settings.ts'
import { varint } from '../../../../support/http3-wire.ts'
import { fc } from '../../../../support/property.ts'

const payload = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  Buffer.concat(pairs.flatMap(pair => pair.map(value => varint(value))))
const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    return (error as { code: string }).code // every fault has one
  }
  return 'none'
}

describe('readSettings', () => {
  it('returns the initial values for an empty frame', () => {
    expect(readHttp3Settings(Buffer.alloc(0))).toEqual(INITIAL_HTTP3_SETTINGS)
  })

  it('reads the settings that it knows, among others', () => {
    const bytes = payload([0x21, 9], [1, 4096], [7, 3], [6, 70_000], [8, 1], [0x33, 1], [0xabcdef, 1])
    expect(readHttp3Settings(bytes)).toEqual({
      qpackMaxTableCapacity: 4096,
      qpackBlockedStreams: 3,
      maxFieldSectionSize: 70_000,
      enableConnectProtocol: true,
      h3Datagram: true,
    })
  })

  it.each([0x00, 0x02, 0x03, 0x04, 0x05])('refuses setting %i of HTTP/2 (RFC 9114 7.2.4.1)', id => {
    expect(codeOf(() => readHttp3Settings(payload([id, 0])))).toBe('H3_SETTINGS_ERROR')
  })

  it.each([1, 6, 7, 8, 0x33, 0x21, 0x7777])('refuses setting %i when it comes twice (RFC 9114 7.2.4)', id => {
    expect(codeOf(() => readHttp3Settings(payload([id, 1], [id, 1])))).toBe('H3_SETTINGS_ERROR')
  })

  it.each([8, 0x33])('accepts 0 or 1 for setting %i, and nothing else (RFC 9220 3, RFC 9297 2.1.1)', id => {
    expect([0, 1].map(value => codeOf(() => readHttp3Settings(payload([id, value]))))).toEqual([
      'none',
      'none',
    ])
    for (const value of [2, 255, 2 ** 40]) {
      expect(codeOf(() => readHttp3Settings(payload([id, value])))).toBe('H3_SETTINGS_ERROR')
    }
  })

  it('refuses a frame that is cut anywhere but between two settings', () => {
    const bytes = payload([1, 4096], [6, 70_000], [0x33, 1])
    const whole = new Set([0, 3, 8, 10])
    for (let end = 0; end <= bytes.length; end++) {
      const expected = whole.has(end) ? 'none' : 'H3_FRAME_ERROR'
      expect([end, codeOf(() => readHttp3Settings(bytes.subarray(0, end)))]).toEqual([end, expected])
    }
  })

  it('accepts 64 settings, and refuses one more with H3_EXCESSIVE_LOAD', () => {
    const many = (count: number): Buffer =>
      payload(...Array.from({ length: count }, (_, i) => [0x21 + 0x1f * i, i] as const))
    expect(codeOf(() => readHttp3Settings(many(64)))).toBe('none')
    expect(codeOf(() => readHttp3Settings(many(65)))).toBe('H3_EXCESSIVE_LOAD')
  })

  it('returns settings or one of three faults for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const code = codeOf(() => readHttp3Settings(Buffer.from(bytes)))
        expect(['none', 'H3_SETTINGS_ERROR', 'H3_FRAME_ERROR', 'H3_EXCESSIVE_LOAD']).toContain(code)
      }),
    )
  })
})

const someSettings: fc.Arbitrary<Http3Settings> = fc.record({
  qpackMaxTableCapacity: fc.maxSafeNat(),
  qpackBlockedStreams: fc.maxSafeNat(),
  maxFieldSectionSize: fc.oneof(fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY)),
  enableConnectProtocol: fc.boolean(),
  h3Datagram: fc.boolean(),
})

describe('encodeSettings', () => {
  it('writes what is read back unchanged, with and without grease', () => {
    fc.assert(
      fc.property(someSettings, fc.option(fc.nat(63), { nil: undefined }), (settings, n) => {
        const bytes = encodeHttp3Settings(settings, n === undefined ? undefined : [n, n])
        expect(readHttp3Settings(bytes)).toEqual(settings)
      }),
    )
  })

  it('leaves out what has its initial value', () => {
    expect(encodeHttp3Settings(INITIAL_HTTP3_SETTINGS)).toHaveLength(0)
  })
})

describe('checkAgainstRemembered (RFC 9114 7.2.4.2, RFC 9204 3.2.3)', () => {
  it('accepts the same settings, and more of anything but the table', () => {
    fc.assert(
      fc.property(someSettings, settings => {
        expect(codeOf(() => checkAgainstRemembered(settings, settings))).toBe('none')
        const more: Http3Settings = {
          qpackMaxTableCapacity: settings.qpackMaxTableCapacity,
          qpackBlockedStreams: settings.qpackBlockedStreams + 1,
          maxFieldSectionSize: Number.POSITIVE_INFINITY,
          enableConnectProtocol: true,
          h3Datagram: true,
        }
        expect(codeOf(() => checkAgainstRemembered(more, settings))).toBe('none')
      }),
    )
  })

  const before: Http3Settings = {
    qpackMaxTableCapacity: 100,
    qpackBlockedStreams: 10,
    maxFieldSectionSize: 1000,
    enableConnectProtocol: true,
    h3Datagram: true,
  }
  it.each<[Partial<Http3Settings>, string]>([
    [{ qpackMaxTableCapacity: 99 }, 'QPACK_DECODER_STREAM_ERROR'],
    [{ qpackMaxTableCapacity: 101 }, 'QPACK_DECODER_STREAM_ERROR'],
    [{ qpackMaxTableCapacity: 0 }, 'QPACK_DECODER_STREAM_ERROR'],
    [{ qpackBlockedStreams: 9 }, 'H3_SETTINGS_ERROR'],
    [{ maxFieldSectionSize: 999 }, 'H3_SETTINGS_ERROR'],
    [{ enableConnectProtocol: false }, 'H3_SETTINGS_ERROR'],
    [{ h3Datagram: false }, 'H3_SETTINGS_ERROR'],
  ])('refuses %o with %s', (change, code) => {
    expect(codeOf(() => checkAgainstRemembered({ ...before, ...change }, before))).toBe(code)
  })

  it('accepts a table where there was none', () => {
    const none = { ...before, qpackMaxTableCapacity: 0 }
    expect(codeOf(() => checkAgainstRemembered(before, none))).toBe('none')
  })

  it('treats an unlimited section size that is limited now as less', () => {
    expect(codeOf(() => checkAgainstRemembered(before, { ...before, maxFieldSectionSize: Infinity }))).toBe(
      'H3_SETTINGS_ERROR',
    )
  })
})

const someTicketSettings: fc.Arbitrary<Http3Settings> = fc.record({
  qpackMaxTableCapacity: fc.nat(0xffff_fffe),
  qpackBlockedStreams: fc.nat(0xffff_fffe),
  maxFieldSectionSize: fc.oneof(fc.nat(0xffff_fffe), fc.constant(Number.POSITIVE_INFINITY)),
  enableConnectProtocol: fc.boolean(),
  h3Datagram: fc.boolean(),
})
const bytes = (minLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength: 3000 }).map(array => Buffer.from(array))
const someTicket = fc.record({
  ticket: bytes(1),
  settings: someTicketSettings,
  token: fc.option(bytes(1), { nil: undefined }),
})

describe('a ticket for the store', () => {
  it('is read back unchanged', () => {
    fc.assert(
      fc.property(someTicket, ticket => {
        expect(decodeTicket(encodeTicket(ticket))).toEqual(ticket)
      }),
    )
  })

  it('with large limits is read back with no more than they were', () => {
    const settings: Http3Settings = {
      qpackMaxTableCapacity: 2 ** 40,
      qpackBlockedStreams: 2 ** 33,
      maxFieldSectionSize: 2 ** 50,
      enableConnectProtocol: false,
      h3Datagram: true,
    }
    const decoded = decodeTicket(encodeTicket({ ticket: Buffer.of(1), settings, token: undefined }))
    expect(decoded?.settings).toEqual({
      qpackMaxTableCapacity: 0xffff_fffe,
      qpackBlockedStreams: 0xffff_fffe,
      maxFieldSectionSize: 0xffff_fffe,
      enableConnectProtocol: false,
      h3Datagram: true,
    })
  })

  it.each([0xffff_fffe, 0xffff_ffff, 2 ** 32, 2 ** 62])(
    'with the limit %i agrees with what is remembered of it',
    limit => {
      const settings: Http3Settings = {
        qpackMaxTableCapacity: limit,
        qpackBlockedStreams: limit,
        maxFieldSectionSize: limit,
        enableConnectProtocol: false,
        h3Datagram: false,
      }
      const decoded = decodeTicket(encodeTicket({ ticket: Buffer.of(1), settings, token: undefined }))
      expect(() => checkAgainstRemembered(settings, decoded!.settings)).not.toThrow() // the test before has read such a one
    },
  )

  it('is none when it is cut within the head or the token, and one that the engine will refuse when it is cut later', () => {
    fc.assert(
      fc.property(someTicket, fc.nat(), (ticket, mark) => {
        const encoded = encodeTicket(ticket)
        const end = mark % encoded.length
        const decoded = decodeTicket(encoded.subarray(0, end))
        if (end <= encoded.length - ticket.ticket.length) expect(decoded).toBeUndefined()
        else expect(ticket.ticket.subarray(0, decoded?.ticket.length)).toEqual(decoded?.ticket)
      }),
    )
  })

  it('is read from any bytes, or is none', () => {
    fc.assert(
      fc.property(bytes(0), fc.boolean(), (garbage, hasMagic) => {
        const input = hasMagic ? Buffer.concat([Buffer.from('h3t1'), garbage]) : garbage
        const decoded = decodeTicket(input)
        if (decoded !== undefined) expect(decoded.ticket.length).toBeGreaterThan(0)
        if (!hasMagic && !garbage.toString('latin1').startsWith('h3t1')) expect(decoded).toBeUndefined()
      }),
    )
  })

  it('is none with other flags, other padding, another magic or too many bytes', () => {
    const settings = { ...decodeTicket(good())!.settings }
    expect(settings.h3Datagram).toBe(true)
    for (const [at, value] of [
      [0, 0x69],
      [3, 0x32],
      [16, 1],
      [19, 4],
      [20, 1],
      [21, 1],
    ] as const) {
      const encoded = good()
      encoded[at] = value
      expect([at, decodeTicket(encoded)]).toEqual([at, undefined])
    }
    expect(decodeTicket(Buffer.concat([good(), Buffer.alloc(65_536)]))).toBeUndefined()
  })
})

function good(): Buffer {
  return encodeTicket({
    ticket: Buffer.from('ticket'),
    settings: {
      qpackMaxTableCapacity: 1,
      qpackBlockedStreams: 2,
      maxFieldSectionSize: 3,
      enableConnectProtocol: true,
      h3Datagram: true,
    },
    token: Buffer.from('token'),
  })
}
