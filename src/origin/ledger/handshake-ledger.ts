import type { Connection } from '../../base/events/connection.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type {
  ConnectionHandshake,
  HandshakeAmount,
  HandshakeFigures,
  HandshakeMeans,
  HandshakesAvoided,
  SavedLately,
} from './handshake-figures.ts'
import { HandshakePrices, handshakeCost, isResumed } from './handshake-prices.ts'

/**
 * Adds up what one means avoided. Bytes and CPU are of those whose price was known: the rest is not claimed.
 */
class AvoidedTally {
  #count = 0
  #roundTrips = 0
  #seconds = 0
  #bytes: number | undefined
  #cpuMs: number | undefined

  constructor() {
    this.#bytes = undefined
    this.#cpuMs = undefined
  }

  get figures(): HandshakesAvoided {
    return {
      count: this.#count,
      roundTrips: this.#roundTrips,
      seconds: this.#seconds,
      bytes: this.#bytes,
      cpuMs: this.#cpuMs,
    }
  }

  add(count: number, price: HandshakeAmount): void {
    this.#count += count
    this.#roundTrips += count * price.roundTrips
    this.#seconds += count * price.seconds
    this.#bytes = sum(this.#bytes, price.bytes, count)
    this.#cpuMs = sum(this.#cpuMs, price.cpuMs, count)
  }
}

/** `total` and `count` times the value. Undefined: neither was ever measured. */
function sum(total: number | undefined, value: number | undefined, count: number): number | undefined {
  return value === undefined ? total : (total ?? 0) + count * value
}

/** What the ledger looks at of a connection. */
export type LedgerConnection = Pick<Connection, 'id' | 'protocol' | 'handshake' | 'sharedBy'>

/** TCP or QUIC: their handshakes have prices of their own. */
class Carriage {
  readonly prices = new HandshakePrices()
  /**
   * Exchanges on connections that had carried one, since they were added up last: all at the price of now.
   */
  reuses = 0
}

/**
 * What the handshakes with one origin cost, and what was avoided by which means:
 * - reuse: an exchange on a connection that was there already avoids one whole handshake.
 * - coalescing: the first exchange on a connection of another origin avoids a whole one, at the price that
 *   the owner of the connection paid.
 * - resumption: bytes and CPU, by what resumed handshakes measured less than full ones; before TLS 1.3 a
 *   round trip, too.
 * - Fast Open and accepted early data: a round trip each; over QUIC that is all there is.
 *
 * Prices are those of this origin; what came before the first was measured counts, but is worth nothing.
 * Reuse is counted on the way of each request, and priced when a price is about to change or somebody looks.
 */
export class HandshakeLedger {
  readonly #tcp = new Carriage()
  readonly #quic = new Carriage()
  readonly #avoided: Readonly<Record<HandshakeMeans, AvoidedTally>> = {
    reuse: new AvoidedTally(),
    coalescing: new AvoidedTally(),
    resumption: new AvoidedTally(),
    fastOpen: new AvoidedTally(),
    earlyData: new AvoidedTally(),
  }
  readonly #connections = new WeakMap<LedgerConnection, ConnectionHandshake>()
  /** Of other origins, what a handshake of theirs is worth; until the first exchange on each. */
  readonly #joined = new WeakMap<object, HandshakeAmount>()
  readonly #window: SavedWindow
  readonly #byKind = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  #paid: HandshakeAmount = { roundTrips: 0, seconds: 0, bytes: undefined, cpuMs: undefined }
  #settledAt: number

  constructor(now: number) {
    this.#window = new SavedWindow(now)
    this.#settledAt = now
  }

  /** A connection was made, and what became of its early data is known. */
  onOpened(connection: LedgerConnection, now: number): void {
    this.#settle(now)
    const { id, handshake, protocol } = connection
    const cost = handshakeCost(handshake, protocol)
    const { prices } = this.#carriageOf(protocol)
    prices.onMeasured(handshake, cost)

    this.#byKind[KIND_NAMES[handshake.kind]] += 1
    const { roundTrips, seconds, bytes, cpuMs } = cost
    this.#paid = {
      roundTrips: this.#paid.roundTrips + roundTrips,
      seconds: this.#paid.seconds + seconds,
      bytes: sum(this.#paid.bytes, bytes, 1),
      cpuMs: sum(this.#paid.cpuMs, cpuMs, 1),
    }
    const avoided: Partial<Record<HandshakeMeans, HandshakeAmount>> = {}
    if (isResumed(handshake)) {
      const { roundTrip, resumption } = prices
      avoided.resumption =
        cost.avoided.resumption === 0 ? resumption : { ...resumption, ...spared(roundTrip) }
    }
    if (cost.avoided.fastOpen > 0) avoided.fastOpen = prices.roundTrip
    if (cost.avoided.earlyData > 0) avoided.earlyData = prices.roundTrip
    for (const [means, price] of Object.entries(avoided)) {
      this.#avoided[means as HandshakeMeans].add(1, price) // a key of the record above
      this.#window.add(price.seconds, now, now)
    }
    this.#connections.set(connection, { id, protocol, paid: { roundTrips, seconds, bytes, cpuMs }, avoided })
  }

  /** A connection of another origin carries this one's exchanges as well. */
  onJoined(connection: LedgerConnection): void {
    const { sharedBy, protocol } = connection
    if (sharedBy === undefined) return
    const { roundTrips, seconds, bytes, cpuMs } = handshakeCost(sharedBy.handshake, protocol)
    this.#joined.set(connection, { roundTrips, seconds, bytes, cpuMs })
  }

  /**
   * An exchange found a connection that had carried one before, or that is another origin's. On the hot path:
   * one addition.
   */
  onReuse(connection: Pick<LedgerConnection, 'protocol' | 'sharedBy'>): void {
    if (connection.sharedBy !== undefined && this.#isFirstOn(connection)) return
    this.#carriageOf(connection.protocol).reuses += 1
  }

  #isFirstOn(connection: object): boolean {
    const price = this.#joined.get(connection)
    if (price === undefined) return false
    this.#joined.delete(connection)
    this.#avoided.coalescing.add(1, price)
    this.#window.add(price.seconds, this.#settledAt, this.#settledAt)
    return true
  }

  /**
   * What the handshake of that connection cost and avoided, and what its `reuses` did: exchanges that found
   * it there. Undefined: it is still in early data, or not this origin's.
   */
  of(connection: LedgerConnection, reuses: number): ConnectionHandshake | undefined {
    const known = this.#connections.get(connection)
    if (known === undefined || reuses === 0) return known
    const { whole } = this.#carriageOf(connection.protocol).prices
    return { ...known, avoided: { ...known.avoided, reuse: times(reuses, whole) } }
  }

  /** The sums up to now. `now` is the latest time so far. */
  figures(now: number): HandshakeFigures {
    this.#settle(now)
    const { reuse, coalescing, resumption, fastOpen, earlyData } = this.#avoided
    return {
      paid: { byKind: { ...this.#byKind }, ...this.#paid },
      avoided: {
        reuse: reuse.figures,
        coalescing: coalescing.figures,
        resumption: resumption.figures,
        fastOpen: fastOpen.figures,
        earlyData: earlyData.figures,
      },
      lastDay: this.#window.read(now),
    }
  }

  /** What all means avoided so far, in sum. */
  saved(now: number): { readonly seconds: number; readonly roundTrips: number } {
    this.#settle(now)
    let [seconds, roundTrips] = [0, 0]
    for (const { figures } of Object.values(this.#avoided)) {
      seconds += figures.seconds
      roundTrips += figures.roundTrips
    }
    return { seconds, roundTrips }
  }

  #carriageOf(protocol: Protocol): Carriage {
    return protocol === 'h3' ? this.#quic : this.#tcp
  }

  /**
   * Adds up what was reused since the last time. When exactly that was nobody has noted: a look at the clock
   * would cost as much as the rest.
   */
  #settle(now: number): void {
    for (const carriage of [this.#tcp, this.#quic]) {
      const { reuses, prices } = carriage
      this.#avoided.reuse.add(reuses, prices.whole)
      this.#window.add(reuses * prices.whole.seconds, this.#settledAt, now)
      carriage.reuses = 0
    }
    this.#settledAt = now
  }
}

const KIND_NAMES = { none: 'cleartext', full: 'full', resumed: 'resumed', early_data: 'earlyData' } as const

function spared({ roundTrips, seconds }: HandshakeAmount): Pick<HandshakeAmount, 'roundTrips' | 'seconds'> {
  return { roundTrips, seconds }
}

function times(count: number, { roundTrips, seconds, bytes, cpuMs }: HandshakeAmount): HandshakeAmount {
  return {
    roundTrips: count * roundTrips,
    seconds: count * seconds,
    bytes: bytes === undefined ? undefined : count * bytes,
    cpuMs: cpuMs === undefined ? undefined : count * cpuMs,
  }
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Those of a day, and the one that the window has left in part. */
const BUCKETS = 25

/** What was saved in the last 24 hours, in buckets of an hour that count from the start. */
export class SavedWindow {
  readonly #startedAt: number
  /** Hour n lies at n modulo their number. */
  readonly #buckets = new Float64Array(BUCKETS)
  #hour = 0

  constructor(now: number) {
    this.#startedAt = now
  }

  /**
   * Seconds that were saved between two times, nobody looked when: they are spread evenly over the time
   * between. `to` is the latest time so far.
   */
  add(seconds: number, from: number, to: number): void {
    this.#advance(to)
    if (from >= to) {
      this.#put(this.#hour, seconds)
      return
    }
    const first = Math.max(this.#hourOf(from), this.#hour - BUCKETS + 1)
    for (let hour = first; hour <= this.#hour; hour++) {
      const beginsAt = this.#startedAt + hour * HOUR_MS
      const overlapMs = Math.min(to, beginsAt + HOUR_MS) - Math.max(from, beginsAt)
      if (overlapMs > 0) this.#put(hour, (seconds * overlapMs) / (to - from))
    }
  }

  /** `now` is the latest time so far. */
  read(now: number): SavedLately {
    this.#advance(now)
    const ageMs = Math.max(0, now - this.#startedAt)
    const windowSeconds = Math.min(ageMs, DAY_MS) / 1000
    let savedSeconds = this.#buckets.reduce((sum, seconds) => sum + seconds, 0)
    if (this.#hour >= BUCKETS - 1) {
      const oldest = this.#buckets[(this.#hour + 1) % BUCKETS] ?? 0
      // It has left the window as far as the newest one has come.
      savedSeconds -= (oldest * (ageMs - this.#hour * HOUR_MS)) / HOUR_MS
    }
    const perDay = windowSeconds === 0 ? 0 : (savedSeconds / windowSeconds) * (DAY_MS / 1000)
    return { savedSeconds, windowSeconds, perDay }
  }

  #hourOf(now: number): number {
    return Math.max(0, Math.floor((now - this.#startedAt) / HOUR_MS))
  }

  #put(hour: number, seconds: number): void {
    const index = hour % BUCKETS
    this.#buckets[index] = (this.#buckets[index] ?? 0) + seconds
  }

  #advance(now: number): void {
    const hour = this.#hourOf(now)
    if (hour - this.#hour >= BUCKETS) this.#buckets.fill(0)
    else for (let passed = this.#hour + 1; passed <= hour; passed++) this.#buckets[passed % BUCKETS] = 0
    this.#hour = Math.max(this.#hour, hour)
  }
}
