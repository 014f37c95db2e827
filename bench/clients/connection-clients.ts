import { once } from 'node:events'
import { connect } from 'node:tls'
import { systemClock } from '../../src/base/clock.ts'
import type { Connection, ConnectionListener, HandshakeInfo } from '../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { NO_HEADERS } from '../../src/base/http/headers.ts'
import { DEFAULT_RESPONSE_LIMITS, DEFAULT_TIMEOUTS } from '../../src/base/options/options.ts'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type QuicOptions,
} from '../../src/base/options/protocol-options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import { whereTo } from '../../src/bench/clients/client-settings.ts'
import type { BenchClient, ClientSetting } from '../../src/bench/load/bench-client.ts'
import { http2Connection } from '../../src/http/http2/connection.ts'
import { http3Connection } from '../../src/http/http3/connection.ts'
import { dialQuic } from '../../src/quic/dial.ts'
import { quicEngine } from '../../src/quic/load-engine.ts'
import { CountingHandler } from './counting-handler.ts'

/*
 * One connection of ours, driven directly: what the transport and its pool cost is the difference to the
 * client that has them.
 */

/** Nobody waits for its capacity. */
const NO_LISTENER: ConnectionListener = {
  onCapacityChanged: () => undefined,
  onStreamClosed: () => undefined,
  onDraining: () => undefined,
  onClosed: () => undefined,
}

/** It is in no figure. */
const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}

export async function middlemileHttp2Connection(setting: ClientSetting): Promise<BenchClient> {
  const { url, address, port } = targetOf(setting)
  const readPort = new ReadPort()
  const target = { host: address, port, servername: url.hostname, onread: readPort.onread }
  // tls.connect passes `onread` on to the socket that it makes; its types do not say so for options written
  // in place.
  const tls = { ...(setting.ca !== undefined && { ca: setting.ca }), ALPNProtocols: ['h2'] }
  const socket = connect({ ...target, ...tls })
  await once(socket, 'secureConnect')
  if (socket.alpnProtocol !== 'h2') throw new Error(`the origin chose ${socket.alpnProtocol}`)
  socket.setNoDelay(true)
  const connection = http2Connection({
    id: 1,
    socket,
    port: readPort,
    endpoint: { address, family: 4, port, transport: 'tcp' },
    handshake: HANDSHAKE,
    listener: NO_LISTENER,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
    clock: systemClock,
  })
  return clientOf(connection, url.host)
}

/** There is no pool behind it that would open the next connection. */
const QUIC: QuicOptions = { ...DEFAULT_QUIC_OPTIONS, maxRequestsPerConnection: 0 }

export async function middlemileHttp3Connection(setting: ClientSetting): Promise<BenchClient> {
  const { url, address, port } = targetOf(setting)
  const loaded = quicEngine()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  const endpoint = { address, family: 4, port, transport: 'udp' } as const
  const dialed = await dialQuic(
    loaded.engine,
    {
      origin: url.origin,
      attempts: [{ endpoint, because: 'it is the only one' }],
      serverName: url.hostname,
      tls: { ...(setting.ca !== undefined && { ca: setting.ca }) },
      quic: QUIC,
      timeouts: DEFAULT_TIMEOUTS,
      protocols: ['h3'],
    },
    systemClock,
    new AbortController().signal,
  )
  const connection = http3Connection({
    id: 1,
    link: dialed.link,
    endpoint,
    handshake: HANDSHAKE,
    listener: NO_LISTENER,
    limits: DEFAULT_RESPONSE_LIMITS,
    http3: DEFAULT_HTTP3_OPTIONS,
    quic: QUIC,
    clock: systemClock,
  })
  return clientOf(connection, url.host)
}

function targetOf(setting: ClientSetting): {
  readonly url: URL
  readonly address: string
  readonly port: number
} {
  const [origin = ''] = setting.origins
  const url = new URL(origin)
  const to = whereTo(origin, setting)
  return { url, address: to?.host ?? url.hostname, port: Number(to?.port ?? url.port) }
}

function clientOf(connection: Connection, authority: string): BenchClient {
  return {
    send({ path }, _origin, watch) {
      const request: ExchangeRequest = {
        method: 'GET',
        scheme: 'https',
        authority,
        path,
        headers: NO_HEADERS,
        body: null,
        headersTimeoutMs: DEFAULT_TIMEOUTS.headersMs,
        bodyTimeoutMs: DEFAULT_TIMEOUTS.bodyMs,
      }
      const { protocol } = connection
      const handler = new CountingHandler((status, bytes, error) =>
        watch.onEnd({ status, bytes, protocol, error }),
      )
      connection.open(request, handler)
    },
    facts: () => ({ opened: { full: 1, resumed: 0, earlyData: 0, cleartext: 0 }, open: 1 }),
    close: () => Promise.resolve(connection.close('shutdown')),
  }
}
