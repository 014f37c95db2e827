/**
 * What a connection has measured of its way, whatever it speaks: QUIC counts it itself (QuicStats fits), of
 * TCP the kernel does (TCP_INFO). Counters are those of the whole connection.
 */
export interface PathStats {
  /**
   * The smoothed round trip; 0: not measured yet. TCP's contains what a peer waits before it acknowledges,
   * where no answer comes sooner.
   */
  readonly rttMs: number
  /** The shortest round trip of the last minutes: the way alone. Undefined: it is not told. */
  readonly minRttMs?: number | undefined
  /**
   * QUIC: every packet. TCP: segments with data, those that were sent again among them; of an acknowledgement
   * nobody learns whether it was lost.
   */
  readonly sentPackets: number
  /** Of what we sent. QUIC: declared lost. TCP: sent again, and not in vain as far as the peer tells. */
  readonly lostPackets: number
  readonly receivedPackets: number
  /**
   * Packets that came behind a gap: all that a receiver sees of losses. One loss makes for as many as were
   * under way behind it, so that their share is not that of the losses. Undefined: it is not told.
   */
  readonly outOfOrderPackets?: number | undefined
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly congestionWindowBytes: number
  /** How fast what we sent arrived, at last. Undefined: not measured. */
  readonly deliveryBytesPerSecond?: number | undefined
}
