import type { TcpInfo } from './tcp-info.ts'

/** What is looked at. */
export type SendState = Pick<TcpInfo, 'unackedSegments' | 'unansweredProbes' | 'sinceHeardMs'>

/** The kernel counts jiffies, of up to 10 ms. */
const JIFFY_MS = 10

/**
 * [P] Since when the peer of one TCP connection owes an acknowledgement and says nothing, by looks at
 * TCP_INFO now and then.
 *
 * Theory of operation. Something is outstanding while segments are unacknowledged, or a probe is: a peer with
 * a closed window answers each probe, so that none is out between them, however long it takes nothing. Only
 * looks count: the last proof of liveness of a connection that was idle is old when its next request has just
 * left. So the silence begins with the first look that finds something outstanding, and anew with each one
 * that finds that the peer was heard since: that is, heard later than it had been then, by more than the
 * kernel's clock is coarse. It is never overstated where proofs of liveness are further apart than that, as probes
 * are (200 ms at least), and understated by one pause between looks at the most.
 */
export class SendSilence {
  /**
   * Undefined: nothing was outstanding at the last look. `heardAt`: when the peer had been heard last, seen
   * from there.
   */
  #begun: { readonly at: number; readonly heardAt: number } | undefined

  /** How long it has lasted, in ms; 0: it has not begun, or just so. */
  look({ unackedSegments, unansweredProbes, sinceHeardMs }: SendState, now: number): number {
    if (unackedSegments === 0 && unansweredProbes === 0) {
      this.#begun = undefined
      return 0
    }
    const heardAt = now - sinceHeardMs
    if (this.#begun === undefined || heardAt > this.#begun.heardAt + JIFFY_MS) {
      this.#begun = { at: now, heardAt }
    }
    return now - this.#begun.at
  }
}
