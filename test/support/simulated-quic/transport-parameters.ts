import type { QuicOptions } from '../../../src/base/options/protocol-options.ts'

/** The transport parameters (RFC 9000 18.2) that the simulated engine has. Times in milliseconds. */
export interface TransportParameters {
  readonly idleTimeoutMs: number
  readonly dataBytes: number
  readonly streamDataBytes: number
  readonly bidirectional: number
  readonly unidirectional: number
  /** max_datagram_frame_size, as the longest payload; 0: none are taken. */
  readonly datagramBytes: number
}

/** What a side announces. A client takes no bidirectional streams (RFC 9114 6.1). */
export function transportParameters(role: 'client' | 'server', quic: QuicOptions): TransportParameters {
  return {
    idleTimeoutMs: quic.idleTimeoutMs,
    dataBytes: quic.connectionWindowBytes,
    streamDataBytes: quic.streamWindowBytes,
    bidirectional: role === 'server' ? quic.maxConcurrentStreams : 0,
    unidirectional: quic.maxUnidirectionalStreams,
    datagramBytes: quic.maxQueuedDatagrams > 0 ? 65_000 : 0,
  }
}

/**
 * Whether what a server allows now is as much as what a client remembers: else it may not accept 0-RTT (RFC
 * 9000 7.4.1).
 */
export function coversRemembered(now: TransportParameters, remembered: TransportParameters): boolean {
  return (
    now.dataBytes >= remembered.dataBytes &&
    now.streamDataBytes >= remembered.streamDataBytes &&
    now.bidirectional >= remembered.bidirectional &&
    now.unidirectional >= remembered.unidirectional &&
    now.datagramBytes >= remembered.datagramBytes
  )
}

/** The larger of each limit. */
export function largerOf(one: TransportParameters, other: TransportParameters): TransportParameters {
  return {
    ...one,
    dataBytes: Math.max(one.dataBytes, other.dataBytes),
    streamDataBytes: Math.max(one.streamDataBytes, other.streamDataBytes),
    bidirectional: Math.max(one.bidirectional, other.bidirectional),
    unidirectional: Math.max(one.unidirectional, other.unidirectional),
  }
}
