import { describe, expect, it } from 'vitest'
import type { RawStream, WebTransportCarrier } from '../../../../../src/base/http/web-transport-carrier.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../../../../src/base/options/protocol-options.ts'
import { offeredWebTransport } from '../../../../../src/http/http3/frames/settings.ts'
import { data, responseHeaders, varint } from '../../../../support/http3-wire.ts'
import { fc } from '../../../../support/property.ts'
import { GET, ROLES, type Role, SessionRig } from '../http3-session/session-rig.ts'

const SESSION_GONE = 0x170d_7b68
const REJECTED = 0x3994_bd84
const PEER = [
  [0x08, 1],
  [0x33, 1],
  [0x2b60_3742, 1],
] as const

function rig(role: Role, options: Partial<typeof DEFAULT_HTTP3_OPTIONS> = {}): SessionRig {
  return new SessionRig(role, {
    options,
    peerSettings: PEER,
    webTransport: offeredWebTransport({ ...DEFAULT_HTTP3_OPTIONS, ...options }),
  })
}

/** What came to a session, as lines. */
function attached(carrier: WebTransportCarrier | undefined): { lines: string[]; streams: RawStream[] } {
  const lines: string[] = []
  const streams: RawStream[] = []
  carrier?.attach({
    onStream(stream) {
      streams.push(stream)
      lines.push(`stream ${stream.id}`)
    },
    onDatagram: payload => void lines.push(`datagram ${payload.toString()}`),
    onStreamCredit: () => void lines.push('credit'),
    onRoom() {},
    onDraining: () => void lines.push('draining'),
  })
  return { lines, streams }
}

/** A server with a session on stream 0, or a client that has opened one. */
function opened(role: Role, options: Partial<typeof DEFAULT_HTTP3_OPTIONS> = {}) {
  const world = rig(role, options)
  if (role === 'server') world.receive(0, connect())
  else {
    world.open({ ...GET, method: 'CONNECT', protocol: 'webtransport' }, false)
    world.receive(0, responseHeaders(200))
  }
  const stream = role === 'server' ? world.stream(0) : world.stream(0)
  if (role === 'server') stream.respond(200, [], false)
  return { world, carrier: stream.carrier?.() }
}

function connect(): Buffer {
  const request = new SessionRig('client', { peerSettings: PEER })
  request.open({ ...GET, method: 'CONNECT', protocol: 'webtransport' }, false)
  return request.quic.stream(0).written
}

const bidirectional = (sessionId: number, body = ''): Buffer =>
  Buffer.concat([varint(0x41), varint(sessionId), Buffer.from(body)])
const unidirectional = (sessionId: number, body = ''): Buffer =>
  Buffer.concat([varint(0x54), varint(sessionId), Buffer.from(body)])
const peersBidirectional = (role: Role): number => (role === 'server' ? 4 : 1)

describe.each(ROLES)('streams of sessions, as the %s sees them', role => {
  it('come to their session, whole and byte by byte, and what is behind the header is read by its reader only', () => {
    const { world, carrier } = opened(role)
    const { lines, streams } = attached(carrier)
    const id = peersBidirectional(role)
    world.receive(id, bidirectional(0, 'hello'), true)
    for (const byte of unidirectional(0, 'world')) world.receive(world.peerOther, Buffer.of(byte))
    expect(lines).toEqual([`stream ${id}`, `stream ${world.peerOther}`])
    expect(world.quic.stream(id).inbox.toString()).toBe('hello')
    const into = Buffer.alloc(20)
    expect(streams[0]?.read(into)).toEqual([5, true])
    expect(streams[1]?.read(into)).toEqual([5, false])
    expect(into.toString('latin1', 0, 5)).toBe('world')
  })

  it('of ours begin with the header, and an end that follows at once leaves with the last byte', () => {
    const { world, carrier } = opened(role)
    world.quic.left.unidirectional = 1
    const stream = carrier?.openStream('unidirectional')
    stream?.write(Buffer.from('hi'))
    stream?.end()
    world.session.flush()
    const { written, isFinished } = world.quic.stream(stream?.id ?? 0)
    expect(written).toEqual(unidirectional(0, 'hi'))
    expect(isFinished).toBe(true)
    expect(world.quic.writes).toContain(`${stream?.id} ${written.length} end`)
  })

  it('take no more than QUIC takes, and go on where they stopped', () => {
    const { world, carrier } = opened(role)
    world.quic.room = 10
    const stream = carrier?.openStream('bidirectional')
    const bytes = Buffer.from('a'.repeat(9_000))
    const taken = stream?.write(bytes) ?? 0
    expect(taken).toBe(10 - 3)
    expect(stream?.write(bytes.subarray(taken))).toBe(0)
    let isWritable = false
    if (stream !== undefined)
      stream.owner = {
        onWritable: () => (isWritable = true),
        onReadable() {},
        onReset() {},
        onStopped() {},
      }
    world.quic.allow(stream?.id ?? 0, 1e6)
    world.turn()
    expect(isWritable).toBe(true)
    expect(stream?.write(bytes.subarray(taken))).toBe(9_000 - taken)
    world.session.flush()
    expect(world.quic.stream(stream?.id ?? 0).written.length).toBe(9_003)
  })

  it('of a session that is over are reset with SESSION_GONE, and so are those that still come', () => {
    const { world, carrier } = opened(role)
    const ours = carrier?.openStream('bidirectional')
    carrier?.close()
    expect(world.quic.stream(ours?.id ?? 0).resetCode).toBe(SESSION_GONE)
    world.stream(0).reset('CANCEL')
    world.receive(world.peerOther, unidirectional(0, 'late'))
    expect(world.quic.stream(world.peerOther).stopCode).toBe(SESSION_GONE)
    expect(world.quic.closed).toBeUndefined()
  })

  it('report resets and stops with the codes of the application', () => {
    const { world, carrier } = opened(role)
    const { streams } = attached(carrier)
    const id = peersBidirectional(role)
    world.receive(id, bidirectional(0))
    const codes: string[] = []
    const [stream] = streams
    if (stream !== undefined)
      stream.owner = {
        onReadable() {},
        onWritable() {},
        onReset: code => void codes.push(`reset ${code}`),
        onStopped: code => void codes.push(`stopped ${code}`),
      }
    world.quic.peerResets(id, 0x52e4_a40f_a8db + 7)
    world.quic.peerStops(id, 0x10c)
    world.turn()
    expect(codes).toEqual(['reset 7', 'stopped undefined'])
  })

  it('that name what is no request end the connection', () => {
    const { world } = opened(role)
    world.receive(world.peerOther, unidirectional(2))
    expect(world.verdict()).toBe('connection H3_ID_ERROR')
  })

  it('are read over without a session of noise that ends the process', () => {
    const piece = fc.tuple(
      fc.constantFrom(0, 1, 4, 5, 8, 14, 15, 18, 19),
      fc.oneof(
        fc.constantFrom(
          bidirectional(0),
          unidirectional(0),
          unidirectional(8),
          bidirectional(400),
          data('x'),
          connect(),
        ),
        fc.uint8Array({ maxLength: 12 }).map(bytes => Buffer.from(bytes)),
      ),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const { world, carrier } = opened(role)
        attached(carrier)
        for (const [id, bytes, isLast] of pieces) {
          if (world.quic.stream(id).hasInboxEnd || world.quic.closed !== undefined) continue
          world.receive(id, bytes, isLast)
          world.session.flush()
        }
        world.session.close('NO_ERROR', '')
      }),
    )
  })
})

describe('a server', () => {
  it('lets streams and datagrams wait for their session, within bounds', () => {
    const world = rig('server', { maxEarlyStreams: 1, maxEarlyDatagrams: 1 })
    world.receive(world.peerOther, unidirectional(0, 'early'))
    world.receive(world.peerOther + 4, unidirectional(0, 'too many'))
    world.quic.tell({ type: 'datagram', bytes: Buffer.from('\0old') })
    world.quic.tell({ type: 'datagram', bytes: Buffer.from('\0new') })
    world.turn()
    expect(world.quic.stream(world.peerOther + 4).stopCode).toBe(REJECTED)
    world.receive(0, connect())
    world.stream(0).respond(200, [], false)
    const { lines } = attached(world.stream(0).carrier?.())
    expect(lines).toEqual([`stream ${world.peerOther}`, 'datagram new'])
  })

  it('refuses one more session than a client may have', () => {
    const world = rig('server', { maxSessions: 1 })
    world.receive(0, connect())
    world.receive(4, connect())
    expect(world.verdict(4)).toBe('stream 4 H3_REQUEST_REJECTED')
  })

  it('takes requests as ever where their first bytes come alone', () => {
    const { world } = opened('server')
    const request = new SessionRig('client')
    request.open()
    for (const byte of request.quic.stream(0).written) world.receive(4, Buffer.of(byte))
    expect(world.heads.get(4)?.path).toBe('/')
  })
})

describe('a client', () => {
  it('ends the connection for a session that it never opened, and for a stream of the server that is none', () => {
    const first = opened('client').world
    first.receive(first.peerOther, unidirectional(400))
    expect(first.verdict()).toBe('connection H3_ID_ERROR')
    const second = opened('client').world
    second.receive(1, data('x'))
    expect(second.verdict()).toBe('connection H3_STREAM_CREATION_ERROR')
  })

  it('tells its sessions when the server goes', () => {
    const { world, carrier } = opened('client')
    const { lines } = attached(carrier)
    world.session.onGoaway(8)
    expect(lines).toEqual(['draining'])
  })

  it('speaks to a server of a new draft by the new name', () => {
    const world = new SessionRig('client', {
      peerSettings: [
        [0x08, 1],
        [0x33, 1],
        [0x2c7c_f000, 1],
      ],
      webTransport: offeredWebTransport(DEFAULT_HTTP3_OPTIONS),
    })
    world.open({ ...GET, method: 'CONNECT', protocol: 'webtransport' }, false)
    const server = rig('server')
    server.receive(0, world.quic.stream(0).written)
    expect(server.heads.get(0)?.protocol).toBe('webtransport')
  })
})
