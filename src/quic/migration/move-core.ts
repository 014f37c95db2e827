import type { MigrationOutcome } from '../../base/events/migration-report.ts'
import type { UdpAddress } from '../engine.ts'
import { GapMeter } from './gap-meter.ts'
import type { MigrationAction } from './migration-phase.ts'
import { isSameAddress, type MigrationPhase, type Move, nextPhase } from './migration-phase.ts'
import { PathBudget } from './path-budget.ts'

/**
 * Of validation, of what comes first over a new path, and of late packets: in probe timeouts (RFC 9000 8.2.4
 * asks for three).
 */
const PATIENCE_PTOS = 3
/** However short the round trip is, loops are held up. */
const MIN_PATIENCE_MS = 250
const MIN_RESEND_MS = 20
export const OPEN_TIMEOUT_MS = 1000

export interface MigrationOptions {
  /** The path in use at the start. */
  readonly local: UdpAddress
  /** Probe timeout of the path in use without its doubling (see PathSample). Asked when a deadline is set. */
  readonly ptoMs: () => number
  /**
   * Why the connection cannot move now: the peer forbids it, is not trusted, has no connection ids.
   * Undefined: it can. Asked when a move begins.
   */
  readonly refusal: () => string | undefined
  /** All that is missing are connection ids of the peer's, which follow the handshake. Left out: never. */
  readonly awaitsIds?: () => boolean
  /**
   * Paths beside the first one that may be tried, spares included: connection ids bound them.
   */
  readonly maxMigrations: number
  /** How often a move may fail and be tried again before there is a new connection. Default 3. */
  readonly maxRetries?: number
}

export type PhaseOf<Name extends MigrationPhase['name']> = Extract<MigrationPhase, { name: Name }>

/**
 * What a migration consists of: MigrationState decides, from its inputs, which of these steps is due. Actions
 * gather until take().
 */
export class MoveCore {
  readonly budget: PathBudget
  readonly gap = new GapMeter()
  readonly retiredPaths = new RetiredPaths()
  readonly #options: MigrationOptions
  readonly #maxRetries: number
  #phase: MigrationPhase
  #actions: MigrationAction[] = []
  #timerAt = Number.POSITIVE_INFINITY
  #lastOpening = 0
  #sparesDropped = 0
  /** The peer was seen not to follow. */
  #notFollowed: string | undefined

  constructor(options: MigrationOptions) {
    this.#options = options
    this.#maxRetries = options.maxRetries ?? 3
    this.budget = new PathBudget(options.local, options.maxMigrations)
    this.#phase = { name: 'settled', local: options.local }
  }

  get phase(): MigrationPhase {
    return this.#phase
  }

  get sparesDropped(): number {
    return this.#sparesDropped
  }

  /** Every socket that is open, without those that are only asked for. */
  get locals(): readonly UdpAddress[] {
    const phase = this.#phase
    const locals = [phase.local, ...this.retiredPaths.locals]
    if ('move' in phase && !isSameAddress(phase.move.from, phase.local)) locals.push(phase.move.from)
    if (phase.name === 'validating') locals.push(phase.to)
    return locals
  }

  get resendMs(): number {
    return Math.max(this.#options.ptoMs(), MIN_RESEND_MS)
  }

  get patienceMs(): number {
    return Math.max(PATIENCE_PTOS * this.#options.ptoMs(), MIN_PATIENCE_MS)
  }

  put(action: MigrationAction): void {
    this.#actions.push(action)
  }

  transition(phase: MigrationPhase): void {
    this.#phase = nextPhase(this.#phase.name, phase)
  }

  /** The timer that was asked for has fired. */
  onTimer(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  get awaitsIds(): boolean {
    return this.#options.awaitsIds?.() === true
  }

  /** What is to be done, the timer included. `alsoAt`: what else is waited for. */
  take(now: number, alsoAt = Number.POSITIVE_INFINITY): MigrationAction[] {
    const at = Math.min(nextAtOf(this.#phase), this.retiredPaths.nextAt, alsoAt)
    if (at !== this.#timerAt) {
      this.#timerAt = at
      this.put(
        at === Number.POSITIVE_INFINITY
          ? { type: 'clearTimer' }
          : { type: 'setTimer', delayMs: Math.max(0, at - now) },
      )
    }
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  /** A move begins. */
  begin(move: Pick<Move, 'cause' | 'because'> & Partial<Move>, now: number): void {
    this.gap.begin()
    this.open(
      {
        requests: [],
        target: {},
        from: this.#phase.local,
        isSpare: false,
        isDead: false,
        isGone: false,
        slowRttMs: undefined,
        deadEnds: [],
        failures: 0,
        ...move,
      },
      now,
    )
  }

  /** Asks for a socket, if the connection may move. */
  open(move: Move, now: number): void {
    const target = this.budget.choose(move.target)
    if (target === undefined) {
      const because = `${this.budget.max} other paths were tried, which is the limit`
      if (move.isSpare) this.#refuse(move, because, now)
      else this.redial(move, this.#phase.local, because, now)
      return
    }
    // Behind the limit: who has used it up has no ids to spare either, and a new connection has.
    const refusal = this.#options.refusal() ?? this.#notFollowed
    if (refusal !== undefined) {
      if (move.isDead) this.redial(move, this.#phase.local, refusal, now)
      else this.#refuse(move, refusal, now)
      return
    }
    const { address, port } = target
    const opening = ++this.#lastOpening
    this.put({ type: 'openSocket', opening, address, port })
    const isReopened = target !== move.target
    const deadline = now + OPEN_TIMEOUT_MS
    this.transition({ name: 'opening', local: this.#phase.local, move, opening, isReopened, deadline })
  }

  /** The engine does not take the path (its validation had failed before): another one, if it takes any. */
  openOther(move: Move, because: string, now: number): void {
    const failures = move.failures + 1
    if (failures <= this.#maxRetries) {
      this.transition({
        name: 'waiting',
        local: move.from,
        move: { ...move, failures, target: {} },
        resumeAt: now,
      })
      this.open({ ...move, failures, target: {} }, now)
    } else this.redial(move, move.from, because, now)
  }

  openFailed({ move, local, isReopened }: PhaseOf<'opening'>, because: string, now: number): void {
    if (isReopened) {
      // Its port is somebody else's now.
      this.budget.forgetSpare()
      this.open(move, now)
    } else if (move.isDead) this.retry(move, local, because, now)
    else if (move.isSpare) this.settle(local)
    else this.stay(move, undefined, 'refused', because, now)
  }

  validate({ move, local }: PhaseOf<'opening'>, to: UdpAddress, now: number): void {
    this.put({ type: 'validate', local: to })
    const [resendAt, deadline] = [now + this.resendMs, now + this.patienceMs]
    this.transition({ name: 'validating', local, move, to, sentAt: now, resendAt, deadline })
  }

  validationFailed({ move, to }: PhaseOf<'validating'>, because: string, now: number): void {
    this.put({ type: 'closeSocket', local: to })
    if (move.isSpare) this.retry(move, move.from, because, now)
    else this.stay(move, to, 'validation-failed', because, now)
  }

  /** `isValidated`: the peer has answered a challenge there. */
  migrate(move: Move, to: UdpAddress, isValidated: boolean, now: number): void {
    const inUse = this.#phase.local
    this.put({ type: 'migrate', local: to })
    this.put({ type: 'ping' })
    const isDeadEnd = !isSameAddress(inUse, move.from)
    if (isDeadEnd) this.put({ type: 'closeSocket', local: inUse })
    const deadEnds = isDeadEnd ? [...move.deadEnds, inUse] : move.deadEnds
    this.transition({
      name: 'moved',
      local: to,
      move: { ...move, isSpare: false, deadEnds },
      isValidated,
      oldHeardAt: undefined,
      resendAt: now + this.resendMs,
      deadline: now + this.patienceMs,
    })
  }

  /** Something came over the new path. */
  arrive(move: Move, now: number): void {
    const { local } = this.#phase
    // A path that is only slow still delivers: what is in flight there need not be sent again.
    if (move.isDead || move.cause === 'timeouts' || move.cause === 'silent') {
      this.put({ type: 'resend', from: move.from, to: local })
    }
    for (const from of move.deadEnds) this.put({ type: 'resend', from, to: local })
    const until = now + this.patienceMs
    this.retiredPaths.add(move.from, until)
    this.transition({ name: 'arriving', local, owed: move, until })
    if (!this.gap.isWaitedFor) this.payReport(now)
  }

  /** The report of an arrival, once it is known how long the gap was. */
  payReport(now: number): void {
    const phase = this.#phase
    if (phase.name !== 'arriving' || phase.owed === undefined) return
    this.report(phase.owed, phase.local, 'moved', 'packets came over the new path', now)
    this.transition({ ...phase, owed: undefined })
  }

  /** Nothing came over the new path. */
  moveFailed(phase: PhaseOf<'moved'>, because: string, now: number): void {
    const { move, isValidated, oldHeardAt } = phase
    // Pings went out every probe timeout, and would have been answered there. RetiredPaths of the first
    // moment say nothing.
    const isOldAlive = oldHeardAt !== undefined && now - oldHeardAt <= 2 * this.resendMs
    if (isOldAlive && !move.isGone) {
      if (isValidated && !move.isDead) this.#notFollowed = 'the peer did not follow to another path'
      this.goBack(move, isValidated ? 'refused' : 'validation-failed', because, now)
    } else this.retry({ ...move, isDead: true }, phase.local, because, now)
  }

  /** To the path that the peer still sends to. */
  goBack(move: Move, outcome: MigrationOutcome, because: string, now: number): void {
    const { local } = this.#phase
    this.put({ type: 'migrate', local: move.from })
    this.put({ type: 'ping' })
    for (const from of [...move.deadEnds, local]) this.put({ type: 'resend', from, to: move.from })
    this.put({ type: 'closeSocket', local })
    this.stay(move, local, outcome, because, now)
  }

  /** No path answers. */
  retry(move: Move, local: UdpAddress, because: string, now: number): void {
    const failures = move.failures + 1
    if (failures <= this.#maxRetries) {
      const resumeAt = now + this.patienceMs * 2 ** (failures - 1)
      this.transition({ name: 'waiting', local, move: { ...move, failures, target: {} }, resumeAt })
    } else if (move.isDead) this.redial(move, local, `tried ${failures} times: ${because}`, now)
    else this.settle(local)
  }

  /** The suspicion was wrong, or the spare is no better. */
  drop(phase: PhaseOf<'opening'> | PhaseOf<'validating'> | PhaseOf<'waiting'>, now: number): void {
    if (phase.name === 'validating') {
      this.put({ type: 'closeSocket', local: phase.to })
      this.budget.putAway(phase.to)
    }
    if (!phase.move.isSpare) this.stay(phase.move, undefined, 'refused', 'the path in use answers again', now)
    else {
      if (phase.name !== 'waiting') this.#sparesDropped++
      this.settle(phase.local)
    }
  }

  /** This connection cannot move. `local` is what it ends on. */
  redial(move: Move, local: UdpAddress, because: string, now: number): void {
    const to = isSameAddress(local, move.from) ? undefined : local
    if (to !== undefined) this.put({ type: 'closeSocket', local: move.from })
    this.report(move, to, 'redial', because, now)
    this.stop(local, because, move.isDead)
  }

  stop(local: UdpAddress, because: string, isPathDead: boolean): void {
    this.put({ type: 'redial', because, isPathDead })
    this.transition({ name: 'stuck', local, isPathDead })
  }

  /** The move is over where it began. */
  stay(
    move: Move,
    to: UdpAddress | undefined,
    outcome: MigrationOutcome,
    because: string,
    now: number,
  ): void {
    this.report(move, to, outcome, because, now)
    this.settle(move.from)
  }

  settle(local: UdpAddress): void {
    // A move that was refused at once has left nothing: not the retired paths of the one before either.
    if (this.#phase.name !== 'settled' && this.#phase.name !== 'arriving')
      this.transition({ name: 'settled', local })
  }

  report(
    move: Move,
    to: UdpAddress | undefined,
    outcome: MigrationOutcome,
    because: string,
    now: number,
  ): void {
    const { cause, from, requests } = move
    const text = outcome === 'moved' ? move.because : `${move.because}: ${because}`
    const report = { cause, outcome, from, to, gapMs: this.gap.end(now), because: text }
    this.put({ type: 'report', report, requests })
  }

  /**
   * That there is no second path for a suspicion is no news: it comes again and again, and mostly to nothing.
   */
  #refuse(move: Move, because: string, now: number): void {
    if (move.isSpare) this.settle(move.from)
    else this.stay(move, undefined, 'refused', because, now)
  }
}

function nextAtOf(phase: MigrationPhase): number {
  if (phase.name === 'opening') return phase.deadline
  if (phase.name === 'validating' || phase.name === 'moved') return Math.min(phase.resendAt, phase.deadline)
  if (phase.name === 'arriving') return phase.until
  return phase.name === 'waiting' ? phase.resumeAt : Number.POSITIVE_INFINITY
}

interface RetiredPath {
  readonly local: UdpAddress
  readonly until: number
}

/**
 * Sockets of paths that were left: kept for what was under way to them (RFC 9000 9.3 has the peer send there
 * until it hears from the new one).
 */
class RetiredPaths {
  #kept: readonly RetiredPath[] = []

  get locals(): readonly UdpAddress[] {
    return this.#kept.map(({ local }) => local)
  }

  /** Infinity: there is none. */
  get nextAt(): number {
    return this.#kept.reduce((at, { until }) => Math.min(at, until), Number.POSITIVE_INFINITY)
  }

  add(local: UdpAddress, until: number): void {
    this.#kept = [...this.#kept, { local, until }]
  }

  /** Those whose time has come, which are forgotten. */
  takeDue(now: number): readonly UdpAddress[] {
    const due = this.#kept.filter(({ until }) => until <= now)
    if (due.length > 0) this.#kept = this.#kept.filter(({ until }) => until > now)
    return due.map(({ local }) => local)
  }
}
