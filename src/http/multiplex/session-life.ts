/**
 * Where a session of HTTP/2 or HTTP/3 stands:
 * - `open`: takes streams. Valid transitions: draining, closing, lingering, ended
 * - `draining`: a server that has announced its end by a first GOAWAY. What crosses that is still taken.
 *   Valid transitions: closing, lingering, ended
 * - `closing`: ends with its last stream. A client takes no new ones; a server those that its GOAWAY lets
 *   through. `said`: which GOAWAY of a server is out. Valid transitions: closing, lingering, ended
 * - `lingering`: HTTP/3. Over for its streams, but QUIC is not closed yet, and what the peer says of the
 *   connection as a whole is read. Valid transitions: ended
 * - `ended`: over. Final
 */
export type SessionState =
  | { readonly kind: 'open' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'closing'; readonly said: 'nothing' | 'first' | 'last' }
  | { readonly kind: 'lingering' }
  | { readonly kind: 'ended' }

const NEXT: Readonly<Record<SessionState['kind'], readonly SessionState['kind'][]>> = {
  open: ['draining', 'closing', 'lingering', 'ended'],
  draining: ['closing', 'lingering', 'ended'],
  closing: ['closing', 'lingering', 'ended'],
  lingering: ['ended'],
  ended: [],
}

const OPEN: SessionState = { kind: 'open' }

/** The state of a session. `#enter` is the only one who writes it; what cannot happen throws. */
export class SessionLife {
  #state: SessionState = OPEN
  /** For the hot path: nothing more is done for streams. */
  #isEnded = false

  get state(): SessionState {
    return this.#state
  }

  get isOpen(): boolean {
    return this.#state === OPEN
  }

  /** It ends with its last stream. */
  get isClosing(): boolean {
    return this.#state.kind === 'closing'
  }

  /** Lingering or ended. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** A server of HTTP/2 or HTTP/3 is to say its first GOAWAY. False: it has done so, or is over. */
  announceEnd(): boolean {
    const state = this.#state
    if (state.kind === 'open') this.#enter({ kind: 'draining' })
    else if (state.kind === 'closing' && state.said === 'nothing')
      this.#enter({ kind: 'closing', said: 'first' })
    else return false
    return true
  }

  /** A server is to say the last GOAWAY, which names the last stream. False: not now, or not again. */
  announceLastStream(): boolean {
    const state = this.#state
    const isDue = state.kind === 'draining' || (state.kind === 'closing' && state.said === 'first')
    if (isDue) this.#enter({ kind: 'closing', said: 'last' })
    return isDue
  }

  /** The session is to end with its last stream: a client that drains, or either one whose peer leaves. */
  close(): void {
    if (this.#state.kind === 'open') this.#enter({ kind: 'closing', said: 'nothing' })
    else if (this.#state.kind === 'draining') this.#enter({ kind: 'closing', said: 'first' })
  }

  end(): void {
    this.#enter({ kind: 'ended' })
  }

  /** It is over for its streams; end() follows when QUIC is closed, if we are who closes it. */
  linger(): void {
    this.#enter({ kind: 'lingering' })
  }

  #enter(next: SessionState): void {
    const { kind } = this.#state
    if (!NEXT[kind].includes(next.kind)) throw new Error(`a session that is ${kind} cannot be ${next.kind}`)
    this.#state = next
    this.#isEnded = next.kind === 'ended' || next.kind === 'lingering'
  }
}
