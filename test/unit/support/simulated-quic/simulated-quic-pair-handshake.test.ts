import { describe, expect, it } from 'vitest'
import { DEFAULT_QUIC_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import type { QuicEvent } from '../../../../src/quic/engine.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'
import { dropNth } from '../../../support/simulated-quic/drop-rules.ts'
import type { Frame } from '../../../support/simulated-quic/frame.ts'
import { encodeMessage, type HandshakeMessage } from '../../../support/simulated-quic/handshake-messages.ts'
import { encodePacket } from '../../../support/simulated-quic/packet-codec.ts'
import {
  CONNECTION_ID_BYTES,
  connectionIdOf,
  SimulatedEngine,
} from '../../../support/simulated-quic/simulated-engine.ts'
import {
  SimulatedQuicPair,
  type SimulatedQuicPairOptions,
} from '../../../support/simulated-quic/simulated-quic-pair.ts'
import { StreamCollector } from '../../../support/simulated-quic/stream-collector.ts'
import { transportParameters } from '../../../support/simulated-quic/transport-parameters.ts'

/** Nothing that a client may say. */
const HELLO: HandshakeMessage = {
  type: 'server-hello',
  protocol: 'h3',
  parameters: transportParameters('server', DEFAULT_QUIC_OPTIONS),
  isResumed: false,
  acceptsEarlyData: false,
  certificates: [],
}

interface Ends {
  pair: SimulatedQuicPair
  client: StreamCollector
  server: StreamCollector
}

function ends(options: SimulatedQuicPairOptions = {}): Ends {
  const pair = new SimulatedQuicPair(options)
  const client = new StreamCollector(pair.client)
  const server = new StreamCollector(pair.server)
  server.onEvent = event => {
    if (event.type === 'readable' && server.collected(event.stream).outcome === 'end') {
      server.send(event.stream, Buffer.from('answer'))
    }
  }
  return { pair, client, server }
}

function find<T extends QuicEvent['type']>(side: StreamCollector, type: T): Extract<QuicEvent, { type: T }> {
  const event = side.events.find(event => event.type === type)
  if (event === undefined) throw new Error(`no ${type} among ${side.eventTypes.join(', ')}`)
  return event as Extract<QuicEvent, { type: T }> // its type was compared
}

/** The ticket of a first connection, which has ended. */
function ticketOf(options: SimulatedQuicPairOptions): Buffer {
  const { pair, client } = ends(options)
  pair.establish()
  pair.until(() => client.eventTypes.includes('ticket'))
  return find(client, 'ticket').ticket
}

describe('the handshake of the simulated engine', () => {
  it('takes one round trip, and shows the certificate of the server', async () => {
    const { cert, key } = await (await createCertificateAuthority()).issue({ names: ['origin.test'] })
    const { pair, client, server } = ends({ server: { tls: { cert, key } } })
    expect(pair.client.connection.openStream('bidirectional')).toBeUndefined()
    pair.client.schedule()
    pair.until(() => pair.client.connection.isEstablished)
    expect(pair.now).toBe(40)
    pair.until(() => pair.server.connection.isEstablished)
    expect(pair.now).toBe(60)
    const { handshake } = find(client, 'established')
    expect(handshake).toMatchObject({ protocol: 'h3', isResumed: false })
    expect(`-----BEGIN CERTIFICATE-----${handshake.certificates[0]!.toString('base64')}`).toBe(
      cert.replaceAll('\n', '').slice(0, cert.replaceAll('\n', '').indexOf('-----END')),
    )
    pair.until(() => client.eventTypes.includes('ticket'))
    expect(client.eventTypes).toEqual(['established', 'ticket'])
    expect(server.eventTypes).toEqual(['established'])
  })

  it('succeeds over a bad link', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { pair } = ends({
        seed,
        conditions: { latencyMs: 20, lossRate: 0.3, reorderRate: 0.3, duplicateRate: 0.2 },
      })
      pair.establish()
    }
  })

  it('ends when there is no protocol in common, with the alert of TLS as its code', () => {
    const { pair, client, server } = ends({ server: { protocols: ['h3-29'] } })
    pair.client.schedule()
    pair.until(() => client.isClosed && server.isClosed)
    expect(find(client, 'ended').end).toMatchObject({ cause: 'peer', isApplication: false, code: 376 })
    expect(find(server, 'ended').end).toMatchObject({ cause: 'local', isApplication: false, code: 376 })
  })

  it('that nobody answers ends by the idle timeout', () => {
    const { pair, client } = ends({ conditions: { latencyMs: 20, lossRate: 1 } })
    pair.client.schedule()
    pair.until(() => client.isClosed)
    expect(pair.now).toBe(30_000)
    expect(find(client, 'ended').end.cause).toBe('idle')
  })

  it('begins again after a Retry, with its token', () => {
    const engine = new SimulatedEngine()
    const { pair } = ends({ engine })
    pair.drop(dropNth('client', 0))
    let header = engine.readHeader(Buffer.alloc(0), CONNECTION_ID_BYTES)
    const { connection, local, remote } = pair.client
    const first = connection.nextDatagram(0)!
    header = engine.readHeader(first.bytes, CONNECTION_ID_BYTES)!
    expect(header).toMatchObject({
      isInitial: true,
      isLong: true,
      isVersionSupported: true,
      token: undefined,
    })
    const newId = connectionIdOf('after retry')
    connection.receive(engine.retry(header, newId, Buffer.from('proof')), remote, local, 40)
    const second = engine.readHeader(connection.nextDatagram(40)!.bytes, CONNECTION_ID_BYTES)!
    expect(second.token?.toString()).toBe('proof')
    expect(second.destinationId.equals(newId)).toBe(true)
    // A second Retry is none (RFC 9000 17.2.5.2).
    connection.receive(engine.retry(second, connectionIdOf('again'), Buffer.from('more')), remote, local, 80)
    expect(connection.nextDatagram(80)).toBeUndefined()
  })

  it('ends when the server speaks no version of ours', () => {
    const engine = new SimulatedEngine()
    const { pair, client } = ends({ engine })
    const { connection, local, remote } = pair.client
    const header = engine.readHeader(connection.nextDatagram(0)!.bytes, CONNECTION_ID_BYTES)!
    pair.client.receive(engine.negotiateVersion(header))
    pair.until(() => client.isClosed)
    expect(find(client, 'ended').end.cause).toBe('version')
    expect(connection.nextDatagram(50)).toBeUndefined()
    expect([local.port, remote.port]).toEqual([40_000, 443])
  })
})

describe('early data of the simulated engine', () => {
  it('reaches the server half a round trip after it was written, and is answered in one', () => {
    const engine = new SimulatedEngine()
    const ticket = ticketOf({ engine })
    const { pair, client, server } = ends({ engine, client: { ticket, earlyData: true } })
    expect(pair.client.connection.isInEarlyData).toBe(true)
    client.open(Buffer.from('early'))
    let wasEarly = false
    const answer = server.onEvent
    server.onEvent = (event, now) => {
      if (event.type === 'readable') wasEarly = pair.server.connection.isInEarlyData
      answer(event, now)
    }
    pair.until(() => client.ended.includes(0))
    expect(wasEarly).toBe(true)
    expect(client.collected(0)).toMatchObject({ endedAtMs: 40, bytes: Buffer.from('answer') })
    expect(client.eventTypes.slice(0, 2)).toEqual(['early-data', 'established'])
    expect(find(client, 'early-data').outcome).toBe('accepted')
    expect(find(client, 'established').handshake.isResumed).toBe(true)
  })

  it('is sent again after the handshake when the server has another key, or accepts none', () => {
    const engine = new SimulatedEngine()
    const ticket = ticketOf({ engine })
    const refusals = [{ ticketKey: Buffer.alloc(48, 1) }, { earlyData: false }]
    for (const tls of refusals) {
      const { pair, client } = ends({ engine, client: { ticket, earlyData: true }, server: { tls } })
      client.open(Buffer.from('early'))
      pair.until(() => client.ended.includes(0))
      expect(find(client, 'early-data').outcome).toBe('rejected')
      // A ticket may be good for resumption though not for early data.
      expect(find(client, 'established').handshake.isResumed).toBe('earlyData' in tls)
      expect(client.collected(0)).toMatchObject({ endedAtMs: 80, bytes: Buffer.from('answer') })
      expect(pair.client.connection.stats().lostPackets).toBe(0)
    }
  })

  it('is answered whatever is lost on the way', () => {
    const engine = new SimulatedEngine()
    const ticket = ticketOf({ engine })
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      const { pair, client } = ends({
        engine,
        seed,
        conditions: { latencyMs: 20, lossRate: 0.15, reorderRate: 0.3, duplicateRate: 0.1 },
        client: { ticket, earlyData: true },
        server: { tls: { earlyData: seed % 2 === 0 } },
      })
      for (let i = 0; i < 5; i++) client.open(Buffer.alloc(900, i))
      pair.until(() => client.ended.length === 5)
      outcomes.add(find(client, 'early-data').outcome)
    }
    expect(outcomes.size).toBe(2)
  })

  it('follows the limits of the ticket, and is rejected by a server that allows less now', () => {
    const engine = new SimulatedEngine()
    const ticket = ticketOf({ engine, server: { quic: { maxConcurrentStreams: 4 } } })
    const less = { quic: { maxConcurrentStreams: 2 } }
    const { pair, client } = ends({ engine, client: { ticket, earlyData: true }, server: less })
    expect(pair.client.connection.streamsLeft('bidirectional')).toBe(4)
    for (let i = 0; i < 4; i++) client.open(Buffer.from('early'))
    pair.until(() => client.ended.length === 4)
    expect(find(client, 'early-data').outcome).toBe('rejected')
  })

  it('ends the connection when it is rejected with an engine that does not trim, as quiche 0.18 does not', () => {
    const engine = new SimulatedEngine()
    const ticket = ticketOf({ engine, server: { quic: { maxConcurrentStreams: 4 } } })
    const { pair, client } = ends({
      engine,
      clientEngine: new SimulatedEngine({ keepsRememberedLimits: true }),
      client: { ticket, earlyData: true },
      server: { quic: { maxConcurrentStreams: 2 } },
    })
    for (let i = 0; i < 4; i++) client.open(Buffer.from('early'))
    pair.until(() => client.isClosed)
    expect(find(client, 'ended').end).toMatchObject({ cause: 'peer', isApplication: false, code: 4 })
  })

  it('is not offered without a ticket, with that of another engine, or with one that forbids it', () => {
    const engine = new SimulatedEngine()
    const forbidding = ticketOf({ engine, server: { tls: { earlyData: false } } })
    const foreign = ticketOf({ engine: new SimulatedEngine({ name: 'another' }) })
    for (const ticket of [undefined, Buffer.from('garbage'), Buffer.from('null'), foreign, forbidding]) {
      const { pair, client } = ends({ engine, client: { ticket, earlyData: true } })
      expect(pair.client.connection.openStream('bidirectional')).toBeUndefined()
      pair.establish()
      expect(client.eventTypes).not.toContain('early-data')
      expect(find(client, 'established').handshake.isResumed).toBe(ticket === forbidding)
    }
  })
})

describe('the end of a connection of the simulated engine', () => {
  it('is reported to the peer, and both are driven for three probe timeouts more', () => {
    const { pair, client, server } = ends()
    pair.establish()
    pair.client.connection.close(true, 0x100, 'enough')
    pair.client.schedule()
    pair.until(() => server.eventTypes.includes('ended'))
    expect(find(server, 'ended').end).toEqual({
      cause: 'peer',
      isApplication: true,
      code: 0x100,
      reason: 'enough',
    })
    expect(server.isClosed).toBe(false)
    pair.until(() => client.isClosed && server.isClosed)
    expect(find(client, 'ended').end.cause).toBe('local')
    expect(pair.clock.pendingTimers()).toBe(0)
    expect(pair.client.connection.nextTimeoutAt(pair.now)).toBe(Infinity)
  })

  it('is reported again when the peer goes on, since the first report was lost', () => {
    const { pair, client, server } = ends()
    pair.establish()
    pair.clock.advance(100)
    let isDropped = false
    pair.drop((from, { frames }) => {
      const isIt = !isDropped && from === 'client' && frames.some(({ type }) => type === 'close')
      isDropped ||= isIt
      return isIt
    })
    pair.client.connection.close(true, 1, '')
    pair.client.schedule()
    server.link.connection.ping()
    pair.server.schedule()
    pair.until(() => server.eventTypes.includes('ended'))
    expect(isDropped).toBe(true)
    expect(find(server, 'ended').end.cause).toBe('peer')
    expect(find(client, 'ended').end.cause).toBe('local')
  })

  it('leaves what had come to be read', () => {
    const { pair, client, server } = ends()
    pair.establish()
    pair.clock.advance(100)
    client.open(Buffer.from('last bytes'))
    pair.clock.advance(0)
    pair.client.connection.close(true, 1, '')
    pair.client.schedule()
    pair.clock.advance(25)
    expect(server.collected(0)).toMatchObject({ outcome: 'end', bytes: Buffer.from('last bytes') })
    expect(server.eventTypes).toEqual(['established', 'ended'])
  })

  it('comes when nothing came for the shorter idle timeout of both', () => {
    const { pair, client, server } = ends({
      client: { quic: { idleTimeoutMs: 10_000 } },
      server: { quic: { idleTimeoutMs: 3000 } },
    })
    pair.establish()
    pair.until(() => client.isClosed && server.isClosed)
    expect(find(client, 'ended').end.cause).toBe('idle')
    expect(pair.now).toBeGreaterThan(3000)
    expect(pair.now).toBeLessThan(3200)
    expect(pair.clock.pendingTimers()).toBe(0)
  })

  it('does not come while a PING is sent from time to time', () => {
    const { pair, client } = ends({ server: { quic: { idleTimeoutMs: 3000 } } })
    pair.establish()
    for (let i = 0; i < 10; i++) {
      pair.client.connection.ping()
      pair.client.schedule()
      pair.clock.advance(2000)
    }
    expect(client.isClosed).toBe(false)
    expect(pair.client.connection.isEstablished).toBe(true)
  })

  const stream = (id: number, offset: number, isLast = false): Frame => {
    return { type: 'stream', stream: id, offset, data: Buffer.alloc(10), isLast }
  }
  const violations: [name: string, code: number, frames: Frame[]][] = [
    ['a stream above the limit', 0x04, [stream(4 * 128, 0)]],
    ['bytes above the window of a stream', 0x03, [stream(0, 262_144 - 9)]],
    ['bytes above the window of all', 0x03, Array.from({ length: 17 }, (_, i) => stream(4 * i, 262_134))],
    ['bytes behind the end', 0x06, [stream(0, 0, true), stream(0, 10)]],
    ['a second end', 0x06, [stream(0, 10, true), stream(0, 0, true)]],
    ['a reset before what came', 0x06, [stream(0, 0), { type: 'reset', stream: 0, code: 1, finalBytes: 9 }]],
    ['data on a stream of ours that sends only', 0x05, [stream(3, 0)]],
    ['a stream of ours that was never opened', 0x05, [stream(1, 0)]],
    ['stopping what it sends itself', 0x05, [{ type: 'stop', stream: 2, code: 0 }]],
    ['a handshake message out of turn', 0x0a, [{ type: 'handshake', offset: 0, data: Buffer.alloc(0) }]],
  ]
  for (const [name, code, frames] of violations) {
    it(`comes when the peer breaks a rule: ${name}`, () => {
      const { pair, server } = ends({ server: { quic: { connectionWindowBytes: 4_194_304 } } })
      pair.establish()
      // The stream of messages goes on where the client's ended.
      const sent = pair.trace.flatMap(line => [...line.matchAll(/client .*handshake (\d+)\+(\d+)/g)]).at(-1)!
      const finished = encodeMessage({ type: 'finished' })
      const forged = frames.map(frame =>
        frame.type === 'handshake'
          ? { ...frame, offset: Number(sent[1]) + Number(sent[2]), data: encodeMessage(HELLO) }
          : frame,
      )
      expect(finished.length).toBe(Number(sent[2]))
      const head = {
        kind: 'one-rtt',
        version: 0,
        destinationId: connectionIdOf('server 1'),
        sourceId: Buffer.alloc(0),
        token: Buffer.alloc(0),
        number: 1000,
      } as const
      pair.server.receive(encodePacket(head, forged, Buffer.alloc(2000)))
      pair.clock.advance(0)
      expect(find(server, 'ended').end).toMatchObject({ cause: 'local', isApplication: false, code })
    })
  }
})

describe('datagrams of the simulated engine', () => {
  it('are delivered as they come, within their length and number', () => {
    const { pair, client, server } = ends({ client: { quic: { maxQueuedDatagrams: 2 } } })
    expect(pair.client.connection.sendDatagram(Buffer.from('too early'))).toBe(false)
    pair.establish()
    const { connection } = pair.client
    expect(connection.sendDatagram(Buffer.alloc(connection.maxDatagramBytes, 1))).toBe(true)
    expect(connection.sendDatagram(Buffer.alloc(connection.maxDatagramBytes + 1))).toBe(false)
    expect(connection.sendDatagram(Buffer.from('second'))).toBe(true)
    expect(connection.sendDatagram(Buffer.from('third'))).toBe(false)
    pair.client.schedule()
    pair.until(() => server.events.filter(({ type }) => type === 'datagram').length === 2)
    expect(client.eventTypes).toContain('established')
  })

  it('are not sent again', () => {
    const { pair, server } = ends()
    pair.establish()
    pair.clock.advance(100)
    pair.drop((from, { frames }) => from === 'client' && frames.some(({ type }) => type === 'datagram'))
    pair.client.connection.sendDatagram(Buffer.from('lost'))
    pair.client.schedule()
    pair.clock.advance(5000)
    expect(server.eventTypes).not.toContain('datagram')
    expect(pair.trace.filter(line => line.includes('datagram 4'))).toHaveLength(1)
  })

  it('are delivered once, though every packet comes twice', () => {
    const { pair, server } = ends({ conditions: { latencyMs: 20, duplicateRate: 1 } })
    pair.establish()
    for (let i = 0; i < 10; i++) pair.client.connection.sendDatagram(Buffer.of(i))
    pair.client.schedule()
    pair.clock.advance(1000)
    const bytes = server.events.flatMap(event => (event.type === 'datagram' ? [...event.bytes] : []))
    expect(bytes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('do not exist where the peer accepts none', () => {
    const { pair } = ends({ server: { quic: { maxQueuedDatagrams: 0 } } })
    pair.establish()
    expect(pair.client.connection.maxDatagramBytes).toBe(0)
    expect(pair.client.connection.sendDatagram(Buffer.alloc(0))).toBe(false)
  })
})
