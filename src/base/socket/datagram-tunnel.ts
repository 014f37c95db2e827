/** A path for datagrams to one peer that is no socket of this machine: a tunnel of a proxy (RFC 9298). */
export interface DatagramTunnel {
  /**
   * The longest payload that goes as a datagram now. Longer ones may go as part of a stream, which costs
   * what datagrams are for. 0: all do.
   */
  readonly maxDatagramBytes: number
  /** Who is notified. Set it at once. */
  owner: DatagramTunnelOwner | undefined
  /** Never waits: what there is no room for is lost, as on any path. False: so it is. */
  send(payload: Uint8Array): boolean
  /** Whether it keeps the process alive. It is born without. */
  ref(): void
  unref(): void
  /** Nothing is reported after it. */
  close(): void
}

export interface DatagramTunnelOwner {
  /** Borrowed: it may be written to, until this returns. */
  onDatagram(payload: Buffer): void
  /**
   * It is over, and why. `isOrderly`: the proxy has ended it, for what it knows of the peer; else it broke.
   * The last call.
   */
  onClosed(error: Error, isOrderly: boolean): void
}
