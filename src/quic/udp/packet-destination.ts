/** RFC 9000 17.2: a long header has a version and says how long its ids are. */
const LONG_HEADER = 0x80
const LONG_ID_AT = 6

/**
 * The destination connection id of a datagram's first packet, as latin1 text for look-ups, or undefined when
 * it is too short to have one. A short header does not say how long the id is: those that we give out have
 * `idBytes`. The engine's own parser costs a crossing and three copies per packet.
 */
export function destinationId(datagram: Buffer, idBytes: number): string | undefined {
  const first = datagram[0]
  if (first === undefined) return undefined
  if ((first & LONG_HEADER) === 0) {
    return datagram.length > idBytes ? datagram.toString('latin1', 1, 1 + idBytes) : undefined
  }
  const length = datagram[LONG_ID_AT - 1]
  if (length === undefined || datagram.length < LONG_ID_AT + length) return undefined
  return datagram.toString('latin1', LONG_ID_AT, LONG_ID_AT + length)
}
