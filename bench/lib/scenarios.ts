import { churn } from '../scenarios/client/churn.ts'
import { client, clientH2, clientH3 } from '../scenarios/client/client.ts'
import { cold } from '../scenarios/client/cold.ts'
import { coldBurst, reuseH2 } from '../scenarios/client/cold-burst.ts'
import { firstByte } from '../scenarios/client/first-byte.ts'
import { idleBurst, mixed, smallLoss, uploads } from '../scenarios/client/long-path.ts'
import { migration } from '../scenarios/client/migration.ts'
import { objects } from '../scenarios/client/objects.ts'
import { rttH2, rttH3 } from '../scenarios/client/round-trips.ts'
import { selectLoss } from '../scenarios/client/select-loss.ts'
import { slowReader } from '../scenarios/client/slow-reader.ts'
import { fanOut, udpLink, udpSockets, unary, warmSmall } from '../scenarios/client/steady.ts'
import { webTransport } from '../scenarios/client/webtransport.ts'
import { endpoints } from '../scenarios/service/endpoints.ts'
import { floods } from '../scenarios/service/floods.ts'
import { forward, forwardH2 } from '../scenarios/service/forward.ts'
import { manyOrigins } from '../scenarios/service/many-origins.ts'
import { overload } from '../scenarios/service/overload.ts'
import { slowReaders } from '../scenarios/service/slow-readers.ts'
import { stalePosts } from '../scenarios/service/stale-posts.ts'
import { webTransportBridge } from '../scenarios/service/web-transport-bridge.ts'
import { workers } from '../scenarios/service/workers.ts'
import type { Scenario } from './scenario.ts'

/** All of them, by the names that the command line has for them. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  // Proxies, and what one request costs.
  forward,
  'forward-h2': forwardH2,
  workers,
  'webtransport-bridge': webTransportBridge,
  client,
  'client-h2': clientH2,
  'client-h3': clientH3,
  'warm-small': warmSmall,
  'udp-sockets': udpSockets,
  'udp-link': udpLink,
  unary,
  webtransport: webTransport,
  'fan-out': fanOut,
  'many-origins': manyOrigins,
  'reuse-h2': reuseH2,
  // Connections that are not there yet.
  'cold-burst': coldBurst,
  cold,
  'first-byte': firstByte,
  'rtt-h2': rttH2,
  'rtt-h3': rttH3,
  // What the path, the origin and the others do to a request.
  mixed,
  upload: uploads,
  'slow-reader': slowReader,
  'slow-readers': slowReaders,
  churn,
  'stale-posts': stalePosts,
  overload,
  endpoints,
  'idle-burst': idleBurst,
  objects: objects('cubic'),
  'objects-bbr': objects('bbr'),
  'small-loss': smallLoss('cubic'),
  'small-loss-bbr': smallLoss('bbr'),
  'select-loss': selectLoss('cubic'),
  'select-loss-bbr': selectLoss('bbr'),
  migration,
  // What hostile peers cost.
  floods,
}
