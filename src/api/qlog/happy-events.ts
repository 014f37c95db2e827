import type { TransportEvent } from '../../base/events/observer.ts'
import { dialEvents } from './dial-events.ts'
import { ownEvent } from './own-events.ts'
import { type QlogEvent, roundedMs } from './qlog-event.ts'

/**
 * What the transport tells as qlog events. A dial is a session of draft-kuehlewind-happy-qlog (`hev3:…`);
 * decisions, races between lanes, evidence and the life of connections are ours (`middlemile:…`, see
 * own-events.ts). Numbers sessions, hence a class.
 */
export class HappyEvents {
  readonly #beganAt: number
  #sessions = 0

  /**
   * `beganAt`: the beginning of the trace on the clock that also gives `now`, which must be that of the
   * transport.
   */
  constructor(beganAt: number) {
    this.#beganAt = beganAt
  }

  /** The events of the trace that this one makes, at `now`: none, one, or those of a dial. */
  onEvent(event: TransportEvent, now: number): QlogEvent[] {
    const time = this.#timeOf(now)
    if (event.type === 'dial-ended') {
      this.#sessions++
      const beganAt = Math.min(this.#timeOf(event.atMs), time)
      return dialEvents(`dial-${this.#sessions}`, event, { beganAt, endedAt: time })
    }
    const own = ownEvent(event)
    if (own === undefined) return []
    const group = event.origin === undefined ? {} : { group_id: event.origin.key }
    return [{ time: roundedMs(time), name: own.name, ...group, data: own.data }]
  }

  /** What was before the trace is at its beginning. */
  #timeOf(at: number): number {
    return Math.max(0, at - this.#beganAt)
  }
}
