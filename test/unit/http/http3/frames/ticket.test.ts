import { describe, expect, it } from 'vitest'
import {
  checkAgainstRemembered,
  decodeTicket,
  encodeTicket,
  type Settings,
} from '../../../../../src/http/http3/frames/settings.ts'
import { fc } from '../../../../support/property.ts'

const someSettings: fc.Arbitrary<Settings> = fc.record({
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
  settings: someSettings,
  token: fc.option(bytes(1), { nil: undefined }),
})

describe('tickets for the store', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(someTicket, ticket => {
        expect(decodeTicket(encodeTicket(ticket))).toEqual(ticket)
      }),
    )
  })

  it('large limits come back as no more than they were', () => {
    const settings: Settings = {
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
    'what said %i agrees with what is remembered of it',
    limit => {
      const settings: Settings = {
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

  it('cut within the head or the token is no ticket; cut later it is one that the engine will refuse', () => {
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

  it('any bytes are a ticket or none', () => {
    fc.assert(
      fc.property(bytes(0), fc.boolean(), (garbage, hasMagic) => {
        const input = hasMagic ? Buffer.concat([Buffer.from('h3t1'), garbage]) : garbage
        const decoded = decodeTicket(input)
        if (decoded !== undefined) expect(decoded.ticket.length).toBeGreaterThan(0)
        if (!hasMagic && !garbage.toString('latin1').startsWith('h3t1')) expect(decoded).toBeUndefined()
      }),
    )
  })

  it('with other flags, other padding, another magic or too many bytes are none', () => {
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
