import type { HandshakeInfo } from '../../base/events/connection.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { HandshakeAmount, HandshakeMeans } from './handshake-figures.ts'

/** What one handshake cost. */
export interface HandshakeCost extends HandshakeAmount {
  /** From its first packet to its last, waited for or not. */
  readonly elapsedSeconds: number
  /** Round trips that it would have taken beyond those that it took, by what spared them: 0 or 1 each. */
  readonly avoided: Readonly<Record<Exclude<HandshakeMeans, 'reuse'>, number>>
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
