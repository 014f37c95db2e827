import { describe, expect, it } from 'vitest'
import {
  data,
  FRAME,
  fieldSection,
  frame,
  insertLiteral,
  integer,
  SETTING,
  setCapacity,
  settings,
  varint,
} from '../../../../support/http3-wire.ts'
import { ROLES, type Role, SessionRig } from './session-rig.ts'

const fresh = (role: Role): SessionRig => new SessionRig(role, { peerSettings: [] })
/** Established, and the peer has said nothing yet. */
function silent(role: Role): SessionRig {
  const rig = new SessionRig(role, { handshake: false })
  rig.quic.establish()
  rig.turn()
  return rig
}

const PRIORITY_UPDATE_PUSH = 0xf0701
const ORIGIN = 0x0c
const withText = (id: number, text: string): Buffer => Buffer.concat([varint(id), Buffer.from(text)])

const CONTROL: readonly [name: string, roles: readonly Role[], bytes: Buffer, code: string][] = [
  ['SETTINGS for the second time (7.2.4)', ROLES, settings(), 'H3_FRAME_UNEXPECTED'],
  ['DATA (7.2.1)', ROLES, data('x'), 'H3_FRAME_UNEXPECTED'],
  ['HEADERS (7.2.2)', ROLES, frame(FRAME.HEADERS, fieldSection()), 'H3_FRAME_UNEXPECTED'],
  ['PUSH_PROMISE (7.2.5)', ROLES, frame(FRAME.PUSH_PROMISE, varint(0)), 'H3_FRAME_UNEXPECTED'],
  ...[0x02, 0x06, 0x08, 0x09].map(
    type =>
      [`type ${type} of HTTP/2 (7.2.8)`, ROLES, frame(type), 'H3_FRAME_UNEXPECTED'] as [
        string,
        readonly Role[],
        Buffer,
        string,
      ],
  ),
  ['MAX_PUSH_ID of a server (7.2.7)', ['client'], frame(FRAME.MAX_PUSH_ID, varint(1)), 'H3_FRAME_UNEXPECTED'],
  [
    'PRIORITY_UPDATE of a server (RFC 9218 7.2)',
    ['client'],
    frame(FRAME.PRIORITY_UPDATE, withText(0, 'u=1')),
    'H3_FRAME_UNEXPECTED',
  ],
  [
    'PRIORITY_UPDATE of a push, of a server',
    ['client'],
    frame(PRIORITY_UPDATE_PUSH, withText(0, 'u=1')),
    'H3_FRAME_UNEXPECTED',
  ],
  [
    'PRIORITY_UPDATE of a push that never was (RFC 9218 7.2)',
    ['server'],
    frame(PRIORITY_UPDATE_PUSH, withText(0, 'u=1')),
    'H3_ID_ERROR',
  ],
  [
    'PRIORITY_UPDATE of a stream that is no request (RFC 9218 7.2)',
    ['server'],
    frame(FRAME.PRIORITY_UPDATE, withText(2, 'u=1')),
    'H3_ID_ERROR',
  ],
  ['an empty PRIORITY_UPDATE', ['server'], frame(FRAME.PRIORITY_UPDATE), 'H3_FRAME_ERROR'],
  ['CANCEL_PUSH of a push that never was (7.2.3)', ROLES, frame(FRAME.CANCEL_PUSH, varint(0)), 'H3_ID_ERROR'],
  ['an empty CANCEL_PUSH (7.1)', ROLES, frame(FRAME.CANCEL_PUSH), 'H3_FRAME_ERROR'],
  ['an empty GOAWAY (7.1)', ROLES, frame(FRAME.GOAWAY), 'H3_FRAME_ERROR'],
  ['GOAWAY cut within its id (7.1)', ROLES, frame(FRAME.GOAWAY, Buffer.of(0x40)), 'H3_FRAME_ERROR'],
  ['GOAWAY with a byte behind its id (7.1)', ROLES, frame(FRAME.GOAWAY, Buffer.of(0, 0)), 'H3_FRAME_ERROR'],
  [
    'GOAWAY of a stream that is no request (7.2.6)',
    ['client'],
    frame(FRAME.GOAWAY, varint(3)),
    'H3_ID_ERROR',
  ],
  [
    'GOAWAY whose id goes up (5.2)',
    ROLES,
    Buffer.concat([frame(FRAME.GOAWAY, varint(4)), frame(FRAME.GOAWAY, varint(8))]),
    'H3_ID_ERROR',
  ],
  [
    'MAX_PUSH_ID that goes down (7.2.7)',
    ['server'],
    Buffer.concat([frame(FRAME.MAX_PUSH_ID, varint(4)), frame(FRAME.MAX_PUSH_ID, varint(3))]),
    'H3_ID_ERROR',
  ],
  ['an empty MAX_PUSH_ID (7.1)', ['server'], frame(FRAME.MAX_PUSH_ID), 'H3_FRAME_ERROR'],
  ['GOAWAY of 20 000 bytes', ROLES, frame(FRAME.GOAWAY, Buffer.alloc(0), 20_000), 'H3_EXCESSIVE_LOAD'],
]

describe('on the control stream', () => {
  it.each(CONTROL.flatMap(([name, roles, bytes, code]) => roles.map(role => ({ role, name, bytes, code }))))(
    'a $role ends the connection for $name with $code',
    ({ role, bytes, code }) => {
      const rig = fresh(role)
      rig.control(bytes)
      expect(rig.verdict()).toBe(`connection ${code}`)
      expect(rig.quic.closed?.isApplication).toBe(true)
      expect(rig.log().slice(-2)).toEqual(['ending', `over ${code} peer`])
    },
  )

  it.each(
    ROLES.flatMap(role =>
      [
        ['GOAWAY', frame(FRAME.GOAWAY, varint(0))],
        ['DATA', data('x')],
        ['an unknown frame', frame(0x21)],
      ].map(([name, bytes]) => ({ role, name: name as string, bytes: bytes as Buffer })),
    ),
  )(
    'a $role ends the connection for $name before SETTINGS with H3_MISSING_SETTINGS (6.2.1)',
    ({ role, bytes }) => {
      const rig = silent(role)
      rig.control(bytes, settings())
      expect(rig.verdict()).toBe('connection H3_MISSING_SETTINGS')
    },
  )

  it.each(
    ROLES.flatMap(role =>
      [
        ...[0x00, 0x02, 0x03, 0x04, 0x05].map(
          id => [`setting ${id} of HTTP/2 (7.2.4.1)`, settings([[id, 0]]), 'H3_SETTINGS_ERROR'] as const,
        ),
        [
          'a setting that stands twice (7.2.4)',
          settings([
            [0x21, 1],
            [0x21, 1],
          ]),
          'H3_SETTINGS_ERROR',
        ] as const,
        [
          'ENABLE_CONNECT_PROTOCOL of 2 (RFC 9220 3)',
          settings([[SETTING.ENABLE_CONNECT_PROTOCOL, 2]]),
          'H3_SETTINGS_ERROR',
        ] as const,
        [
          'H3_DATAGRAM of 2 (RFC 9297 2.1.1)',
          settings([[SETTING.H3_DATAGRAM, 2]]),
          'H3_SETTINGS_ERROR',
        ] as const,
        [
          'SETTINGS that end within one (7.1)',
          frame(FRAME.SETTINGS, Buffer.of(6)),
          'H3_FRAME_ERROR',
        ] as const,
      ].map(([name, bytes, code]) => ({ role, name, bytes, code })),
    ),
  )('a $role ends the connection for $name with $code', ({ role, bytes, code }) => {
    const rig = silent(role)
    rig.control(bytes)
    expect(rig.verdict()).toBe(`connection ${code}`)
  })

  it.each(ROLES)('a %s skips unknown frames, in whatever pieces, and goes on', role => {
    const rig = fresh(role)
    const bytes = Buffer.concat([frame(0x21, Buffer.alloc(300)), frame(0x1f * 1000 + 0x21), frame(0xbeef)])
    for (const byte of bytes) rig.control(Buffer.of(byte))
    expect(rig.verdict()).toBe('none')
    rig.control(frame(FRAME.GOAWAY, varint(0)))
    if (role === 'client') expect(rig.log()).toContain('goaway 0')
  })

  it('a client reports the origins of ORIGIN (RFC 9412), and a server skips them', () => {
    const payload = Buffer.from('\0\x12https://origin.test', 'latin1')
    payload[1] = payload.length - 2
    for (const role of ROLES) {
      const rig = fresh(role)
      rig.control(frame(ORIGIN, payload))
      expect(rig.verdict()).toBe('none')
      expect(rig.log()).toEqual(role === 'client' ? ['origins https://origin.test'] : [])
    }
  })

  it('a server accepts MAX_PUSH_ID that goes up, and never pushes', () => {
    const rig = fresh('server')
    rig.control(frame(FRAME.MAX_PUSH_ID, varint(4)), frame(FRAME.MAX_PUSH_ID, varint(4)))
    rig.control(frame(FRAME.MAX_PUSH_ID, varint(40)))
    expect(rig.verdict()).toBe('none')
    expect(rig.log()).toEqual([])
  })
})

describe('on unidirectional streams (RFC 9114 6.2)', () => {
  it.each(ROLES)('a %s opens control and QPACK streams, SETTINGS first, and sends grease', role => {
    const rig = silent(role)
    const [first, second] = rig.quic.frames(rig.ownControl, 1)
    expect(first?.type).toBe(FRAME.SETTINGS)
    // 7.2.8: a reserved frame behind them.
    expect(((second?.type ?? 0) - 0x21) % 0x1f).toBe(0)
    const typeOf = (id: number): number | undefined => rig.quic.stream(id).written[0]
    expect([rig.ownControl, rig.ownEncoder, rig.ownDecoder].map(typeOf)).toEqual([0, 2, 3])
  })

  it.each(ROLES)('a %s opens its streams one by one when the peer allows them so', role => {
    const rig = new SessionRig(role, { handshake: false })
    rig.quic.left.unidirectional = 0
    rig.quic.establish()
    rig.turn()
    expect(rig.quic.ids).toEqual([])
    rig.quic.left.unidirectional = 1
    rig.turn()
    expect(rig.quic.ids).toEqual([rig.ownControl])
    expect(rig.controlFrames()[0]?.type).toBe(FRAME.SETTINGS)
    rig.quic.left.unidirectional = 2
    rig.turn()
    expect(rig.quic.ids).toEqual([rig.ownControl, rig.ownEncoder, rig.ownDecoder])
  })

  it.each(ROLES)('a %s writes SETTINGS in the pieces that QUIC takes', role => {
    const rig = new SessionRig(role, { handshake: false })
    rig.quic.room = 3
    rig.quic.establish()
    rig.turn()
    for (let i = 0; i < 40; i++) {
      rig.quic.allow(rig.ownControl, 3)
      rig.turn()
    }
    expect(rig.controlFrames()[0]).toMatchObject({ type: FRAME.SETTINGS })
    expect(rig.quic.stream(rig.ownControl).written.length).toBeGreaterThan(10)
  })

  it.each(
    ROLES.flatMap(role =>
      (['control', 'encoder', 'decoder'] as const).flatMap(kind =>
        ['second', 'ended', 'reset', 'ours stopped'].map(what => ({ role, kind, what })),
      ),
    ),
  )('a $role ends the connection for its $kind stream: $what', ({ role, kind, what }) => {
    const rig = fresh(role)
    const index = ['control', 'encoder', 'decoder'].indexOf(kind)
    const type = [0, 2, 3][index]!
    const id = [rig.peerControl, rig.peerEncoder, rig.peerDecoder][index]!
    if (kind === 'encoder') rig.encoder()
    if (kind === 'decoder') rig.decoder()
    expect(rig.verdict()).toBe('none')
    if (what === 'second') {
      rig.receive(rig.peerOther, varint(type))
      expect(rig.verdict()).toBe('connection H3_STREAM_CREATION_ERROR') // 6.2.1, RFC 9204 4.2
      return
    }
    if (what === 'ended') rig.receive(id, Buffer.alloc(0), true)
    else if (what === 'reset') {
      rig.quic.peerResets(id, 0x100)
      rig.turn()
    } else {
      rig.quic.peerStops([rig.ownControl, rig.ownEncoder, rig.ownDecoder][index]!, 0x100)
      rig.turn()
    }
    expect(rig.verdict()).toBe('connection H3_CLOSED_CRITICAL_STREAM')
  })

  it('a push stream is refused with H3_ID_ERROR by a client that allowed none (4.6), with H3_STREAM_CREATION_ERROR by a server (6.2.2)', () => {
    for (const [role, code] of [
      ['client', 'H3_ID_ERROR'],
      ['server', 'H3_STREAM_CREATION_ERROR'],
    ] as const) {
      const rig = fresh(role)
      rig.receive(rig.peerOther, Buffer.concat([varint(1), varint(0)]))
      expect(rig.verdict()).toBe(`connection ${code}`)
    }
  })

  it.each(ROLES)(
    'a %s stops streams of unknown types, however their type is written, and goes on (6.2)',
    role => {
      for (const type of [varint(0x21), varint(0x54, 2), varint(0x1f * 99 + 0x21, 4), varint(0x21, 8)]) {
        const rig = fresh(role)
        for (const byte of type) rig.receive(rig.peerOther, Buffer.of(byte))
        expect(rig.verdict(rig.peerOther)).toBe(`stream ${rig.peerOther} H3_STREAM_CREATION_ERROR`)
        rig.receive(rig.peerOther, Buffer.from('more of it'), true)
        rig.quic.peerResets(rig.peerOther, 0)
        rig.turn()
        expect(rig.quic.closed).toBeUndefined()
      }
    },
  )

  it.each(ROLES)('a %s recognizes the type of a critical stream in any length (RFC 9000 16)', role => {
    const bytes = Buffer.concat([varint(0, 8), settings([[SETTING.MAX_FIELD_SECTION_SIZE, 7]])])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const rig = silent(role)
      rig.receive(rig.peerControl, bytes.subarray(0, cut))
      rig.receive(rig.peerControl, bytes.subarray(cut))
      expect([cut, rig.verdict(), rig.session.hasPeerSettings]).toEqual([cut, 'none', true])
    }
  })

  it.each(ROLES)('a %s lets a stream end or break off before its type arrived (6.2)', role => {
    const rig = fresh(role)
    rig.receive(rig.peerOther, Buffer.of(0x40), true)
    rig.receive(rig.peerOther + 4, Buffer.alloc(0), true)
    rig.receive(rig.peerOther + 8, Buffer.of(0x40))
    rig.quic.peerResets(rig.peerOther + 8, 0)
    rig.turn()
    expect(rig.verdict()).toBe('none')
  })

  it('a bidirectional stream of a server is refused with H3_STREAM_CREATION_ERROR (6.1)', () => {
    const rig = fresh('client')
    rig.receive(1, Buffer.of(0))
    expect(rig.verdict()).toBe('connection H3_STREAM_CREATION_ERROR')
  })
})

describe('on QPACK streams (RFC 9204 6)', () => {
  it.each(
    ROLES.flatMap(role =>
      (
        [
          ['encoder', 'a table larger than allowed', setCapacity(5000), 'QPACK_ENCODER_STREAM_ERROR'],
          ['encoder', 'an insertion into nothing', insertLiteral('a', 'b'), 'QPACK_ENCODER_STREAM_ERROR'],
          ['encoder', 'a duplicate of nothing', Buffer.of(0x00), 'QPACK_ENCODER_STREAM_ERROR'],
          ['decoder', 'an increment of 0', Buffer.of(0x00), 'QPACK_DECODER_STREAM_ERROR'],
          ['decoder', 'an increment of what was not inserted', Buffer.of(5), 'QPACK_DECODER_STREAM_ERROR'],
          ['decoder', 'an acknowledgement of nothing', integer(0x80, 7, 400), 'QPACK_DECODER_STREAM_ERROR'],
        ] as const
      ).map(([stream, name, bytes, code]) => ({ role, stream, name, bytes, code })),
    ),
  )('a $role ends the connection for $name with $code', ({ role, stream, bytes, code }) => {
    const rig = fresh(role)
    if (stream === 'encoder') rig.encoder(bytes)
    else rig.decoder(bytes)
    expect(rig.verdict()).toBe(`connection ${code}`)
  })

  it.each(ROLES)('a %s reads instructions byte by byte', role => {
    const rig = fresh(role)
    const bytes = Buffer.concat([setCapacity(1000), insertLiteral('x-name', 'value'), integer(0, 5, 0)])
    rig.encoder()
    for (const byte of bytes) rig.encoder(Buffer.of(byte))
    expect(rig.verdict()).toBe('none')
  })
})
