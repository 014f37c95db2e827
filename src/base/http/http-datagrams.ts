/**
 * The HTTP datagrams of one tunnel (RFC 9297), where its connection carries them beside its streams: neither
 * ordered nor sent again.
 */
export interface HttpDatagrams {
  /** The longest that send() takes now; 0: none, since a side does not offer them. */
  readonly maxBytes: number
  /** Who gets those that come, borrowed until it returns. Undefined: they are dropped. */
  onDatagram: ((datagram: Buffer) => void) | undefined
  /** False: it is lost, as too long, or since too many wait to be sent. */
  send(datagram: Uint8Array): boolean
}
