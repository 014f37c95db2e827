import type { TransportError } from '../../src/base/errors.ts'
import type { Connection } from '../../src/base/events/connection.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../src/base/options/options.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { PoolConfig, Waiter } from '../../src/pool/pool-driver.ts'
import { ConnectionBudget } from '../../src/pool/rules/connection-budget.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { FakeConnector } from './fake-connector.ts'

/** Opens an exchange on what it is leased, unless the test says otherwise, and writes down what happened. */
export class TestWaiter implements Waiter {
  readonly name: string
  connection: Connection | undefined
  #log: string[]
  #act: ((connection: Connection) => void) | undefined

  constructor(name: string, log: string[], act?: (connection: Connection) => void) {
    this.name = name
    this.connection = undefined
    this.#log = log
    this.#act = act
  }

  onLease(connection: Connection, reused: boolean): void {
    this.connection = connection
    this.#log.push(`${this.name} leased${reused ? ' (reused)' : ''}`)
    if (this.#act === undefined) openExchange(connection)
    else this.#act(connection)
  }

  onLeaseFailed(error: TransportError): void {
    this.#log.push(`${this.name} failed: ${error.code}`)
  }
}

/** The fake needs neither a request nor a handler. */
export function openExchange(connection: Connection): void {
  connection.open(undefined as never, undefined as never)
}

/**
 * A pool on a fake clock and a fake connector, with a log of what waiters hear and the kinds of the events.
 */
export function drivenPool(options: Partial<PoolOptions> = {}, config: Partial<PoolConfig> = {}) {
  const clock = new FakeClock()
  const connector = new FakeConnector()
  const log: string[] = []
  const events: string[] = []
  const pool = new Pool({
    origin: parseOrigin('https://origin.example'),
    connector,
    clock,
    random: () => 0,
    options: { ...DEFAULT_POOL_OPTIONS, ...options },
    budget: new ConnectionBudget(0),
    observer: event => events.push(event.type),
    expectedCapacity: undefined,
    ...config,
  })
  const waiter = (name: string, act?: (connection: Connection) => void) => new TestWaiter(name, log, act)
  const acquire = (name: string, act?: (connection: Connection) => void) => {
    const made = waiter(name, act)
    pool.acquire(made)
    return made
  }
  return { pool, clock, connector, log, events, waiter, acquire }
}
