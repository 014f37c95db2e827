import type { PoolStats } from '../../src/index.ts'
import { NO_ECONOMY } from './economy-figures.ts'
import { handshakeFigures } from './handshake-figures.ts'
import { NO_HORIZON } from './idle-horizon-figures.ts'
import { NO_MIGRATIONS } from './migration-figures.ts'

/** The statistics of a pool of https://origin.example. */
export const SHOP_POOL: PoolStats = {
  origin: 'https://origin.example',
  connections: { connecting: 1, idle: 2, leased: 3, draining: 4 },
  byProtocol: {
    h2: { idle: 0, leased: 2, draining: 1, streams: 7, capacity: 200 },
    'http/1.1': { idle: 2, leased: 1, draining: 3, streams: 4, capacity: 3 },
  },
  coalesced: 0,
  backingOff: false,
  waiters: 5,
  overloaded: false,
  shed: 6,
  protectedRefusals: 0,
  streams: 3,
  stalled: 2,
  opened: { full: 1, resumed: 0, earlyData: 0, cleartext: 0 },
  closed: {},
  connectFailures: 0,
  requests: 10,
  reused: 9,
  idleHorizon: NO_HORIZON,
  ...NO_ECONOMY,
  retries: 0,
  reuseRatio: 0.9,
  handshakeRttsSaved: 18,
  handshakeSecondsSaved: 0.25,
  handshakes: handshakeFigures(),
  path: undefined,
  pathByProtocol: {},
  migrations: NO_MIGRATIONS,
  list: [],
}
