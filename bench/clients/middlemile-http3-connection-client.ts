import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_RESPONSE_LIMITS, DEFAULT_TIMEOUTS } from '../../src/base/options/options.ts'
import {
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type QuicOptions,
} from '../../src/base/options/protocol-options.ts'
import { http3Connection } from '../../src/http/http3/connection.ts'
import { dialQuic } from '../../src/quic/dial.ts'
import { quicEngine } from '../../src/quic/load-engine.ts'
import type { BenchClient, ClientSetting } from './client-job.ts'
import { DEAF, drivenConnection, UNTOLD_HANDSHAKE } from './driven-connection.ts'

/** There is no pool behind it that would open the next connection. */
const QUIC: QuicOptions = { ...DEFAULT_QUIC_OPTIONS, maxRequestsPerConnection: 0 }

/**
 * One HTTP/3 connection of ours, driven directly: what the transport and its pool cost is the difference to
 * `middlemile h3`.
 */
export async function middlemileHttp3Connection({ origin, ca }: ClientSetting): Promise<BenchClient> {
  const { hostname, port, host } = new URL(origin)
  const loaded = quicEngine()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  const endpoint = { address: hostname, family: 4, port: Number(port), transport: 'udp' } as const
  const dialed = await dialQuic(
    loaded.engine,
    {
      origin,
      attempts: [{ endpoint, because: 'it is the only one' }],
      serverName: hostname,
      tls: { ca },
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
    handshake: UNTOLD_HANDSHAKE,
    listener: DEAF,
    limits: DEFAULT_RESPONSE_LIMITS,
    http3: DEFAULT_HTTP3_OPTIONS,
    quic: QUIC,
    clock: systemClock,
  })
  return drivenConnection(connection, host)
}
