import { impairTcp } from '../bench/impair/tcp-relay.ts'
import { impairUdp } from '../bench/impair/udp-relay.ts'
import { asTransportError } from '../index.ts'
import {
  createCertificateAuthority,
  type SeenRequest,
  startHttp2Origin,
  startHttp3Origin,
  startIdleClosingOrigin,
  startQuickOrigin,
  startRecyclingOrigin,
  startSlowOrigin,
} from '../testing/index.ts'
import { type DemoOriginName, type OriginsReady, ROUND_TRIP_MS } from './demo-origins.ts'

// The demo's origins, in a process of their own so that the connector's CPU time is its own, and each behind
// a relay that makes it as far away as most origins are. They live as long as their parent: the
// channel to it closes when it ends, however it ends. A Ctrl-C reaches the whole terminal group; the parent
// needs us for its drain.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => process.exit(0))

/** So many connections are known by their port; then the count of the oldest begins anew. */
const MAX_COUNTED = 10_000

/** The text of an answer: which connection of this origin it went over, and what that cost. */
function describer(name: DemoOriginName): (request: SeenRequest) => string {
  let connections = 0
  const counted = new Map<number, { readonly number: number; requests: number }>()
  return ({ method, path, httpVersion, remotePort }) => {
    const connection = counted.get(remotePort) ?? { number: ++connections, requests: 0 }
    connection.requests++
    counted.set(remotePort, connection)
    const [oldest] = counted.keys()
    if (counted.size > MAX_COUNTED && oldest !== undefined) counted.delete(oldest)
    const { number, requests } = connection
    const where = `${name} got ${method} ${path} over HTTP/${httpVersion}, on its connection ${number}, as request ${requests} there.`
    const handshake =
      httpVersion === '3'
        ? `1 round trip of ${ROUND_TRIP_MS} ms (QUIC with TLS 1.3)`
        : `2 round trips of ${ROUND_TRIP_MS} ms (TCP, TLS 1.3)`
    return requests === 1
      ? `${where}\nA new connection: its handshake cost ${handshake} before the request.\n`
      : `${where}\nReused: a new connection would have cost ${handshake} more.\n`
  }
}

const authority = await createCertificateAuthority('middlemile demo authority')
const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
const settings = (name: DemoOriginName) => ({ tls, describe: describer(name) })
const overTcp = await Promise.all([
  startQuickOrigin(settings('quick')),
  startSlowOrigin({ ...settings('slow'), delayMs: 300 }),
  startIdleClosingOrigin({ ...settings('idle'), keepAliveTimeoutMs: 1000 }),
  startRecyclingOrigin({ ...settings('recycling'), maxRequestsPerConnection: 100 }),
  startHttp2Origin({ ...settings('multiplexed'), protocols: ['h2', 'http/1.1'] }),
])
// Its engine is an optional part: the demo goes on without.
const quic = await startHttp3Origin(settings('quic')).catch(
  (error: unknown) => asTransportError(error).message,
)

const oneWay = { delayMs: ROUND_TRIP_MS / 2 }
const relay = (port: number) => ({
  toServer: oneWay,
  toClient: oneWay,
  seed: 1,
  target: { host: '127.0.0.1', port },
})
const relays = await Promise.all(overTcp.map(({ port }) => impairTcp(relay(port))))
const [quick = 0, slow = 0, idle = 0, recycling = 0, multiplexed = 0] = relays.map(({ port }) => port)
const ready: OriginsReady = {
  ca: authority.cert,
  ports: {
    quick,
    slow,
    idle,
    recycling,
    multiplexed,
    ...(typeof quic !== 'string' && { quic: (await impairUdp(relay(quic.port))).port }),
  },
  withoutHttp3: typeof quic === 'string' ? quic : undefined,
}
process.send?.(ready)
