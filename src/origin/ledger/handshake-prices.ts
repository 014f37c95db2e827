import type { HandshakeInfo } from '../../base/events/connection.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { HandshakeAmount, HandshakeMeans } from './handshake-figures.ts'

/** So many of the last handshakes of a kind set a price. */
const SAMPLES = 8

const NOTHING: HandshakeAmount = { roundTrips: 0, seconds: 0, bytes: undefined, cpuMs: undefined }

/**
 * What handshakes with one origin cost, over TCP or over QUIC. A price is the lowest of the last few that
 * were measured, not their mean: handshakes come in bursts, in which each one also waits for the others, and
 * what is claimed as saved should not be more than a handshake costs. CPU is measured for the whole process,
 * so that the lowest is the one beside which the least other work ran.
 */
export class HandshakePrices {
  readonly #full: HandshakeAmount[] = []
  readonly #resumed: HandshakeAmount[] = []
  readonly #roundTripSeconds: number[] = []
  #whole = NOTHING
  #resumption = NOTHING
  #roundTrip = NOTHING

  /**
   * The whole handshake of a fresh connection, as it is made here: with Fast Open where that is in use.
   * Zeros: none was measured.
   */
  get whole(): HandshakeAmount {
    return this.#whole
  }

  /**
   * What resumption spares by itself. TLS 1.3 spares bytes and CPU with it; the round trip that TLS 1.2
   * spares is priced as one.
   */
  get resumption(): HandshakeAmount {
    return this.#resumption
  }

  /** One round trip. */
  get roundTrip(): HandshakeAmount {
    return this.#roundTrip
  }

  onMeasured(handshake: HandshakeInfo, cost: HandshakeCost): void {
    const isFull = !isResumed(handshake)
    // Who had not sent early data would have waited for the handshake to its end.
    const roundTrips = cost.roundTrips + cost.avoided.earlyData
    const { elapsedSeconds: seconds, bytes, cpuMs } = cost
    keep(isFull ? this.#full : this.#resumed, { roundTrips, seconds, bytes, cpuMs })
    // A connect that was asked for Fast Open may count as connected before anything has left: only the whole
    // says something then.
    const { tfo, timings } = handshake
    if (tfo === 'off' && timings.connectMs > 0) keep(this.#roundTripSeconds, timings.connectMs / 1000)
    else if (roundTrips > 0) keep(this.#roundTripSeconds, seconds / roundTrips)
    this.#set()
  }

  #set(): void {
    const full = lowest(this.#full)
    const resumed = lowest(this.#resumed)
    // Where tickets outlived the process there may be no full handshake yet: it would not have been shorter
    // than a resumed one. What it would have had in bytes and CPU is not known then.
    this.#whole = full ?? (resumed && { ...resumed, bytes: undefined, cpuMs: undefined }) ?? NOTHING
    this.#resumption = {
      ...NOTHING,
      bytes: difference(full?.bytes, resumed?.bytes),
      cpuMs: difference(full?.cpuMs, resumed?.cpuMs),
    }
    const seconds = this.#roundTripSeconds.length === 0 ? 0 : Math.min(...this.#roundTripSeconds)
    this.#roundTrip = { ...NOTHING, roundTrips: 1, seconds }
  }
}

function keep<T>(samples: T[], sample: T): void {
  samples.push(sample)
  if (samples.length > SAMPLES) samples.shift()
}

/** Each figure by itself. */
function lowest(samples: readonly HandshakeAmount[]): HandshakeAmount | undefined {
  if (samples.length === 0) return undefined
  return {
    roundTrips: Math.min(...samples.map(({ roundTrips }) => roundTrips)),
    seconds: Math.min(...samples.map(({ seconds }) => seconds)),
    bytes: lowestKnown(samples.map(({ bytes }) => bytes)),
    cpuMs: lowestKnown(samples.map(({ cpuMs }) => cpuMs)),
  }
}

function lowestKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/**
 * Undefined: one of them is not known. Never below 0: a resumed handshake that happened to cost more has not
 * avoided less than nothing.
 */
function difference(full: number | undefined, resumed: number | undefined): number | undefined {
  return full === undefined || resumed === undefined ? undefined : Math.max(0, full - resumed)
}

/** What one handshake cost. */
interface HandshakeCost extends HandshakeAmount {
  /** From its first packet to its last, waited for or not. */
  readonly elapsedSeconds: number
  /** Round trips that it would have taken beyond those that it took, by what spared them: 0 or 1 each. */
  readonly avoided: Readonly<Record<Exclude<HandshakeMeans, 'reuse' | 'coalescing'>, number>>
}

/** RFC 9001 section 4: the handshakes of transport and TLS are one. */
const QUIC_ROUND_TRIPS = 1
const TCP_ROUND_TRIPS = 1

/**
 * What a handshake cost its connection. Call it when it is known what became of early data. A
 * HelloRetryRequest, a QUIC Retry and packets that were lost took round trips that are not in `roundTrips`;
 * they are in the seconds.
 */
export function handshakeCost(handshake: HandshakeInfo, protocol: Protocol): HandshakeCost {
  const { earlyData, timings, bytes, cpuMs } = handshake
  const isEarly = earlyData === 'accepted'
  const avoided = {
    resumption: isResumed(handshake) ? fullTlsRoundTrips(handshake) - 1 : 0,
    fastOpen: handshake.tfoSparedRoundTrip === true ? 1 : 0,
    // Over QUIC that is the whole handshake: the request leaves with its first packet.
    earlyData: isEarly ? 1 : 0,
  }
  const full = protocol === 'h3' ? QUIC_ROUND_TRIPS : TCP_ROUND_TRIPS + fullTlsRoundTrips(handshake)
  return {
    roundTrips: full - avoided.resumption - avoided.fastOpen - avoided.earlyData,
    // Nobody waits for a handshake behind which requests have left already.
    seconds: (timings.connectMs + (isEarly ? 0 : timings.tlsMs)) / 1000,
    elapsedSeconds: (timings.connectMs + timings.tlsMs) / 1000,
    bytes,
    cpuMs,
    avoided,
  }
}

export function isResumed({ kind }: HandshakeInfo): boolean {
  return kind === 'resumed' || kind === 'early_data'
}

/**
 * TLS 1.3 takes one (RFC 8446 section 2), whether or not it resumes; TLS 1.2 two (RFC 5246 section 7.3), of
 * which resumption spares one.
 */
function fullTlsRoundTrips({ tlsVersion }: HandshakeInfo): number {
  if (tlsVersion === undefined) return 0
  return tlsVersion === 'TLSv1.3' ? 1 : 2
}
