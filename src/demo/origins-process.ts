import { asTransportError } from '../index.ts'
import {
  createCertificateAuthority,
  startHttp2Origin,
  startHttp3Origin,
  startIdleClosingOrigin,
  startQuickOrigin,
  startRecyclingOrigin,
  startSlowOrigin,
} from '../testing/index.ts'
import type { OriginsReady } from './demo-origins.ts'

// The demo's origins, in a process of their own so that the connector's CPU time is its own. They live as
// long as their parent: the channel to it closes when it ends, however it ends. A Ctrl-C reaches the whole
// terminal group; the parent needs us for its drain.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => process.exit(0))

const authority = await createCertificateAuthority('middlemile demo authority')
const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
const [quick, slow, idle, recycling, multiplexed] = await Promise.all([
  startQuickOrigin({ tls }),
  startSlowOrigin({ tls, delayMs: 300 }),
  startIdleClosingOrigin({ tls, keepAliveTimeoutMs: 1000 }),
  startRecyclingOrigin({ tls, maxRequestsPerConnection: 100 }),
  startHttp2Origin({ tls, protocols: ['h2', 'http/1.1'] }),
])
// Its engine is an optional part: the demo goes on without.
const quic = await startHttp3Origin({ tls }).catch((error: unknown) => asTransportError(error).message)
const ready: OriginsReady = {
  ca: authority.cert,
  ports: {
    quick: quick.port,
    slow: slow.port,
    idle: idle.port,
    recycling: recycling.port,
    multiplexed: multiplexed.port,
    ...(typeof quic !== 'string' && { quic: quic.port }),
  },
  withoutHttp3: typeof quic === 'string' ? quic : undefined,
}
process.send?.(ready)
