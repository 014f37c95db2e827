import { TransportError } from '../../../../src/base/errors.ts'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import type { LaneName } from '../../../../src/base/http/lane.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import type { OriginConnector } from '../../../../src/origin/connecting/origin-connector.ts'
import { CpuMeter } from '../../../../src/origin/lanes/cpu-meter.ts'
import { Lane } from '../../../../src/origin/lanes/lane.ts'
import { Lanes } from '../../../../src/origin/lanes/lanes.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import type { Pool } from '../../../../src/pool/pool.ts'
import type { Waiter } from '../../../../src/pool/pool-driver.ts'
import type { QuicConnection } from '../../../../src/quic/engine.ts'
import type { ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'

/** A pool that makes connections when the test says so, and writes down what it is asked. */
export class FakePool {
  live = 0
  readonly waiters: Waiter[] = []
  readonly #name: string
  readonly #log: string[]
  readonly #preconnects: { connections: number; done: () => void; fail: (error: Error) => void }[] = []

  constructor(name: string, log: string[]) {
    this.#name = name
    this.#log = log
  }

  acquire(waiter: Waiter, _fresh: boolean, isReplay: boolean): void {
    this.#log.push(`${this.#name}: acquire${isReplay ? ' again' : ''}`)
    this.waiters.push(waiter)
  }

  cancel(waiter: Waiter): void {
    this.#log.push(`${this.#name}: cancel`)
    this.waiters.splice(this.waiters.indexOf(waiter), 1)
  }

  release(): void {
    this.#log.push(`${this.#name}: release`)
  }

  abandonDials(): void {
    this.#log.push(`${this.#name}: abandon dials`)
  }

  retire(_connection: Connection, reason: string): void {
    this.#log.push(`${this.#name}: retire for ${reason}`)
    this.live -= 1
  }

  setWarm(connections: number): void {
    this.#log.push(`${this.#name}: warm ${connections}`)
  }

  preconnect(connections: number): Promise<void> {
    this.#log.push(`${this.#name}: preconnect ${connections}`)
    return new Promise((done, fail) => this.#preconnects.push({ connections, done, fail }))
  }

  /** The connections that were asked for in the background are open. */
  async succeed(): Promise<void> {
    for (const { connections, done } of this.#preconnects.splice(0)) {
      this.live = Math.max(this.live, connections)
      done()
    }
    await settled()
  }

  async fail(error: Error = new TransportError('MM_CONNECT_TIMEOUT', 'nobody answers')): Promise<void> {
    for (const { fail } of this.#preconnects.splice(0)) fail(error)
    await settled()
  }

  connections(): Connection[] {
    return []
  }
}

const PLACE = { host: 'shop.test', port: 443 }
let lastId = 0

/** The lanes of one origin over pools of the test's own. */
export class FakeLanes {
  readonly clock = new FakeClock(1_000)
  readonly origin = parseOrigin('https://shop.test')
  readonly record = new OriginRecord(PLACE)
  readonly log: string[] = []
  readonly events: TransportEvent[] = []
  readonly pools = new Map<LaneName, FakePool>()
  readonly lanes: Lanes
  changes = 0
  http3Fault: string | undefined
  /** No lane can be made any more. */
  isLeaving = false

  constructor(
    options: OriginOptions = {},
    {
      url = 'https://shop.test',
      connectorOf = () => CONNECTOR,
      know,
    }: {
      url?: string
      connectorOf?: (name: LaneName, world: FakeLanes) => Partial<OriginConnector>
      /** What the record knows from the start. */
      know?: (record: OriginRecord, now: number) => void
    } = {},
  ) {
    this.origin = parseOrigin(url)
    know?.(this.record, this.clock.now())
    this.lanes = new Lanes({
      origin: this.origin,
      settings: new SettingsBook({ defaults: options }).settingsFor(this.origin),
      record: this.record,
      clock: this.clock,
      observer: event => void this.events.push(event),
      makeLane: name => {
        if (this.isLeaving) return undefined
        const pool = new FakePool(name, this.log)
        this.pools.set(name, pool)
        const connector = connectorOf(name, this) as OriginConnector // what lanes ask of one
        return new Lane(name, pool as unknown as Pool, connector) // see above
      },
      http3Fault: () => this.http3Fault,
      cpuMeter: new CpuMeter(() => 0),
      onChanged: () => void this.changes++,
    })
    this.lanes.start()
  }

  /** The pool of a lane that was made. */
  pool(name: LaneName): FakePool {
    const pool = this.pools.get(name)
    if (pool === undefined) throw new Error(`there is no lane ${name}`)
    return pool
  }

  /** The origin advertises HTTP/3 in a response. */
  advertise(value = 'h3=":443"', status = 200): void {
    this.lanes.onResponseHead(status, ['alt-svc', value])
  }

  /** A connection of a lane is open, as its connector reports it. */
  connect(name: LaneName, { protocol = name === 'h3' ? 'h3' : 'h2', tlsMs = 20 } = {}): Connection {
    const now = this.clock.now()
    const lane = this.lanes.named(name)
    this.pool(name).live += 1
    lastId += 1
    const handshake = {
      kind: 'full',
      tlsVersion: 'TLSv1.3',
      timings: { dnsMs: 0, connectMs: name === 'h3' ? 0 : 10, tlsMs },
      attempts: [],
    }
    const connection = { id: lastId, protocol, handshake } as unknown as Connection // what lanes look at
    this.record.onConnected(
      {
        protocol: connection.protocol,
        endpoint: '192.0.2.1:443',
        handshake: connection.handshake,
        offeredTicket: false,
      },
      now,
    )
    if (name === 'h3') this.record.http3Status('shop.test:443').onHttp3Worked(now)
    this.lanes.onConnected(lane, connection)
    return connection
  }

  /** So many exchanges over a lane, each `ttfbMs` long, one after the other. */
  carry(name: LaneName, count: number, ttfbMs: number, over: Partial<ExchangeSample> = {}): void {
    for (let index = 0; index < count; index += 1) {
      this.clock.advance(ttfbMs)
      const sample: ExchangeSample = {
        lane: name,
        ttfbMs,
        bodyMs: 0,
        responseBytes: 1_000,
        laneStreams: 1,
        laneConnections: 1,
        stallMs: undefined,
        isFirst: false,
        failed: false,
        ...over,
      }
      this.lanes.onSample(sample, this.clock.now())
    }
  }

  /** The events of a kind, and only those since the last time. */
  take<T extends TransportEvent['type']>(type: T): Extract<TransportEvent, { type: T }>[] {
    const taken = this.events.filter(event => event.type === type)
    const others = this.events.filter(event => event.type !== type)
    this.events.splice(0, this.events.length, ...others)
    return taken as Extract<TransportEvent, { type: T }>[] // those that were looked for
  }
}

/** What a connection over QUIC stands on. */
export const QUIC = { receivedBytes: 0 }
const CONNECTOR: Partial<OriginConnector> = {
  offered: ['h2', 'http/1.1'],
  linkOf: () => ({ quic: QUIC as QuicConnection, alternative: 'shop.test:443' }), // what a path looks at
  pathsOf: () => [],
  attemptsOf: () => [],
}
