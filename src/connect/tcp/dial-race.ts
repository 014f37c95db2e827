import { TransportError } from '../../base/errors.ts'
import type { ResolvedAddress } from '../../base/http/endpoint.ts'

export interface AddressOrderOptions {
  /** The family to begin with. Default: that of the first address. */
  firstFamily?: 4 | 6
  /** How many of the first family come before the first of the other (RFC 8305 section 4: 1). */
  firstFamilyCount?: number
}

/**
 * The order in which addresses are tried (RFC 8305 section 4): the families alternate, so that one family
 * that does not work costs one delay and not one per address. Within a family the resolver's order stays:
 * getaddrinfo has sorted by RFC 6724 already, with the machine's own routes and policy table, which we could
 * only imitate. Repeated addresses are dropped.
 */
export function orderAddresses<T extends ResolvedAddress>(
  addresses: readonly T[],
  options: AddressOrderOptions = {},
): T[] {
  const seen = new Set<string>()
  const unique = addresses.filter(({ address, port = 0 }) => {
    const key = `${address} ${port}`
    return !seen.has(key) && seen.add(key)
  })
  const firstFamily = options.firstFamily ?? unique[0]?.family
  const first = unique.filter(({ family }) => family === firstFamily)
  const second = unique.filter(({ family }) => family !== firstFamily)

  const headStart = Math.max(1, options.firstFamilyCount ?? 1)
  const ordered = first.slice(0, headStart)
  const turns = Math.max(second.length, first.length - headStart)
  for (let i = 0; i < turns; i++)
    ordered.push(...second.slice(i, i + 1), ...first.slice(headStart + i, headStart + i + 1))
  return ordered
}

/**
 * The staggered race of one dial (RFC 8305 section 5), as a state machine. Theory of operation:
 *
 * Endpoints wait in order. The first is tried at once; the next one when `attemptDelayMs` have passed or an
 * attempt has failed, whichever comes first. Attempts race on TCP connect only: the first that is connected
 * stops the others, and it alone does the TLS handshake (OkHttp's fast fallback), so that an origin sees one
 * handshake per dial.
 *
 * When the handshake of the winner fails:
 * 1. It had offered a ticket, and the failure is not about the certificate: the ticket may be what the server
 *    choked on. The tickets of the peer are purged and the same endpoint is tried once more without one, once
 *    per dial.
 * 2. The path broke (reset, time-out): the other endpoints are tried, those that had lost the race included.
 * 3. The server answered and the answer was no (certificate, alert, ALPN): the dial fails. Its other
 *    addresses are the same server, and a certificate that does not fit must not send us looking for one that
 *    does.
 *
 * With TCP Fast Open the connect of an attempt may be deferred until its ClientHello is there to go with the
 * SYN: that it is "connected" says nothing then. Such an attempt is in the race until its handshake is
 * complete, within `fastOpenMs`. When it fails, and not by the server's verdict, the same endpoint is tried
 * once more without Fast Open, beside whatever else is under way: what has eaten the SYN would eat the next
 * one.
 *
 * A connection that takes early data is done as soon as something can be sent on it: its handshake, and what
 * comes of it, is its user's business.
 *
 * The machine keeps every deadline and asks for one timer. It never looks at a socket: attempts are numbers.
 */

export interface DialRaceOptions {
  readonly endpoints: readonly RaceEndpoint[]
  /** False: connected is done. */
  readonly isSecure: boolean
  /** 0: no limit. */
  readonly connectMs: number
  /** 0: no limit. */
  readonly tlsMs: number
  /** A whole handshake whose first flight goes with the SYN. 0: no limit. */
  readonly fastOpenMs: number
  readonly attemptDelayMs: number
}

interface RaceEndpoint {
  /** `address:port`, for messages and records. */
  readonly endpoint: string
  readonly because: string
}

export type DialAction =
  /**
   * Connect to `endpoints[endpoint]`. The attempt is new; `mayResume` is false after a ticket was found bad,
   * `mayFastOpen` after Fast Open has failed there.
   */
  | { type: 'startAttempt'; attempt: number; endpoint: number; mayResume: boolean; mayFastOpen: boolean }
  /** Destroy its socket. Nothing of it is of interest any more. */
  | { type: 'cancelAttempt'; attempt: number }
  | { type: 'purgeTickets' }
  /** Call onTimer after this; it replaces the one before. */
  | { type: 'setTimer'; delayMs: number }
  | { type: 'clearTimer' }
  | { type: 'done'; attempt: number }
  | { type: 'fail' }

/** One attempt as it went. Times are those of the caller's clock. */
export interface RaceRecord {
  readonly attempt: number
  readonly endpoint: number
  readonly because: string
  readonly startedAt: number
  readonly outcome: 'connected' | 'failed' | 'cancelled'
  readonly error: TransportError | undefined
}

interface Attempt {
  readonly id: number
  readonly endpoint: number
  readonly because: string
  readonly startedAt: number
  /** When it has taken too long. */
  readonly deadline: number
  /** Its SYN waits for the ClientHello, or has gone with it. */
  readonly isPutOff: boolean
}

type RaceState =
  /** Nothing was started. Valid transitions: racing, ended. */
  | { name: 'new' }
  /**
   * Attempts are connecting. `nextStartAt` is when the next endpoint is due. Valid transitions: securing,
   * ended.
   */
  | { name: 'racing'; live: readonly Attempt[]; nextStartAt: number }
  /** The winner does its TLS handshake. Valid transitions: racing, ended. */
  | { name: 'securing'; winner: Attempt; deadline: number }
  /** Done, failed or aborted. Valid transitions: none. */
  | { name: 'ended' }

const TRANSITIONS: Readonly<Record<RaceState['name'], readonly RaceState['name'][]>> = {
  new: ['racing', 'ended'],
  racing: ['racing', 'securing', 'ended'],
  securing: ['racing', 'ended'],
  ended: [],
}

export class DialRace {
  readonly #options: DialRaceOptions
  #state: RaceState = { name: 'new' }
  /** Endpoints not tried yet, or stopped without fault, in order. */
  #waiting: number[]
  readonly #records: RaceRecord[] = []
  readonly #failures: TransportError[] = []
  #lastAttempt = 0
  #mayResume = true
  /** Endpoints at which Fast Open has failed. */
  readonly #plainOnly = new Set<number>()
  /** When the timer that we asked for fires. */
  #timerAt = Number.POSITIVE_INFINITY

  constructor(options: DialRaceOptions) {
    this.#options = options
    this.#waiting = options.endpoints.map((_, index) => index)
  }

  /** Attempts that have ended, in order of their start. */
  get records(): readonly RaceRecord[] {
    return this.#records.toSorted((a, b) => a.attempt - b.attempt)
  }

  /** Why each failed attempt failed, in order of the failures. */
  get failures(): readonly TransportError[] {
    return this.#failures
  }

  onStart(now: number): DialAction[] {
    const actions: DialAction[] = []
    this.#race([], now, actions)
    return actions
  }

  /** Fast Open: the connect of an attempt was deferred; its handshake begins, and the SYN goes with it. */
  onDeferred(attempt: number, now: number): DialAction[] {
    const actions: DialAction[] = []
    if (this.#state.name !== 'racing') return actions
    const live = this.#state.live.map(other =>
      other.id === attempt
        ? { ...other, isPutOff: true, deadline: deadlineAfter(now, this.#options.fastOpenMs) }
        : other,
    )
    this.#transition({ ...this.#state, live })
    this.#armTimer(now, actions)
    return actions
  }

  /** Requests can be sent on it, whatever its handshake will say. */
  onUsable(attempt: number): DialAction[] {
    const actions: DialAction[] = []
    const winner = this.#leader(attempt, actions)
    if (winner !== undefined) this.#win(winner, actions)
    return actions
  }

  /** The TCP connection of an attempt stands. */
  onConnected(attempt: number, now: number): DialAction[] {
    const actions: DialAction[] = []
    const winner = this.#leader(attempt, actions)
    if (winner === undefined) return actions
    if (this.#options.isSecure) {
      this.#transition({ name: 'securing', winner, deadline: deadlineAfter(now, this.#options.tlsMs) })
      this.#armTimer(now, actions)
      return actions
    }
    this.#win(winner, actions)
    return actions
  }

  /**
   * The TLS handshake of the winner is complete, or that of an attempt that was deferred, which wins by that.
   */
  onSecured(attempt: number): DialAction[] {
    const actions: DialAction[] = []
    if (this.#state.name === 'racing') {
      const isPutOff = this.#state.live.some(({ id, isPutOff }) => id === attempt && isPutOff)
      return isPutOff ? this.onUsable(attempt) : actions
    }
    if (this.#state.name !== 'securing' || this.#state.winner.id !== attempt) return actions
    this.#win(this.#state.winner, actions)
    return actions
  }

  /** An attempt failed, in whichever phase it was. `offeredTicket`: its ClientHello tried to resume. */
  onFailed(attempt: number, error: TransportError, offeredTicket: boolean, now: number): DialAction[] {
    const actions: DialAction[] = []
    if (this.#state.name === 'racing') {
      const failed = this.#state.live.find(({ id }) => id === attempt)
      if (failed === undefined) return actions
      if (failed.isPutOff) {
        this.#onPutOffFailed(failed, error, offeredTicket, now, actions)
        return actions
      }
      this.#recordFailure(failed, error)
      this.#race(
        this.#state.live.filter(other => other !== failed),
        now,
        actions,
      )
    } else if (this.#state.name === 'securing' && this.#state.winner.id === attempt) {
      this.#onHandshakeFailed(this.#state.winner, error, offeredTicket, now, actions)
    }
    return actions
  }

  /** `offeredTicket` speaks of the winner, or of the attempts that were deferred. */
  onTimer(now: number, offeredTicket: boolean): DialAction[] {
    const actions: DialAction[] = []
    this.#timerAt = Number.POSITIVE_INFINITY
    if (this.#state.name === 'racing') {
      const { live, nextStartAt } = this.#state
      const late = live.filter(({ deadline }) => deadline <= now)
      for (const attempt of late) actions.push({ type: 'cancelAttempt', attempt: attempt.id })
      for (const attempt of late) {
        const error = this.#timeout(attempt, 'MM_CONNECT_TIMEOUT')
        if (attempt.isPutOff) this.#onPutOffFailed(attempt, error, offeredTicket, now, actions)
        else this.#recordFailure(attempt, error)
      }
      const hasPlainLate = late.some(({ isPutOff }) => !isPutOff)
      if (this.#state.name === 'racing' && (hasPlainLate || nextStartAt <= now)) {
        this.#race(
          this.#state.live.filter(attempt => !late.includes(attempt)),
          now,
          actions,
        )
      }
    } else if (this.#state.name === 'securing' && this.#state.deadline <= now) {
      const { winner } = this.#state
      actions.push({ type: 'cancelAttempt', attempt: winner.id })
      this.#onHandshakeFailed(winner, this.#timeout(winner, 'MM_TLS_TIMEOUT'), offeredTicket, now, actions)
    }
    this.#armTimer(now, actions)
    return actions
  }

  /** The caller gave up. */
  onAbort(): DialAction[] {
    const actions: DialAction[] = []
    if (this.#state.name === 'ended') return actions
    if (this.#state.name === 'racing') for (const attempt of this.#state.live) this.#cancel(attempt, actions)
    if (this.#state.name === 'securing') this.#cancel(this.#state.winner, actions)
    this.#end(actions)
    return actions
  }

  /** An attempt that left the others in the race. */
  #onPutOffFailed(
    failed: Attempt,
    error: TransportError,
    offeredTicket: boolean,
    now: number,
    actions: DialAction[],
  ): void {
    if (this.#state.name !== 'racing') return
    this.#recordFailure(failed, error)
    const others = this.#state.live.filter(({ id }) => id !== failed.id)
    if (isVerdict(error)) {
      for (const other of others) this.#cancel(other, actions)
      this.#end(actions) // 3
      actions.push({ type: 'fail' })
      return
    }
    let because = 'once more without Fast Open'
    // That nobody answered says nothing about the ticket.
    if (offeredTicket && error.code === 'MM_TLS_FAILED') {
      actions.push({ type: 'purgeTickets' })
      this.#mayResume = false
      because += ' and the ticket'
    }
    this.#plainOnly.add(failed.endpoint)
    const again = this.#start(failed.endpoint, because, now, actions)
    this.#transition({ ...this.#state, live: [...others, again] })
    this.#armTimer(now, actions)
  }

  #onHandshakeFailed(
    winner: Attempt,
    error: TransportError,
    offeredTicket: boolean,
    now: number,
    actions: DialAction[],
  ): void {
    this.#recordFailure(winner, error)
    if (offeredTicket) actions.push({ type: 'purgeTickets' })
    if (offeredTicket && !isVerdict(error) && error.code !== 'MM_TLS_TIMEOUT' && this.#mayResume) {
      this.#mayResume = false
      const again = this.#start(winner.endpoint, 'once more without the ticket', now, actions)
      this.#transition({ name: 'racing', live: [again], nextStartAt: now + this.#options.attemptDelayMs }) // 1
      this.#armTimer(now, actions)
    } else if (!isVerdict(error) && error.code !== 'MM_TLS_FAILED') {
      this.#race([], now, actions) // 2
    } else {
      this.#end(actions) // 3
      actions.push({ type: 'fail' })
    }
  }

  /** Starts the next endpoint beside those that are under way; without either the dial has failed. */
  #race(live: readonly Attempt[], now: number, actions: DialAction[]): void {
    const endpoint = this.#waiting.shift()
    const because = endpoint === undefined ? undefined : this.#options.endpoints[endpoint]?.because
    if (endpoint !== undefined && because !== undefined) {
      const attempt = this.#start(endpoint, because, now, actions)
      this.#transition({
        name: 'racing',
        live: [...live, attempt],
        nextStartAt: now + this.#options.attemptDelayMs,
      })
      this.#armTimer(now, actions)
    } else if (live.length > 0) {
      this.#transition({ name: 'racing', live, nextStartAt: Number.POSITIVE_INFINITY })
      this.#armTimer(now, actions)
    } else {
      this.#end(actions)
      actions.push({ type: 'fail' })
    }
  }

  #start(endpoint: number, because: string, now: number, actions: DialAction[]): Attempt {
    const id = ++this.#lastAttempt
    const mayFastOpen = !this.#plainOnly.has(endpoint)
    actions.push({ type: 'startAttempt', attempt: id, endpoint, mayResume: this.#mayResume, mayFastOpen })
    const deadline = deadlineAfter(now, this.#options.connectMs)
    return { id, endpoint, because, startedAt: now, deadline, isPutOff: false }
  }

  /** The attempt that has stopped all others, if it is in the race. */
  #leader(attempt: number, actions: DialAction[]): Attempt | undefined {
    if (this.#state.name !== 'racing') return undefined
    const leader = this.#state.live.find(({ id }) => id === attempt)
    if (leader === undefined) return undefined
    for (const loser of this.#state.live) if (loser !== leader) this.#cancel(loser, actions)
    return leader
  }

  /** Stops an attempt that did nothing wrong: its endpoint may be tried again. */
  #cancel(attempt: Attempt, actions: DialAction[]): void {
    actions.push({ type: 'cancelAttempt', attempt: attempt.id })
    this.#record(attempt, 'cancelled', undefined)
    this.#waiting = [...this.#waiting, attempt.endpoint].toSorted((a, b) => a - b)
  }

  #win(winner: Attempt, actions: DialAction[]): void {
    this.#record(winner, 'connected', undefined)
    this.#end(actions)
    actions.push({ type: 'done', attempt: winner.id })
  }

  #end(actions: DialAction[]): void {
    this.#transition({ name: 'ended' })
    if (this.#timerAt !== Number.POSITIVE_INFINITY) actions.push({ type: 'clearTimer' })
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #recordFailure(attempt: Attempt, error: TransportError): void {
    this.#failures.push(error)
    this.#record(attempt, 'failed', error)
  }

  #record(attempt: Attempt, outcome: RaceRecord['outcome'], error: TransportError | undefined): void {
    const { id, endpoint, because, startedAt } = attempt
    this.#records.push({ attempt: id, endpoint, because, startedAt, outcome, error })
  }

  #timeout(attempt: Attempt, code: 'MM_CONNECT_TIMEOUT' | 'MM_TLS_TIMEOUT'): TransportError {
    const { connectMs, tlsMs, fastOpenMs, endpoints } = this.#options
    const what =
      code === 'MM_CONNECT_TIMEOUT'
        ? attempt.isPutOff
          ? `did not answer a SYN with data within ${fastOpenMs} ms`
          : `did not answer within ${connectMs} ms`
        : `did not complete the TLS handshake within ${tlsMs} ms`
    return new TransportError(code, `${endpoints[attempt.endpoint]?.endpoint} ${what}`)
  }

  /** Asks for the timer that is due next, if it is another one than before. */
  #armTimer(now: number, actions: DialAction[]): void {
    const at = this.#nextDeadline()
    if (at === this.#timerAt) return
    this.#timerAt = at
    actions.push(
      at === Number.POSITIVE_INFINITY
        ? { type: 'clearTimer' }
        : { type: 'setTimer', delayMs: Math.max(0, at - now) },
    )
  }

  #nextDeadline(): number {
    if (this.#state.name === 'securing') return this.#state.deadline
    if (this.#state.name !== 'racing') return Number.POSITIVE_INFINITY
    const nextStartAt = this.#waiting.length > 0 ? this.#state.nextStartAt : Number.POSITIVE_INFINITY
    return Math.min(nextStartAt, ...this.#state.live.map(({ deadline }) => deadline))
  }

  #transition(next: RaceState): void {
    if (!TRANSITIONS[this.#state.name].includes(next.name)) {
      throw new Error(`illegal transition of a dial: ${this.#state.name} to ${next.name}`)
    }
    this.#state = next
  }
}

/** The server has answered, and the answer was no. */
function isVerdict({ code }: TransportError): boolean {
  return code === 'MM_TLS_CERTIFICATE' || code === 'MM_ALPN_MISMATCH'
}

function deadlineAfter(now: number, limitMs: number): number {
  return limitMs === 0 ? Number.POSITIVE_INFINITY : now + limitMs
}
