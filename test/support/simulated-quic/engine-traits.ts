/** In what the simulated engine can be said to differ. */
export interface EngineTraits {
  readonly name: string
  /** A congestion window of this size instead of NewReno's. */
  readonly congestionWindowBytes: number | undefined
  /**
   * Streams that may share a packet. quiche puts one STREAM frame into a packet, so that a lost packet hurts
   * one stream: 1.
   */
  readonly streamsPerPacket: number
  /**
   * What quiche does when 0-RTT is rejected by a server that allows less than the ticket remembered: it sends
   * what it has all the same, and the server ends the connection with STREAM_LIMIT_ERROR or
   * FLOW_CONTROL_ERROR. False: it waits for credit (RFC 9000 7.4.1).
   */
  readonly keepsRememberedLimits: boolean
  /** Seals tickets where the server has no key of its own. */
  readonly ticketKey: string
}

export const DEFAULT_ENGINE_TRAITS: EngineTraits = {
  name: 'simulated-quic 1',
  congestionWindowBytes: undefined,
  streamsPerPacket: Infinity,
  keepsRememberedLimits: false,
  ticketKey: 'of the engine',
}
