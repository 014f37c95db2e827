/**
 * What the pool costs a request: acquire() and the end of the exchange, through the driver, with connections
 * that are there.
 */
import { systemClock } from '../../../src/base/clock.ts'
import type { Connection, ConnectionListener, Connector } from '../../../src/base/events/connection.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS } from '../../../src/base/options/options.ts'
import { Pool } from '../../../src/pool/pool.ts'
import type { Waiter } from '../../../src/pool/pool-driver.ts'
import { ConnectionBudget } from '../../../src/pool/rules/connection-budget.ts'
import { batched, type MicroCase, type MicroSuite } from '../suite.ts'

/** Takes the lease and ends it when it is told to. */
class Exchange implements Waiter {
  connection: Connection | undefined
  readonly #listeners: Map<Connection, ConnectionListener>
  #listener: ConnectionListener | undefined

  constructor(listeners: Map<Connection, ConnectionListener>) {
    this.connection = undefined
    this.#listeners = listeners
    this.#listener = undefined
  }

  onLease(connection: Connection): void {
    if (connection !== this.connection) this.#listener = this.#listeners.get(connection) // else a field
    this.connection = connection
  }

  onLeaseFailed(error: Error): void {
    throw error
  }

  end(): void {
    if (this.connection !== undefined) this.#listener?.onStreamClosed(this.connection, false)
  }
}

async function openPool(connections: number, capacity: number) {
  const listeners = new Map<Connection, ConnectionListener>()
  const connector: Connector = {
    connect(listener) {
      const connection: Connection = {
        id: listeners.size + 1,
        protocol: capacity === 1 ? 'http/1.1' : 'h2',
        endpoint: { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' },
        handshake: {
          kind: 'full',
          earlyData: 'none',
          tfo: 'off',
          tlsVersion: 'TLSv1.3',
          timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
          attempts: [],
        },
        capacity,
        keepAlive: undefined,
        open: () => undefined,
        ping: () => Promise.resolve(),
        drain: () => undefined,
        close: () => undefined,
      }
      listeners.set(connection, listener)
      return Promise.resolve(connection)
    },
  }
  const pool = new Pool({
    origin: parseOrigin('https://origin.example'),
    connector,
    clock: systemClock,
    random: Math.random,
    options: { ...DEFAULT_POOL_OPTIONS, maxConnections: connections },
    budget: new ConnectionBudget(1024),
    observer: () => undefined,
    expectedCapacity: capacity,
  })
  await pool.preconnect(connections)
  return { pool, exchange: () => new Exchange(listeners) }
}

const single = await openPool(1, 1)
const only = single.exchange()

const ROUND = 64

/** As behind 64 keepalive clients: each call leases all and ends all. */
async function rounds(name: string, connections: number, capacity: number): Promise<MicroCase> {
  const { pool, exchange } = await openPool(connections, capacity)
  const exchanges = Array.from({ length: ROUND }, exchange)
  return {
    name: `${name} (round of ${ROUND})`,
    operationsPerCall: ROUND,
    prepare: () => () => {
      for (const one of exchanges) pool.acquire(one)
      for (const one of exchanges) one.end()
    },
  }
}

export const suite: MicroSuite = {
  name: 'pool',
  operation: 'pair',
  cases: [
    batched('http/1.1, 1 connection', () => () => {
      single.pool.acquire(only)
      only.end()
    }),
    await rounds('http/1.1, 64 connections', 64, 1),
    await rounds('http/1.1, 16 connections, so that 48 wait', 16, 1),
    await rounds('h2, 1 connection of 100 streams', 1, 100),
    await rounds('h2, 4 connections of 20 streams', 4, 20),
    batched('of which two looks at the clock', () => () => {
      systemClock.now()
      systemClock.now()
    }),
  ],
}
