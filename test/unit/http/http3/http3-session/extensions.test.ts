import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { data, headers, responseHeaders, SETTING, varint } from '../../../../support/http3-wire.ts'
import { CONNECT_UDP, GET, ROLES, SessionRig } from './session-rig.ts'

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
const WITH_DATAGRAMS = [[SETTING.H3_DATAGRAM, 1]] as const

describe('HTTP datagrams (RFC 9297)', () => {
  it('go to the stream that they name', () => {
    for (const role of ROLES) {
      const rig = new SessionRig(role, { peerSettings: WITH_DATAGRAMS })
      for (const id of [0, 4]) {
        if (role === 'client') rig.open(CONNECT_UDP, false)
        else rig.receive(id, EXTENDED)
        rig.datagrams(id)
      }
      rig.log()
      rig.quic.tell({ type: 'datagram', bytes: Buffer.concat([varint(1), Buffer.from('hi')]) })
      rig.quic.tell({ type: 'datagram', bytes: varint(0, 4) })
      rig.turn()
      expect(rig.log()).toEqual(['datagram 4 hi', 'datagram 0 '])
      expect(rig.datagrams(4).send(Buffer.from('ho'))).toBe(true)
      expect(rig.quic.datagrams.map(bytes => bytes.toString('latin1'))).toEqual(['\x01ho'])
    }
  })

  it.each([Buffer.alloc(0), Buffer.of(0x40), varint(2 ** 52)])(
    'that do not name a stream end the connection with H3_DATAGRAM_ERROR (2.1)',
    bytes => {
      const rig = new SessionRig('server', { peerSettings: WITH_DATAGRAMS })
      rig.quic.tell({ type: 'datagram', bytes })
      rig.turn()
      expect(rig.verdict()).toBe('connection H3_DATAGRAM_ERROR')
    },
  )

  it('that we have not offered end the connection with H3_DATAGRAM_ERROR (2.1.1)', () => {
    for (const role of ROLES) {
      const rig = new SessionRig(role, { enableDatagrams: false })
      rig.quic.tell({ type: 'datagram', bytes: varint(0) })
      rig.turn()
      expect(rig.verdict()).toBe('connection H3_DATAGRAM_ERROR')
    }
  })

  it('are not sent to a peer that has not offered them, nor without an offer of our own, nor when they are too long', () => {
    const to = (enableDatagrams: boolean, offers: boolean, bytes: number): boolean => {
      const rig = new SessionRig('client', { enableDatagrams, peerSettings: offers ? WITH_DATAGRAMS : [] })
      return rig.datagrams(rig.open(CONNECT_UDP, false).id).send(Buffer.alloc(bytes))
    }
    expect(to(true, true, 1199)).toBe(true)
    expect(to(true, true, 1200)).toBe(false)
    expect(to(true, false, 1)).toBe(false)
    expect(to(false, true, 1)).toBe(false)
  })

  it('are dropped for streams that are over', () => {
    const rig = new SessionRig('client', { peerSettings: WITH_DATAGRAMS })
    const stream = rig.open(CONNECT_UDP, false)
    rig.datagrams(stream.id)
    stream.reset('CANCEL')
    rig.log()
    rig.quic.tell({ type: 'datagram', bytes: varint(0) })
    rig.turn()
    expect(rig.log()).toEqual([])
    expect(rig.quic.closed).toBeUndefined()
  })
})

const CONNECT = headers([':method', 'CONNECT'], [':authority', 'a.test:443'])
const EXTENDED = headers(
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'https'],
  [':authority', 'a.test'],
  [':path', '/chat'],
)

describe('with extended CONNECT (RFC 9220) and CONNECT (RFC 9114 4.4)', () => {
  it.each([
    ['plain', CONNECT],
    ['extended', EXTENDED],
  ])(
    'a server gets a %s one as a tunnel in both directions, also behind the end of its answer',
    (_, head) => {
      const rig = new SessionRig('server')
      rig.receive(0, head)
      expect(rig.heads.get(0)?.method).toBe('CONNECT')
      rig.stream(0).respond(200, NO_HEADERS, false)
      rig.receive(0, data('in'))
      rig.stream(0).write(Buffer.from('out'), keep)
      rig.stream(0).end(NO_HEADERS)
      // The end of our side leaves theirs open: a tunnel is owed every byte.
      rig.receive(0, data(' again'), true)
      expect(rig.bodies.get(0)).toBe('in again')
      expect(rig.log().slice(-2)).toEqual(['closed 0', 'end 0'])
    },
  )

  it('a server that has not offered it treats the pseudo-field like any unknown one', () => {
    const rig = new SessionRig('server', { enableConnectProtocol: false })
    rig.receive(0, EXTENDED)
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
  })

  it.each([
    [
      'of another method',
      headers(
        [':method', 'GET'],
        [':protocol', 'x'],
        [':scheme', 'https'],
        [':authority', 'a'],
        [':path', '/'],
      ),
    ],
    [
      'without a path',
      headers([':method', 'CONNECT'], [':protocol', 'x'], [':scheme', 'https'], [':authority', 'a']),
    ],
    [
      'without a scheme',
      headers([':method', 'CONNECT'], [':protocol', 'x'], [':path', '/'], [':authority', 'a']),
    ],
  ])('a server refuses :protocol %s as malformed', (_, head) => {
    const rig = new SessionRig('server')
    rig.receive(0, head)
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
  })

  it('a client opens the tunnel with 2xx, in which a length means nothing', () => {
    const rig = new SessionRig('client', { peerSettings: [[SETTING.ENABLE_CONNECT_PROTOCOL, 1]] })
    expect(rig.session.peerEnablesConnect).toBe(true)
    const stream = rig.open({ ...GET, method: 'CONNECT', protocol: 'websocket' }, false)
    rig.receive(0, responseHeaders(200, [['content-length', '1']]))
    rig.receive(0, data('in and out'))
    stream.write(Buffer.from('out'), keep)
    expect(rig.bodies.get(0)).toBe('in and out')
    expect(rig.frames(0)).toEqual([expect.stringMatching(/^HEADERS/), 'DATA 3'])
  })

  it('a client treats anything else as an answer like any other, with a body and trailers', () => {
    const rig = new SessionRig('client')
    rig.open({ ...GET, method: 'CONNECT', authority: 'a.test:443' }, false)
    rig.receive(0, Buffer.concat([responseHeaders(502), data('no'), headers(['x-sum', '1'])]), true)
    expect(rig.log()).toEqual(['response 0 502', 'data 0 2', 'end 0 x-sum 1'])
  })
})
