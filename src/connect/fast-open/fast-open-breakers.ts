/** Whether a connect to an address uses Fast Open, and why. */
export interface FastOpenVerdict {
  readonly use: boolean
  readonly because: string
}

/**
 * What became of it: `used`: the peer took the data of the SYN; `no-cookie`: the kernel had none and asked
 * for one; `not-taken`: the peer took the connection and not the data; `syn-resent`: the kernel had to send
 * the SYN again, without data; `stuck`: nothing came until the connect was made without.
 */
export type FastOpenOutcome = 'used' | 'no-cookie' | 'not-taken' | 'syn-resent' | 'stuck'

/**
 * Where TCP Fast Open has worked, and where it is left alone: a breaker for each IP address, since that is
 * what the kernel keeps cookies by, and where a middlebox stands in the way. The kernel itself never learns:
 * behind a box that drops a SYN with the option, every connect waits for the second SYN, a second each time,
 * whatever net.ipv4.tcp_fastopen_blackhole_timeout_sec says (measured with Linux 6.18).
 *
 *     (unknown) ──► open ──► leftAlone ──(until)──► onTrial ──► open, leftAlone
 *
 * An address that nothing is known of is as one that is open.
 */
type AddressState = Open | LeftAlone | OnTrial

/** Used. Valid transitions: open (news), leftAlone. */
interface Open {
  readonly kind: 'open'
  /** How often in a row the peer did not take the data. */
  readonly misses: number
  readonly workedAt: number | undefined
}

/**
 * Not used until then. Valid transitions: onTrial (the time is over and somebody asked), open (one that began
 * before worked).
 */
interface LeftAlone extends Failures {
  readonly kind: 'leftAlone'
  readonly until: number
}

/**
 * The time was over, and a single connect may use it. Valid transitions: onTrial (the last came to nothing),
 * open (worked), leftAlone (failed).
 */
interface OnTrial extends Failures {
  readonly kind: 'onTrial'
  /** When that connect began; undefined: it said nothing, and the next one may. */
  readonly since: number | undefined
}

interface Failures {
  /** Times that it came to be left alone, in a row. */
  readonly failures: number
  /** Of the last one. */
  readonly reason: string
}

const VALID_TRANSITIONS: Readonly<Record<AddressState['kind'], readonly AddressState['kind'][]>> = {
  open: ['open', 'leftAlone'],
  leftAlone: ['onTrial', 'open'],
  onTrial: ['onTrial', 'open', 'leftAlone'],
}

const UNKNOWN: Open = { kind: 'open', misses: 0, workedAt: undefined }
/**
 * One address of several behind a balancer may lack the key that the cookie was made with: a miss costs
 * nothing, since the data goes again with the ACK.
 */
const MAX_MISSES = 3
const FIRST_TIME_MS = 60_000
const LONGEST_TIME_MS = 3_600_000
/** 2 ** 6 minutes are more than an hour. */
const MAX_FAILURES = 7
/** A trial of which nothing was reported for so long is given up for lost: its connect was cancelled, say. */
const TRIAL_MAX_MS = 30_000
const MAX_ADDRESSES = 1024

const REASONS = {
  'not-taken': `the peer did not take the data of ${MAX_MISSES} SYNs in a row`,
  'syn-resent': 'the SYN had to be sent again without data',
  stuck: 'nothing came until the connect was made without',
} as const

/** The breakers of a transport. `now` is in ms; only differences count. */
export class FastOpenBreakers {
  /** The longest unused first. */
  readonly #addresses = new Map<string, AddressState>()

  get size(): number {
    return this.#addresses.size
  }

  /**
   * For a connect that begins now: after a failure it is the trial, once at a time, so that who asks and does
   * not connect delays the next one.
   */
  take(address: string, now: number): FastOpenVerdict {
    const state = this.#addresses.get(address)
    if (state === undefined) return { use: true, because: 'not tried there yet' }
    if (!mayTake(state, now)) {
      this.#write(address, state) // in use, though to no avail
      return { use: false, because: because(state, now) }
    }
    if (state.kind === 'open') {
      this.#write(address, state)
    } else {
      const { failures, reason } = state
      this.#move(address, { kind: 'onTrial', failures, reason, since: now })
    }
    return { use: true, because: because(state, now) }
  }

  /** What became of a connect that used it. */
  onOutcome(address: string, outcome: FastOpenOutcome, now: number): void {
    const state = this.#addresses.get(address) ?? UNKNOWN
    if (outcome === 'used') return this.#move(address, { kind: 'open', misses: 0, workedAt: now })
    // The kernel had no cookie: that connect was as any other, and says nothing of the way.
    if (outcome === 'no-cookie') {
      if (state.kind === 'onTrial') this.#move(address, { ...state, since: undefined })
      return
    }
    if (state.kind === 'leftAlone') return // one more that began before
    if (state.kind === 'onTrial') return this.#leaveAlone(address, state.failures + 1, outcome, now)
    const misses = outcome === 'not-taken' ? state.misses + 1 : MAX_MISSES
    if (misses >= MAX_MISSES) return this.#leaveAlone(address, 1, outcome, now)
    this.#move(address, { ...state, misses })
  }

  /** Another way leads there now, with other middleboxes on it. */
  onNetworkChanged(): void {
    this.#addresses.clear()
  }

  /** What is known of an address, for people; undefined: nothing that is worth telling. */
  tell(
    address: string,
    now: number,
  ): { readonly isLeftAlone: boolean; readonly because: string } | undefined {
    const state = this.#addresses.get(address)
    if (state === undefined || (state.kind === 'open' && state.workedAt === undefined)) return undefined
    return { isLeftAlone: !mayTake(state, now), because: because(state, now) }
  }

  #leaveAlone(address: string, failures: number, outcome: keyof typeof REASONS, now: number): void {
    const counted = Math.min(failures, MAX_FAILURES)
    const until = now + Math.min(FIRST_TIME_MS * 2 ** (counted - 1), LONGEST_TIME_MS)
    this.#move(address, { kind: 'leftAlone', failures: counted, reason: REASONS[outcome], until })
  }

  #move(address: string, next: AddressState): void {
    const { kind } = this.#addresses.get(address) ?? UNKNOWN
    if (!VALID_TRANSITIONS[kind].includes(next.kind)) {
      throw new Error(`illegal transition of Fast Open at an address: ${kind} to ${next.kind}`)
    }
    this.#write(address, next)
  }

  /** The one writer. */
  #write(address: string, state: AddressState): void {
    this.#addresses.delete(address)
    this.#addresses.set(address, state)
    if (this.#addresses.size <= MAX_ADDRESSES) return
    const first = this.#addresses.keys().next()
    if (first.done !== true) this.#addresses.delete(first.value)
  }
}

function mayTake(state: AddressState, now: number): boolean {
  if (state.kind === 'leftAlone') return now >= state.until
  return state.kind !== 'onTrial' || state.since === undefined || now - state.since >= TRIAL_MAX_MS
}

function because(state: AddressState, now: number): string {
  if (state.kind === 'open') {
    if (state.misses > 0) return `its data was not taken ${state.misses} of ${MAX_MISSES} times`
    return state.workedAt === undefined
      ? 'not tried there yet'
      : `worked ${seconds(now - state.workedAt)} ago`
  }
  const after = `after ${state.failures === 1 ? '1 failure' : `${state.failures} failures`}: ${state.reason}`
  if (mayTake(state, now)) return `may be tried again ${after}`
  return state.kind === 'leftAlone'
    ? `left alone for another ${seconds(state.until - now)} ${after}`
    : `one connect tries it again ${after}`
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`
}
