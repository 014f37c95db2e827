import type { TcpInfo } from './tcp-info.ts'

/** What is looked at. */
export type SendState = Pick<TcpInfo, 'unackedSegments' | 'unansweredProbes' | 'sinceHeardMs'>

/** The kernel counts jiffies, of up to 10 ms. */
const JIFFY_MS = 10

/**
 * [P] Since when the peer of one TCP connection owes an acknowledgement and says nothing, by looks at TCP_INFO now and then.
 *
 * Theory of operation. Something is outstanding while segments are unacknowledged, or a probe is: a peer with a closed window answers each probe, so that
 * none is out between them, however long it takes nothing. Only looks count: the last sign of life of a connection that was idle is old when its next
 * request has just left. So the silence begins with the first look that finds something outstanding, and anew with each one that finds that the peer
 * was heard since; it is never overstated, and understated by one pause between looks at the most.
 */
export class SendSilence {
  /** Undefined: nothing was outstanding at the last look. */
  #since: number | undefined

  /** How long it has lasted, in ms; 0: it has not begun, or just so. */
  look({ unackedSegments, unansweredProbes, sinceHeardMs }: SendState, now: number): number {
    if (unackedSegments === 0 && unansweredProbes === 0) {
      this.#since = undefined
      return 0
    }
    if (this.#since === undefined || now - sinceHeardMs > this.#since + JIFFY_MS) this.#since = now
    return now - this.#since
  }
}
