import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import {
  data,
  dynamicSection,
  FRAME,
  frame,
  headers,
  insertLiteral,
  integer,
  requestHeaders,
  responseHeaders,
  SETTING,
  setCapacity,
} from '../../../../support/http3-wire.ts'
import { GET, POST, ROLES, SessionRig } from './session-rig.ts'

const MAX_ENTRIES = 4096 / 32
/** A section of `:status: 200` from the dynamic table, and of it alone. */
const blockedHead = (count: number): Buffer => frame(FRAME.HEADERS, dynamicSection(count, MAX_ENTRIES, 0, 1))
const insertStatus = insertLiteral(':status', '200')

describe('a section that waits for the dynamic table (RFC 9204 2.1.2)', () => {
  it('holds its own stream, and no other, until the insertion has come; then it is acknowledged', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.open()
    rig.receive(0, Buffer.concat([blockedHead(1), data('late')]), true)
    rig.receive(4, Buffer.concat([responseHeaders(), data('now')]), true)
    expect(rig.log()).toEqual(['response 4 200', 'data 4 3', 'closed 4', 'end 4'])
    rig.encoder(setCapacity(4096))
    expect(rig.log()).toEqual([])
    rig.encoder(insertStatus)
    expect(rig.log()).toEqual(['response 0 200', 'data 0 4', 'closed 0', 'end 0'])
    // Section Acknowledgment of stream 0 (RFC 9204 4.4.1); it says that the insertion has come, too.
    expect(rig.quic.stream(rig.ownDecoder).written.subarray(1)).toEqual(Buffer.of(0x80))
  })

  it('holds its stream also when both come in one turn, in the order that helps least', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.quic.deliver(0, Buffer.concat([blockedHead(1), data('x')]), true)
    rig.quic.deliver(rig.peerEncoder, Buffer.concat([Buffer.of(2), setCapacity(4096), insertStatus]))
    rig.turn()
    expect(rig.log()).toEqual(['response 0 200', 'data 0 1', 'closed 0', 'end 0'])
  })

  it('may wait as trailers', () => {
    const rig = new SessionRig('server')
    rig.receive(0, Buffer.concat([requestHeaders('/', [], 'POST'), data('x'), blockedHead(1)]), true)
    expect(rig.log()).toEqual(['request 0 POST /', 'data 0 1'])
    rig.encoder(setCapacity(4096), insertLiteral('x-sum', '7'))
    expect(rig.log()).toEqual(['end 0 x-sum 7'])
  })

  it('that is malformed is refused when it can be read', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(0, blockedHead(1))
    rig.encoder(setCapacity(4096), insertLiteral('x-no-status', '7'))
    expect(rig.log()).toEqual(['closed 0 failed', 'reset 0 H3_MESSAGE_ERROR broken'])
  })

  it.each(ROLES)(
    'lets a %s end the connection when there are more of them than qpackBlockedStreams (RFC 9204 2.1.2)',
    role => {
      const rig = new SessionRig(role, { options: { qpackBlockedStreams: 2 } })
      for (const id of [0, 4, 8]) {
        expect(rig.verdict()).toBe('none')
        if (role === 'client') rig.open()
        rig.receive(id, blockedHead(1))
      }
      expect(rig.verdict()).toBe('connection QPACK_DECOMPRESSION_FAILED')
    },
  )

  it('that is given up is cancelled (RFC 9204 4.4.2), and its insertion resumes nobody', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(0, blockedHead(1))
    rig.stream(0).reset('CANCEL')
    rig.turn()
    expect(rig.quic.stream(rig.ownDecoder).written.subarray(1)).toEqual(Buffer.of(0x40))
    rig.encoder(setCapacity(4096), insertStatus)
    expect(rig.log()).toEqual(['closed 0'])
    expect(rig.quic.closed).toBeUndefined()
  })

  it('that the peer breaks off is cancelled too', () => {
    const rig = new SessionRig('server')
    rig.receive(0, blockedHead(1))
    rig.quic.peerResets(0, 0x10c)
    rig.turn()
    expect(rig.quic.stream(rig.ownDecoder).written.subarray(1)).toEqual(Buffer.of(0x40))
  })

  it('of a request that is refused unread behind GOAWAY is cancelled too', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders('/'), true)
    rig.session.drain(rig.now)
    rig.pass(1000)
    rig.receive(4, blockedHead(1), true)
    expect(rig.verdict(4)).toBe('stream 4 H3_REQUEST_REJECTED')
    expect(rig.quic.stream(rig.ownDecoder).written.subarray(1)).toEqual(Buffer.of(0x44))
  })

  it('of a stalled reader is decoded, since the table changes, and reported when the reader resumes', () => {
    const rig = new SessionRig('client')
    const stream = rig.open()
    rig.receive(0, Buffer.concat([blockedHead(1), data('late')]), true)
    stream.pause()
    rig.encoder(setCapacity(4096), insertStatus)
    stream.resume()
    expect(rig.log()).toEqual(['response 0 200', 'data 0 4', 'closed 0', 'end 0'])
  })
})

describe('a peer that reads nothing on our decoder stream', () => {
  it('can make us keep 64 KB for it, and no more', () => {
    const rig = new SessionRig('server')
    rig.quic.allow(rig.ownDecoder, 0)
    rig.encoder(setCapacity(4096), insertLiteral('x-a', 'b'))
    const head = Buffer.concat([
      requestHeaders('/', [], 'POST'),
      frame(FRAME.HEADERS, dynamicSection(1, MAX_ENTRIES, 0, 1)),
    ])
    rig.onRequest = stream => stream.respond(204, NO_HEADERS, true)
    let id = 0
    // Each is acknowledged in one to four bytes.
    while (rig.quic.closed === undefined && id < 4 * 70_000) {
      for (let i = 0; i < 100; i++, id += 4) rig.quic.deliver(id, head, true)
      rig.session.onTurn(0)
    }
    expect(rig.verdict()).toBe('connection H3_EXCESSIVE_LOAD')
    expect(id / 4).toBeGreaterThan(65_536 / 4)
  })
})

describe('an insertion of our encoder', () => {
  const TABLE = [
    [SETTING.QPACK_MAX_TABLE_CAPACITY, 4096],
    [SETTING.QPACK_BLOCKED_STREAMS, 16],
  ] as const
  const request = { ...GET, headers: ['x-again', 'the same value'] }

  /**
   * Whether the section of a request refers to the table: its Required Insert Count is not 0 (RFC 9204
   * 4.5.1).
   */
  const refers = (rig: SessionRig, id: number): boolean => rig.quic.stream(id).written[2] !== 0

  it('is referred to when the peer has confirmed it, and not before, so that no stream of ours waits for another', () => {
    const rig = new SessionRig('client', { peerSettings: TABLE })
    for (let i = 0; i < 5; i++) rig.open(request)
    expect(rig.quic.stream(rig.ownEncoder).written.length).toBeGreaterThan(1)
    expect([0, 4, 8, 12, 16].filter(id => refers(rig, id))).toEqual([])
    rig.decoder(integer(0x00, 6, 1))
    rig.open(request)
    expect(refers(rig, 20)).toBe(true)
    // It is acknowledged once; a second time is one too many.
    rig.decoder(integer(0x80, 7, 20))
    expect(rig.verdict()).toBe('none')
    rig.decoder(integer(0x80, 7, 20))
    expect(rig.verdict()).toBe('connection QPACK_DECODER_STREAM_ERROR')
  })

  it('is made rarely while the stream has no credit, and more follow when it has', () => {
    const rig = new SessionRig('client', { peerSettings: TABLE })
    rig.quic.allow(rig.ownEncoder, 0)
    for (let i = 0; i < 200; i++) {
      rig.quic.left.bidirectional = 100
      for (let j = 0; j < 3; j++) rig.open({ ...GET, headers: [`x-${i}`, 'v'.repeat(30)] }).reset('CANCEL')
    }
    expect(rig.quic.stream(rig.ownEncoder).written).toHaveLength(1)
    rig.quic.allow(rig.ownEncoder, 1_000_000)
    rig.turn()
    const { length } = rig.quic.stream(rig.ownEncoder).written
    expect(length).toBeGreaterThan(1)
    // Not what 200 new names would be.
    expect(length).toBeLessThan(200)
  })

  it('is not made for a peer without a table', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 6; i++) rig.open(request)
    expect(rig.quic.stream(rig.ownEncoder).written).toHaveLength(1)
  })
})

/**
 * What the peer gets whose head is too large: a client's answer is broken off, and a server says 431 and
 * wants no more of it.
 */
function expectRefused(rig: SessionRig): void {
  const { resetCode, stopCode } = rig.quic.stream(0)
  if (rig.role === 'client') {
    expect(rig.verdict(0)).toBe('stream 0 H3_EXCESSIVE_LOAD')
    expect(rig.log()).toEqual([
      'defence maxHeaderBytes',
      'closed 0 failed',
      'reset 0 H3_EXCESSIVE_LOAD limit',
    ])
    return
  }
  expect([rig.nameOf(resetCode), rig.nameOf(stopCode)]).toEqual(['none', 'H3_NO_ERROR'])
  const { written, isFinished } = rig.quic.stream(0)
  expect([written.includes('431'), isFinished]).toEqual([true, true])
  expect(rig.log()).toEqual(['defence maxHeaderBytes', 'closed 0'])
  expect([rig.session.openStreams, rig.session.bufferedBytes]).toEqual([0, 0])
  rig.receive(4, requestHeaders(), true)
  expect(rig.log()).toEqual(['request 4 GET / end'])
}

describe('the limit on header sizes', () => {
  it.each(ROLES)(
    'lets a %s refuse a section whose frame is above maxHeaderBytes before it has come',
    role => {
      const rig = new SessionRig(role, { maxHeaderBytes: 1000 })
      if (role === 'client') rig.open(POST, false)
      rig.receive(0, frame(FRAME.HEADERS, Buffer.alloc(0), 1001))
      expectRefused(rig)
      // The rest of it may still come.
      rig.receive(0, Buffer.alloc(1001), true)
      expect(rig.quic.closed).toBeUndefined()
      expect(rig.log()).toEqual([])
    },
  )

  it.each(
    ROLES.flatMap(role =>
      [
        ['of many small fields', Array.from({ length: 30 }, (_, i) => [`x-${i}`, 'y'] as const)],
        ['of one large field', [['x-large', 'y'.repeat(950)] as const]],
      ].map(([what, extra]) => ({ role, what: what as string, extra: extra as [string, string][] })),
    ),
  )('lets a $role refuse a list $what above maxHeaderBytes (RFC 9114 4.2.2)', ({ role, extra }) => {
    const rig = new SessionRig(role, { maxHeaderBytes: 1000 })
    if (role === 'client') rig.open(POST, false)
    rig.receive(0, role === 'client' ? responseHeaders(200, extra) : requestHeaders('/', extra))
    expectRefused(rig)
  })

  it.each(ROLES)('lets a %s refuse more fields than maxHeaderCount', role => {
    const rig = new SessionRig(role, { maxHeaderCount: 10 })
    if (role === 'client') rig.open(POST, false)
    const extra = Array.from({ length: 11 }, (_, i) => [`x-${i}`, 'y'] as const)
    rig.receive(0, role === 'client' ? responseHeaders(200, extra) : requestHeaders('/', extra))
    expectRefused(rig)
  })

  it('lets the 431 wait for room, and keeps nothing else for it', () => {
    const rig = new SessionRig('server', { maxHeaderBytes: 1000 })
    rig.quic.room = 0
    rig.receive(0, frame(FRAME.HEADERS, Buffer.alloc(0), 1001))
    expect(rig.session.openStreams).toBe(1)
    rig.quic.allow(0, 1000)
    rig.turn()
    expect([rig.quic.stream(0).isFinished, rig.session.openStreams]).toEqual([true, 0])
    // Or is given up with the request.
    rig.receive(4, frame(FRAME.HEADERS, Buffer.alloc(0), 1001))
    rig.quic.peerResets(4, 0x10c)
    rig.quic.peerStops(4, 0x10c)
    rig.turn()
    expect(rig.session.openStreams).toBe(0)
    expect(rig.log().filter(line => line.startsWith('request'))).toEqual([])
  })

  it.each(ROLES)('lets a %s refuse trailers that are too large', role => {
    const rig = new SessionRig(role, { maxHeaderBytes: 1000 })
    if (role === 'client') rig.open(POST, false)
    const head = role === 'client' ? responseHeaders() : requestHeaders('/', [], 'POST')
    rig.receive(0, Buffer.concat([head, headers(['x-large', 'y'.repeat(970)])]), true)
    expect(rig.log().at(-1)).toBe('reset 0 H3_EXCESSIVE_LOAD limit')
  })

  it('leaves the table in step behind a refused list, so that references of the next section are right', () => {
    const rig = new SessionRig('client', { maxHeaderBytes: 1000 })
    rig.open()
    rig.open()
    rig.encoder(setCapacity(4096), insertStatus, insertLiteral('x-large', 'y'.repeat(400)))
    // Three times 400 bytes from one entry: a bomb (RFC 9204 7.1).
    rig.receive(0, frame(FRAME.HEADERS, dynamicSection(2, MAX_ENTRIES, 0, 3)))
    expect(rig.log().at(-1)).toBe('reset 0 H3_EXCESSIVE_LOAD limit')
    rig.receive(4, frame(FRAME.HEADERS, dynamicSection(2, MAX_ENTRIES, 1, 1)), true)
    expect(rig.log()).toEqual(['response 4 200', 'closed 4', 'end 4'])
  })

  it('leaves the use of the peer’s table at 0 until it has announced one', () => {
    const rig = new SessionRig('client', { handshake: false })
    rig.quic.establish()
    rig.turn()
    rig.decoder(integer(0x40, 6, 0))
    expect(rig.verdict()).toBe('none')
    const stream = rig.open(POST, false)
    stream.end(NO_HEADERS)
    expect(rig.frames(0).at(-1)).toBe('DATA 0 end')
  })
})
