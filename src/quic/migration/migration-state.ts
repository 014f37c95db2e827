import type { MigrationCause } from '../../base/events/migration-report.ts'
import type { MigrationTarget, UdpAddress } from '../engine.ts'
import type { MigrationAction } from './migration-phase.ts'
import { isSameAddress, type MigrationPhase } from './migration-phase.ts'
import { type MigrationOptions, MoveCore, OPEN_TIMEOUT_MS } from './move-core.ts'
import type { Verdict } from './path-watch.ts'

/**
 * The paths of one client connection (RFC 9000 9), as a state machine. Theory of operation:
 *
 * A path that still works is left in the order of the book: a socket, a challenge, and when the peer has
 * answered from there, the move. A path that is only suspected gets a second one validated beside it, which
 * is put away when it recovers. A path that is dead is left at once: no challenge is waited for, since the
 * first packet that comes over the new path says the same (RFC 9000 9.2: an acknowledgement proves that the
 * peer is reached).
 *
 * 1. `moved` is not the end: a peer may answer a challenge and stay where it is (quic-go does, and its answer
 *    may come over the old path). Only a packet over the new path counts; an answer there counts as validated
 *    too, since quiche 0.18 says so only once per path, and spares are used again.
 * 2. Nothing has come over the new path, but over the old one: back to the old one.
 * 3. Nothing comes at all: that is the network, not the path. Other sockets are tried, later each time, and
 *    at last there is a new connection.
 * 4. What is in flight on a dead path: quiche 0.18 declares it lost only when an acknowledgement newly
 *    acknowledges something there, which never comes: an upload then trickles with one or two packets per
 *    doubling timeout (more than 4 s, where it takes 0.2 s with the trick). Hence `bounce`, once something
 *    has come over the new path.
 *
 * What comes first in a move may be lost like anything else, and quiche counts a second before it repeats
 * anything on a path without a round trip: challenges and pings are repeated here, once per probe timeout.
 *
 * A NAT's rebinding is nothing that a client sees: there is no input for it.
 *
 * The machine keeps every deadline and asks for one timer. Paths are local addresses: the peer has one.
 */

/** A path that is slow is left for one with at most half of its round trip. */
const WORTHWHILE_PART = 0.5

const FORCED = { cause: 'forced', because: 'asked for' } as const

interface Request {
  readonly id: number
  readonly target: MigrationTarget
  /** Until then the peer's connection ids are waited for. */
  readonly until: number
}

export class MigrationState {
  readonly #core: MoveCore
  /** What was forced while another move was under way. */
  #next: Request | undefined

  constructor(options: MigrationOptions) {
    this.#core = new MoveCore(options)
  }

  get name(): MigrationPhase['name'] {
    return this.#core.phase.name
  }

  /** The path in use: what the engine sends from. */
  get local(): UdpAddress {
    return this.#core.phase.local
  }

  /** Spare paths that were put away because the one in use recovered, or was no worse. */
  get sparesDropped(): number {
    return this.#core.sparesDropped
  }

  /** Call with every verdict on the path in use: the same one again changes nothing. */
  onVerdict(verdict: Verdict, now: number): MigrationAction[] {
    if (verdict.kind === 'fine') this.#onFine(now)
    else if (verdict.kind === 'suspect') this.#onSuspect(verdict, now)
    else if (verdict.kind === 'failed') {
      this.#onDead(this.local, verdict.cause, 'nothing comes over the path', false, now)
    }
    const asks = verdict.kind === 'ask' || (verdict.kind === 'suspect' && verdict.asks)
    if (asks && this.name !== 'ended') this.#core.put({ type: 'ping' })
    return this.#finish(now)
  }

  /** Moves because somebody wants it. `request` comes back in exactly one report. */
  onForced(request: number, to: MigrationTarget | undefined, now: number): MigrationAction[] {
    const { phase } = this.#core
    const asked: Request = { id: request, target: to ?? {}, until: now + this.#core.patienceMs }
    if (this.#next !== undefined) this.#refuse(asked, 'two moves are under way already')
    else if (phase.name === 'waiting') {
      // Somebody knows more than we do, that the network is back perhaps.
      const { move } = phase
      const reason = move.isSpare ? FORCED : {}
      const requests = [...move.requests, request]
      this.#core.open({ ...move, ...reason, requests, isSpare: false, target: asked.target }, now)
    } else {
      const isMoving = phase.name === 'opening' || phase.name === 'validating'
      if (isMoving && phase.move.isSpare) this.#core.drop(phase, now)
      this.#next = asked
    }
    return this.#finish(now)
  }

  /** Nothing can be sent from there any more. */
  onLocalGone(
    local: UdpAddress,
    cause: 'address-gone' | 'socket-error',
    because: string,
    now: number,
  ): MigrationAction[] {
    const { phase } = this.#core
    if (phase.name === 'validating' && isSameAddress(phase.to, local)) {
      this.#core.validationFailed(phase, because, now)
    } else if (phase.name === 'moved' && isSameAddress(phase.local, local)) {
      this.#core.moveFailed(phase, because, now)
    } else this.#onDead(local, cause, because, true, now)
    return this.#finish(now)
  }

  /** One that nobody wants any more is closed. Throws when there is one with that address. */
  onOpened(opening: number, local: UdpAddress, now: number): MigrationAction[] {
    const { phase } = this.#core
    if (this.#core.locals.some(other => isSameAddress(other, local))) {
      throw new Error(`there is a socket with the address ${local.host} ${local.port} already`)
    }
    if (phase.name !== 'opening' || phase.opening !== opening) {
      this.#core.put({ type: 'closeSocket', local })
    } else {
      this.#core.budget.onOpened(local)
      if (phase.move.isDead) this.#core.migrate(phase.move, local, false, now)
      else this.#core.validate(phase, local, now)
    }
    return this.#finish(now)
  }

  onOpenFailed(opening: number, because: string, now: number): MigrationAction[] {
    const { phase } = this.#core
    if (phase.name === 'opening' && phase.opening === opening) this.#core.openFailed(phase, because, now)
    return this.#finish(now)
  }

  /** The peer has answered the challenge. */
  onValidated(local: UdpAddress, now: number): MigrationAction[] {
    const { phase } = this.#core
    if (phase.name === 'validating' && isSameAddress(phase.to, local)) {
      const { move, to, sentAt } = phase
      const isNoBetter = move.slowRttMs !== undefined && now - sentAt > WORTHWHILE_PART * move.slowRttMs
      if (isNoBetter && move.isSpare) this.#core.drop(phase, now)
      else this.#core.migrate(move, to, true, now)
    }
    return this.#finish(now)
  }

  onValidationFailed(local: UdpAddress, now: number): MigrationAction[] {
    const { phase } = this.#core
    const because = 'the new path was not validated'
    if (phase.name === 'validating' && isSameAddress(phase.to, local)) {
      this.#core.validationFailed(phase, because, now)
    } else if (phase.name === 'moved' && isSameAddress(phase.local, local)) {
      this.#core.moveFailed(phase, because, now)
    } else {
      // A challenge that was still out when the path was in use already. quiche sends from another path now,
      // whose socket may be gone.
      this.#onDead(local, 'timeouts', 'the path in use was not validated', true, now)
    }
    return this.#finish(now)
  }

  /** The engine did not do what `migrate` asked for: it sends from where it did before. */
  onMigrateFailed(local: UdpAddress, because: string, now: number): MigrationAction[] {
    const { phase } = this.#core
    if (phase.name === 'moved' && isSameAddress(phase.local, local)) {
      const { move } = phase
      this.#core.put({ type: 'closeSocket', local })
      if (move.isDead) this.#core.openOther(move, because, now)
      else this.#core.stay(move, local, 'refused', because, now)
    } else if (phase.name === 'settled' && isSameAddress(phase.local, local)) {
      // On the way back.
      this.#core.stop(local, because, true)
    }
    return this.#finish(now)
  }

  /** A packet that the engine took came there. Cheap while no move is under way. */
  onReceived(local: UdpAddress, now: number): MigrationAction[] {
    const { phase } = this.#core
    if (!('move' in phase)) return []
    if (phase.name === 'validating') {
      return isSameAddress(phase.to, local) ? this.onValidated(local, now) : [] // 1
    }
    const { move } = phase
    const isOld = isSameAddress(local, move.from)
    if (isSameAddress(local, phase.local)) {
      if (!isOld) this.#core.arrive(move, now)
    } else if (isOld && phase.name === 'moved') this.#core.transition({ ...phase, oldHeardAt: now })
    else if (isOld && !move.isGone) {
      this.#core.goBack(move, 'validation-failed', 'the old path answers again', now) // 2
    }
    return this.#finish(now)
  }

  /**
   * Stream bytes came or went, or the first exchange began. When packets came in the same turn: after
   * onReceived.
   */
  onProgress(now: number): MigrationAction[] {
    this.#core.gap.onProgress(now)
    return this.#isOwing() ? this.#paid(now) : []
  }

  /** No exchange is under way any more. */
  onIdle(now: number): MigrationAction[] {
    this.#core.gap.onIdle(now)
    return this.#isOwing() ? this.#paid(now) : []
  }

  onTimer(now: number): MigrationAction[] {
    this.#core.onTimer()
    const { phase } = this.#core
    if (phase.name === 'opening' && phase.deadline <= now) {
      this.#core.openFailed(phase, `no socket within ${OPEN_TIMEOUT_MS} ms`, now)
    } else if (phase.name === 'validating' && phase.deadline <= now) {
      this.#core.validationFailed(phase, 'the new path did not answer', now)
    } else if (phase.name === 'validating' && phase.resendAt <= now) {
      this.#core.put({ type: 'validate', local: phase.to })
      this.#core.transition({ ...phase, resendAt: now + this.#core.resendMs })
    } else if (phase.name === 'moved' && phase.deadline <= now) {
      this.#core.moveFailed(phase, 'nothing came over the new path', now)
    } else if (phase.name === 'moved' && phase.resendAt <= now) {
      this.#core.put({ type: 'ping' })
      this.#core.transition({ ...phase, resendAt: now + this.#core.resendMs })
    } else if (phase.name === 'arriving' && phase.until <= now) {
      this.#core.payReport(now)
      this.#core.transition({ name: 'settled', local: phase.local })
    } else if (phase.name === 'waiting' && phase.resumeAt <= now) {
      this.#core.open(phase.move, now)
    }
    for (const local of this.#core.retiredPaths.takeDue(now)) this.#core.put({ type: 'closeSocket', local })
    return this.#finish(now)
  }

  /** The connection is over: every socket is closed but the one in use, which is the caller's. */
  onAbandoned(now: number): MigrationAction[] {
    if (this.name === 'ended') return []
    this.#core.payReport(now)
    const { phase, locals, retiredPaths } = this.#core
    const others = locals.filter(local => !isSameAddress(local, phase.local))
    for (const local of others) this.#core.put({ type: 'closeSocket', local })
    retiredPaths.takeDue(Number.POSITIVE_INFINITY)
    if ('move' in phase && !phase.move.isSpare) {
      const to = phase.name === 'validating' ? phase.to : phase.name === 'moved' ? phase.local : undefined
      this.#core.report(phase.move, to, 'ended', 'the connection has ended', now)
    }
    this.#core.transition({ name: 'ended', local: phase.local })
    return this.#finish(now)
  }

  #onFine(now: number): void {
    const { phase } = this.#core
    if (phase.name !== 'opening' && phase.name !== 'validating' && phase.name !== 'waiting') return
    const { move } = phase
    if (move.isGone || !isSameAddress(phase.local, move.from)) return
    if (move.requests.length === 0 || phase.name === 'waiting') this.#core.drop(phase, now)
    else if (phase.name === 'opening') {
      this.#core.transition({ ...phase, move: { ...move, isDead: false } })
    }
  }

  #onSuspect({ cause, rttMs }: Extract<Verdict, { kind: 'suspect' }>, now: number): void {
    if (this.name !== 'settled' || !this.#core.budget.takeSpare(now)) return
    const because = cause === 'slow' ? 'the path is slow' : 'the path does not answer'
    this.#core.begin({ cause, because, isSpare: true, slowRttMs: cause === 'slow' ? rttMs : undefined }, now)
  }

  /** Nothing comes from a path, or (`isGone`) can be sent there. */
  #onDead(local: UdpAddress, cause: MigrationCause, because: string, isGone: boolean, now: number): void {
    const { phase } = this.#core
    if (phase.name === 'settled' || phase.name === 'arriving') {
      if (!isSameAddress(local, phase.local)) return
      this.#core.payReport(now)
      this.#core.begin({ cause, because, isDead: true, isGone }, now)
    } else if (phase.name === 'stuck') {
      if (!phase.isPathDead && isSameAddress(local, phase.local)) this.#core.stop(local, because, true)
    } else if ('move' in phase && isSameAddress(local, phase.move.from)) {
      const known = phase.move
      const reason = known.isSpare ? { cause, because } : {}
      const move = { ...known, ...reason, isSpare: false, isDead: true, isGone: isGone || known.isGone }
      if (phase.name === 'validating') this.#core.migrate(move, phase.to, false, now)
      // Another address may work where another port did not. Once: the next error of the same socket says
      // nothing new.
      else if (phase.name === 'waiting' && isGone && !known.isGone) this.#core.open(move, now)
      else this.#core.transition({ ...phase, move })
    }
  }

  #isOwing(): boolean {
    const { phase } = this.#core
    return phase.name === 'arriving' && phase.owed !== undefined
  }

  #paid(now: number): MigrationAction[] {
    this.#core.payReport(now)
    return this.#finish(now)
  }

  /** Begins what was deferred, and says what is to be done. */
  #finish(now: number): MigrationAction[] {
    const { name } = this
    const next = this.#next
    if (next !== undefined && !('move' in this.#core.phase) && !this.#isOwing()) {
      this.#next = undefined
      if (name === 'stuck') this.#refuse(next, 'this connection cannot move any more')
      else if (name === 'ended') this.#refuse(next, 'the connection has ended')
      else if (this.#core.awaitsIds && now < next.until) {
        // Right behind the handshake: they are on their way.
        this.#next = next
        return this.#core.take(now, next.until)
      } else {
        const { id, target } = next
        this.#core.begin({ ...FORCED, requests: [id], target }, now)
      }
    }
    return this.#core.take(now)
  }

  #refuse({ id }: Request, because: string): void {
    const outcome = this.name === 'ended' ? 'ended' : 'refused'
    const from = this.local
    const report = { cause: 'forced', outcome, from, to: undefined, gapMs: undefined, because } as const
    this.#core.put({ type: 'report', report, requests: [id] })
  }
}
