import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../src/base/http/headers.ts'
import type { HttpDatagrams } from '../../../src/base/http/http-datagrams.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { Http3Session } from '../../../src/http/http3/http3-session.ts'
import type { Http3SessionEvents } from '../../../src/http/http3/session.ts'
import type { Stream } from '../../../src/http/multiplex/stream.ts'
import type { QuicConnection } from '../../../src/quic/engine.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { QuicPair } from '../../support/quic-pair.ts'

const quiet = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onReset() {} }

/** A session over the real engine, and what it received. */
class Side {
  readonly session: Http3Session
  readonly requests: Stream[] = []
  readonly datagrams: [stream: number, payload: string][] = []
  readonly ends: string[] = []

  constructor(role: 'client' | 'server', quic: QuicConnection, enableDatagrams: boolean) {
    const nothing = (): void => undefined
    const events: Http3SessionEvents = {
      onOutput: nothing,
      onHandshake: nothing,
      onEarlyData: nothing,
      onTicket: nothing,
      onReady: nothing,
      onGoaway: nothing,
      onExhausted: nothing,
      onStreamClosed: nothing,
      onPong: nothing,
      onOrigins: nothing,
      onDefence: nothing,
      onEnding: nothing,
      onEnd: end => void this.ends.push(`${end.code} ${end.cause}`),
      onRequest: stream => {
        this.requests.push(stream)
        return quiet
      },
    }
    this.session = new Http3Session({
      role,
      quic,
      options: DEFAULT_HTTP3_OPTIONS,
      maxHeaderBytes: 16_384,
      maxHeaderCount: 100,
      maxRequests: 0,
      enableConnectProtocol: role === 'server',
      enableDatagrams,
      events,
      keep: chunk => Buffer.from(chunk),
    })
    this.session.start(performance.now())
  }

  /** Those of a tunnel; what comes is kept. */
  datagramsOf(stream: Stream): HttpDatagrams {
    const datagrams = stream.datagrams?.()
    if (datagrams === undefined) throw new Error('it is no tunnel')
    datagrams.onDatagram = payload => this.datagrams.push([stream.id, payload.toString('latin1')])
    return datagrams
  }
}

async function pairOf(
  clientTakes: boolean,
  serverTakes: boolean,
): Promise<{ client: Side; server: Side; run(): void }> {
  const authority = await createCertificateAuthority()
  const serverTls = await authority.issue({ names: ['localhost'] })
  const pair = new QuicPair(theEngine(), { tls: { ca: authority.cert }, serverTls })
  pair.run()
  const client = new Side('client', pair.client, clientTakes)
  const server = new Side('server', pair.server, serverTakes)
  const carry = (from: QuicConnection, to: QuicConnection): number => {
    let moved = 0
    for (let out = from.nextDatagram(0); out !== undefined; out = from.nextDatagram(0)) {
      to.receive(Buffer.from(out.bytes), out.from, out.to, 0)
      moved += 1
    }
    return moved
  }
  const run = (): void => {
    for (let moved = 1, turns = 0; moved > 0 && turns < 50; turns++) {
      client.session.onTurn(performance.now())
      moved = carry(pair.client, pair.server)
      server.session.onTurn(performance.now())
      moved += carry(pair.server, pair.client)
    }
  }
  run()
  return { client, server, run }
}

const CONNECT = {
  method: 'CONNECT',
  scheme: 'https',
  authority: 'localhost',
  path: '/',
  protocol: 'connect-udp',
  headers: NO_HEADERS,
}

describe.skipIf(noQuic !== undefined)('HTTP datagrams over QUIC (RFC 9297)', () => {
  it('belong to the stream of their request, in both directions', async () => {
    const { client, server, run } = await pairOf(true, true)
    const stream = client.session.open(CONNECT, false, quiet, performance.now())
    run()
    server.requests[0]!.respond(200, NO_HEADERS, false)
    run()
    const [there, back] = [client.datagramsOf(stream), server.datagramsOf(server.requests[0]!)]
    expect(there.send(Buffer.from('there'))).toBe(true)
    run()
    expect(back.send(Buffer.from('and back'))).toBe(true)
    run()
    expect(server.datagrams).toEqual([[stream.id, 'there']])
    expect(client.datagrams).toEqual([[stream.id, 'and back']])
    expect([...client.ends, ...server.ends]).toEqual([])
  })

  it('are not sent to a peer that has not offered to accept them, nor above the maximum size', async () => {
    const { client, run } = await pairOf(true, false)
    const stream = client.session.open(CONNECT, false, quiet, performance.now())
    run()
    expect(client.datagramsOf(stream).send(Buffer.from('x'))).toBe(false)

    const both = await pairOf(true, true)
    const other = both.client.session.open(CONNECT, false, quiet, performance.now())
    expect(both.client.datagramsOf(other).send(Buffer.alloc(2000))).toBe(false)
    expect(both.client.ends).toEqual([])
  })
})
