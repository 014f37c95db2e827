import type { LaneName } from '../../base/http/lane.ts'
import type { Pool } from '../../pool/pool.ts'
import type { OriginConnector } from '../connecting/origin-connector.ts'

/** One lane of an origin: its pool, and who makes its connections. */
export class Lane {
  readonly name: LaneName
  readonly pool: Pool
  readonly connector: OriginConnector
  /** Exchanges under way on it. */
  streams = 0

  constructor(name: LaneName, pool: Pool, connector: OriginConnector) {
    this.name = name
    this.pool = pool
    this.connector = connector
  }
}
