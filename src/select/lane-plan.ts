import type { Http3StatusName } from '../base/events/observer.ts'
import type { LaneName } from '../base/http/protocol.ts'
import type { SelectOptions } from '../base/options/select-options.ts'
import type { RaceEntrant } from './race/race-state.ts'

/** A lane that may carry a request, as the plan sees it. */
interface PlannedLane {
  readonly lane: LaneName
  readonly isEligible: boolean
  /** A connection of it is open and takes requests. */
  readonly isOpen: boolean
}

export interface LanePlanInput {
  /** Which lane the chooser wants for this request. */
  readonly chosen: LaneName
  /** Why. */
  readonly because: string
  /** Every lane of the origin, the chosen one among them. */
  readonly lanes: readonly PlannedLane[]
  /** Of the alternative that HTTP/3 would take. Undefined: there is none. */
  readonly http3Status: Http3StatusName | undefined
  /** What HTTP/3 took to say anything, as remembered: its smoothed round trip. Undefined: not known. */
  readonly http3RoundTripMs: number | undefined
  /** What handshakes take, as remembered: over TCP the connect included. Undefined: not known. */
  readonly http3HandshakeMs: number | undefined
  readonly tcpHandshakeMs: number | undefined
  readonly options: Pick<SelectOptions, 'policy' | 'joinDelayMinMs' | 'joinDelayMaxMs'>
}

/**
 * A shorter handshake than this much is not worth a connection to a lane that is not to be used afterwards.
 */
const MIN_HANDSHAKE_GAIN_MS = 10

/**
 * Which lanes a request asks for a connection, in which order and when. The rules:
 *
 * 1. The chosen lane has an open connection: it alone.
 * 2. Another eligible lane has one: that one alone. Nobody waits for a handshake while a connection stands
 *    open; the chosen lane's is made beside it.
 * 3. Nothing is open, and the chosen lane is the only one that is eligible: it alone.
 * 4. Nothing is open and TCP is chosen, but HTTP/3 is confirmed and its handshake is remembered as the
 *    shorter one: it goes first as rule 5 says. The next requests find what is open, and the chosen lane's
 *    connection is made beside them. (Not where our CPU is what counts.)
 * 5. HTTP/3 is chosen: it goes first, and TCP joins after twice the round trip that is remembered of it
 *    (Envoy's rule), within bounds. When it failed recently both start at once, so that a second failure
 *    costs nothing.
 * 6. TCP is chosen: it goes first, and HTTP/3, where it was confirmed, joins after the longest delay: a port
 *    that TCP cannot reach may still be reached by UDP. Where it is not known to work it stays out: its
 *    failure would say nothing.
 */
export function planLanes(input: LanePlanInput): readonly RaceEntrant[] {
  const { chosen, because, lanes } = input
  const first: RaceEntrant = { lane: chosen, startAfterMs: 0, because }
  const eligible = lanes.filter(({ lane, isEligible }) => isEligible || lane === chosen)
  if (eligible.some(({ lane, isOpen }) => isOpen && lane === chosen)) return [first] // 1
  const open = eligible.find(({ isOpen }) => isOpen)
  if (open !== undefined) {
    return [
      {
        lane: open.lane,
        startAfterMs: 0,
        because: `a connection stands open, and ${chosen} would have to shake hands`,
      },
    ] // 2
  }
  const second = chosen === 'h3' ? 'tcp' : 'h3'
  if (!eligible.some(({ lane }) => lane === second)) return [first] // 3
  const shorter = shorterHandshake(input)
  if (chosen === 'h3' || shorter !== undefined) {
    const { delayMs, because: why } = joinDelay(input)
    const http3: RaceEntrant = { lane: 'h3', startAfterMs: 0, because: shorter ?? because } // 4
    return [http3, { lane: 'tcp', startAfterMs: delayMs, because: why }] // 5
  }
  if (input.http3Status !== 'confirmed') return [first]
  const { joinDelayMaxMs } = input.options
  return [
    first,
    {
      lane: 'h3',
      startAfterMs: joinDelayMaxMs,
      because: `if TCP has not connected after ${joinDelayMaxMs} ms`,
    },
  ] // 6
}

/** Why HTTP/3 goes before the TCP that was chosen, if it does. */
function shorterHandshake(input: LanePlanInput): string | undefined {
  const { chosen, http3Status, http3HandshakeMs, tcpHandshakeMs, options } = input
  if (chosen === 'h3' || http3Status !== 'confirmed' || options.policy === 'efficiency') return undefined
  if (http3HandshakeMs === undefined || tcpHandshakeMs === undefined) return undefined
  if (tcpHandshakeMs - http3HandshakeMs < MIN_HANDSHAKE_GAIN_MS) return undefined
  const [short, long] = [http3HandshakeMs.toFixed(1), tcpHandshakeMs.toFixed(1)]
  return `nothing is open, and its handshake takes ${short} ms where TCP's takes ${long} ms`
}

/** How long HTTP/3 is alone. */
export function joinDelay({
  http3Status,
  http3RoundTripMs,
  options,
}: Pick<LanePlanInput, 'http3Status' | 'http3RoundTripMs'> & {
  readonly options: Pick<SelectOptions, 'joinDelayMinMs' | 'joinDelayMaxMs'>
}): {
  readonly delayMs: number
  readonly because: string
} {
  const { joinDelayMinMs, joinDelayMaxMs } = options
  if (http3Status === 'failedRecently') {
    return { delayMs: 0, because: 'HTTP/3 failed recently: TCP starts with it' }
  }
  if (http3RoundTripMs === undefined) {
    return {
      delayMs: joinDelayMaxMs,
      because: `if HTTP/3 is not connected after ${joinDelayMaxMs} ms; its round trip is not known`,
    }
  }
  const delayMs = Math.round(Math.min(joinDelayMaxMs, Math.max(joinDelayMinMs, 2 * http3RoundTripMs)))
  return {
    delayMs,
    because: `if HTTP/3 is not connected after ${delayMs} ms (its round trip took ${http3RoundTripMs.toFixed(1)} ms)`,
  }
}
