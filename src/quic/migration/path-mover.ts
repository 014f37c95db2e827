import type { Clock, Timer } from '../../base/clock.ts'
import type { MigrationReport } from '../../base/events/migration-report.ts'
import { Fifo } from '../../base/fifo.ts'
import { guardedListener, guardedPromise } from '../../base/guard.ts'
import { isHere } from '../../base/local-addresses.ts'
import type { DrivenConnection } from '../driven-connection.ts'
import type { LinkMover, MigrationTarget, UdpAddress } from '../engine.ts'
import type { LinkSockets } from '../udp/link-sockets.ts'
import type { MigrationAction } from './migration-phase.ts'
import { MigrationState } from './migration-state.ts'
import { PathWatch, RoundTrips } from './path-watch.ts'

export interface PathMoverOptions {
  readonly connection: DrivenConnection
  readonly sockets: LinkSockets
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly clock: Clock
  /** Something was put out, or is to be looked at. */
  readonly schedule: () => void
  /** Somebody waits for what the peer has to say. */
  readonly isWaiting: () => boolean
}

/** How many reports are kept. */
const MAX_REPORTS = 16
/** Round trips are read off the engine no more often: it costs 20 us. */
const SAMPLE_EVERY_MS = 50
/** Stream bytes count as flowing for so many round trips, and for so long at the least. */
const FLOW_ROUND_TRIPS = 3
const MIN_FLOW_MS = 100

/** What the system says when a socket has lost its place, and no packet leaves any more. */
const LOST_PLACE = new Set(['EADDRNOTAVAIL', 'ENETUNREACH', 'ENETDOWN', 'EHOSTUNREACH', 'EINVAL'])

/**
 * Watches the path of a client's connection and moves it: a switch over the actions of its rules
 * (migration/). It gets its turn between that of the owner and sending, so that what it puts out leaves with
 * the rest.
 */
export class PathMover implements LinkMover {
  readonly #options: PathMoverOptions
  readonly #rules: MigrationState
  readonly #watch = new PathWatch()
  readonly #roundTrips = new RoundTrips()
  readonly #requests = new Map<number, (report: MigrationReport) => void>()
  /** Packets that had come to each socket, while somebody looks. */
  readonly #received = new Map<UdpAddress, number>()
  #lastRequest = 0
  #reports: readonly MigrationReport[] = []
  #rulesTimer: Timer | undefined
  #watchTimer: Timer | undefined
  #watchAt = Number.POSITIVE_INFINITY
  #heardAt: number
  #movedBytes = 0
  #movedAt = Number.NEGATIVE_INFINITY
  #sampledAt = Number.NEGATIVE_INFINITY
  #wasWaiting = false
  readonly #actions = new Fifo<MigrationAction>()
  #isRunning = false
  #isOver = false
  /** What the engine sends from. */
  #inUse: UdpAddress
  onReport: LinkMover['onReport']
  onRedial: LinkMover['onRedial']

  constructor(options: PathMoverOptions) {
    this.#options = options
    this.#heardAt = options.clock.now()
    this.#inUse = options.local
    this.#rules = new MigrationState({
      local: options.local,
      ptoMs: () => this.#roundTrips.ptoMs,
      refusal: () => options.connection.migrationRefusal,
      maxMigrations: options.connection.maxOtherPaths,
      awaitsIds: () => options.connection.awaitsConnectionIds,
    })
  }

  get reports(): readonly MigrationReport[] {
    return this.#reports
  }

  get refusal(): string | undefined {
    return this.#options.connection.migrationRefusal
  }

  migrate(to?: MigrationTarget): Promise<MigrationReport> {
    return new Promise(resolve => {
      this.#lastRequest += 1
      this.#requests.set(this.#lastRequest, resolve)
      this.#run(this.#rules.onForced(this.#lastRequest, to, this.#now()))
    })
  }

  onAddresses(present: ReadonlySet<string>): void {
    const { local } = this.#rules
    if (this.#isOver || isHere(local.host, present)) return
    const because = `this machine has ${local.host} no more`
    this.#run(this.#rules.onLocalGone(local, 'address-gone', because, this.#now()))
  }

  /** True: it is seen to. */
  onSocketError(error: Error, local: UdpAddress): boolean {
    if (this.#isOver) return true
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
    // What the peer's machine says of a path that is not in use is no news.
    if (!LOST_PLACE.has(code)) return !isSame(local, this.#rules.local)
    this.#run(this.#rules.onLocalGone(local, 'socket-error', `the socket failed: ${code}`, this.#now()))
    return true
  }

  /** A datagram came to the socket there. */
  onDatagram(local: UdpAddress): void {
    if (local === this.#rules.local || isSame(local, this.#rules.local)) this.#heardAt = this.#now()
  }

  /** Between the owner's turn and sending. */
  onTurn(): void {
    if (this.#isOver || !this.#options.connection.isEstablished) return
    const now = this.#now()
    this.#takePathEvents(now)
    this.#look(now)
    this.#followProgress(now)
    this.#judge(now)
  }

  /** The link is over. */
  end(): void {
    if (this.#isOver) return
    this.#run(this.#rules.onAbandoned(this.#now()))
    this.#isOver = true
    this.#rulesTimer?.cancel()
    this.#watchTimer?.cancel()
  }

  #takePathEvents(now: number): void {
    const { connection } = this.#options
    for (let event = connection.nextPathEvent(); event !== undefined; event = connection.nextPathEvent()) {
      if (event.outcome === 'validated') this.#run(this.#rules.onValidated(event.local, now))
      else if (event.outcome === 'failed') this.#run(this.#rules.onValidationFailed(event.local, now))
    }
  }

  /** Who is settled need not know where packets come: that they come is enough. */
  #look(now: number): void {
    if (this.#rules.name === 'settled') {
      if (this.#received.size > 0) this.#received.clear()
      return
    }
    const { connection, sockets } = this.#options
    for (const local of sockets.locals) {
      const count = connection.receivedOver(local)
      const before = this.#received.get(local)
      this.#received.set(local, count)
      if (before !== undefined && count > before) this.#run(this.#rules.onReceived(local, now))
    }
  }

  #followProgress(now: number): void {
    const { connection, isWaiting } = this.#options
    const { movedBytes } = connection
    const waits = isWaiting()
    const hasMoved = movedBytes !== this.#movedBytes
    if (hasMoved) this.#movedAt = now
    this.#movedBytes = movedBytes
    if (waits && (hasMoved || !this.#wasWaiting)) this.#run(this.#rules.onProgress(now))
    else if (!waits && this.#wasWaiting) this.#run(this.#rules.onIdle(now))
    this.#wasWaiting = waits
  }

  #judge(now: number): void {
    const { connection } = this.#options
    if (now - this.#sampledAt >= SAMPLE_EVERY_MS) {
      this.#sampledAt = now
      this.#roundTrips.onSample(connection.stats().rttMs)
    }
    const { rttMs, ptoMs } = this.#roundTrips
    const verdict = this.#watch.onSample(
      {
        heardAt: this.#heardAt,
        timeoutsInARow: connection.timeoutsInARow,
        rttMs,
        ptoMs,
        isWaiting: this.#wasWaiting,
        hasFlowed: now - this.#movedAt <= Math.max(rttMs * FLOW_ROUND_TRIPS, MIN_FLOW_MS),
      },
      now,
    )
    this.#run(this.#rules.onVerdict(verdict, now))
    this.#armWatch(now)
  }

  #armWatch(now: number): void {
    const { nextAt } = this.#watch
    if (nextAt === this.#watchAt || this.#isOver) return
    this.#watchTimer?.cancel()
    this.#watchAt = nextAt
    if (nextAt === Number.POSITIVE_INFINITY) return
    this.#watchTimer = this.#options.clock.setTimer(Math.max(0, nextAt - now), () => {
      this.#watchAt = Number.POSITIVE_INFINITY
      this.#options.schedule()
    })
  }

  /** In order: what comes of an action is done behind what was asked for together with it. */
  #run(actions: readonly MigrationAction[]): void {
    if (actions.length === 0) return
    for (const action of actions) this.#actions.push(action)
    if (this.#isRunning) return
    this.#isRunning = true
    for (let next = this.#actions.shift(); next !== undefined; next = this.#actions.shift()) this.#do(next)
    this.#isRunning = false
    if (!this.#isOver) this.#options.schedule()
  }

  #do(action: MigrationAction): void {
    const { connection, sockets, remote, clock } = this.#options
    switch (action.type) {
      case 'openSocket':
        guardedPromise(
          'opening a path',
          this.#open(action.opening, { address: action.address, port: action.port }),
        )
        break
      case 'validate':
        if (!connection.validatePath(action.local, remote))
          this.#run(this.#rules.onValidationFailed(action.local, this.#now()))
        break
      case 'migrate':
        if (!connection.migrate(action.local, remote, this.#now()))
          this.#run(
            this.#rules.onMigrateFailed(action.local, this.refusal ?? 'the engine refuses', this.#now()),
          )
        else this.#onMoved(action.local)
        break
      case 'resend':
        connection.resendFrom(action.from)
        break
      case 'ping':
        connection.ping()
        break
      case 'closeSocket':
        sockets.close(action.local)
        break
      case 'report':
        this.#report(action.report, action.requests)
        break
      case 'redial':
        this.onRedial?.(action.because, action.isPathDead)
        break
      case 'setTimer':
        this.#rulesTimer?.cancel()
        this.#rulesTimer = clock.setTimer(action.delayMs, this.#onRulesTimer)
        break
      case 'clearTimer':
        this.#rulesTimer?.cancel()
        this.#rulesTimer = undefined
        break
    }
  }

  /** Nobody knows which path is in use when this has thrown: the connection ends. */
  readonly #onRulesTimer = guardedListener(
    'a move of a QUIC connection',
    () => {
      this.#rulesTimer = undefined
      this.#run(this.#rules.onTimer(this.#now()))
    },
    () => {
      this.#options.connection.fail('a defect')
      this.#options.schedule()
    },
  )

  /** The new path starts with a clean slate. */
  #onMoved(local: UdpAddress): void {
    const now = this.#now()
    this.#options.sockets.use(local, this.#inUse)
    this.#inUse = local
    this.#watch.reset(now)
    this.#heardAt = now
  }

  async #open(opening: number, choice: MigrationTarget): Promise<void> {
    let actions: MigrationAction[]
    try {
      const local = await this.#options.sockets.add(choice)
      // A port that was used before has had packets.
      this.#received.set(local, this.#options.connection.receivedOver(local))
      actions = this.#rules.onOpened(opening, local, this.#now())
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error)
      actions = this.#rules.onOpenFailed(opening, because, this.#now())
    }
    this.#run(actions)
  }

  #report(report: MigrationReport, requests: readonly number[]): void {
    this.#reports = [...this.#reports, report].slice(-MAX_REPORTS)
    this.onReport?.(report)
    for (const request of requests) {
      this.#requests.get(request)?.(report)
      this.#requests.delete(request)
    }
  }

  #now(): number {
    return this.#options.clock.now()
  }
}

function isSame(a: UdpAddress, b: UdpAddress): boolean {
  return a.port === b.port && a.host === b.host
}
