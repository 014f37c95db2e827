import { type Clock, systemClock } from '../../base/clock.ts'
import type { Observer, TransportEvent } from '../../base/events/observer.ts'
import { dialEvents, ownEvent, type QlogEvent, roundedMs } from './qlog-events.ts'
import { QlogFile } from './qlog-file.ts'

/**
 * What the transport reports, as qlog events. A dial is a session of draft-kuehlewind-happy-qlog (`hev3:…`);
 * decisions, races between lanes, evidence and the life of connections are ours (`middlemile:…`, see
 * qlog-events.ts). Numbers sessions, hence a class.
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

/** 256 MiB: some 800,000 exchanges of 320 bytes, or what a service decides in years. */
const MAX_FILE_BYTES = 268_435_456

/** Where a trace goes, and how much of it. */
export interface QlogOptions {
  /**
   * Where the file goes; made when it is not there. Its name has the time and the process in it, and ends in
   * `.sqlog`.
   */
  readonly directory: string
  /** Once, when the file cannot be made or written, or is full. Requests go on, without a trace. */
  readonly onFault: (message: string) => void
  /** Every request has an event, too. Default false: connections, races and decisions only. */
  readonly exchanges?: boolean | undefined
  /** The file takes no more when it has come to this. Default 256 MiB. */
  readonly maxFileBytes?: number | undefined
  /** Default: that of the system, which is that of a transport. */
  readonly clock?: Clock | undefined
}

/** An observer that writes a trace, and its file. */
export interface QlogObserver {
  /** For TransportOptions.observer. Never throws. */
  readonly observer: Observer
  /** Events that were dropped, since they came faster than they could be written. */
  readonly dropped: number
  /** Writes what is held and closes the file; later events are dropped. */
  close(): void
}

/**
 * Writes how protocols and connections were chosen as qlog: a JSON text sequence with the events of
 * draft-kuehlewind-happy-qlog, and some of our own. Nothing in it is a secret of a request but its path, and
 * that only with `exchanges`.
 *
 * @example
 * ```ts
 * import { createTransport } from 'middlemile'
 * import { qlogObserver } from 'middlemile/events'
 * const trace = qlogObserver({ directory: './traces', onFault: message => console.error(message) })
 * const transport = createTransport({ observer: trace.observer })
 * ```
 */
export function qlogObserver(options: QlogOptions): QlogObserver {
  const {
    directory,
    onFault,
    exchanges = false,
    maxFileBytes = MAX_FILE_BYTES,
    clock = systemClock,
  } = options
  const file = new QlogFile({ directory, clock, maxBytes: maxFileBytes, onFault })
  const events = new HappyEvents(file.beganAt)
  return {
    observer(event) {
      if (event.type === 'exchange-ended' && !exchanges) return
      for (const made of events.onEvent(event, clock.now())) file.write(made)
    },
    get dropped() {
      return file.dropped
    },
    close: () => file.close(),
  }
}
