import { churn } from '../scenarios/churn.ts'
import { client } from '../scenarios/client.ts'
import { clientH2 } from '../scenarios/client-h2.ts'
import { clientH3 } from '../scenarios/client-h3.ts'
import { cold } from '../scenarios/cold.ts'
import { coldBurst } from '../scenarios/cold-burst.ts'
import { fanOut } from '../scenarios/fan-out.ts'
import { firstByte } from '../scenarios/first-byte.ts'
import { floods } from '../scenarios/floods.ts'
import { forward } from '../scenarios/forward.ts'
import { forwardH2 } from '../scenarios/forward-h2.ts'
import { idleBurst } from '../scenarios/idle-burst.ts'
import { migration } from '../scenarios/migration.ts'
import { mixed } from '../scenarios/mixed.ts'
import { objects } from '../scenarios/objects.ts'
import { overload } from '../scenarios/overload.ts'
import { reuseH2 } from '../scenarios/reuse-h2.ts'
import { rttH2 } from '../scenarios/rtt-h2.ts'
import { rttH3 } from '../scenarios/rtt-h3.ts'
import { selectLoss } from '../scenarios/select-loss.ts'
import { slowReader } from '../scenarios/slow-reader.ts'
import { slowReaders } from '../scenarios/slow-readers.ts'
import { smallLoss } from '../scenarios/small-loss.ts'
import { stalePosts } from '../scenarios/stale-posts.ts'
import { unary } from '../scenarios/unary.ts'
import { uploads } from '../scenarios/upload.ts'
import { warmSmall } from '../scenarios/warm-small.ts'
import type { Scenario } from './scenario.ts'

/** All of them, by the names that the command line has for them. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  // Proxies, and what one request costs.
  forward,
  'forward-h2': forwardH2,
  client,
  'client-h2': clientH2,
  'client-h3': clientH3,
  'warm-small': warmSmall,
  unary,
  'fan-out': fanOut,
  'reuse-h2': reuseH2,
  // Connections that are not there yet.
  'cold-burst': coldBurst,
  cold,
  'first-byte': firstByte,
  'rtt-h2': rttH2,
  'rtt-h3': rttH3,
  // What the way, the origin and the others do to a request.
  mixed,
  upload: uploads,
  'slow-reader': slowReader,
  'slow-readers': slowReaders,
  churn,
  'stale-posts': stalePosts,
  overload,
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
