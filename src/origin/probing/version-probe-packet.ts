/**
 * Asks a UDP port whether it speaks QUIC, and in which versions, without a handshake and without any state on
 * either side: a server that gets a packet of a version that it does not know answers with those that it does
 * (RFC 9000 6.1). Versions of the form 0x?a?a?a?a are never real ones, and are there for that (RFC 9000 15).
 * Both packets are of the version-independent kind (RFC 8999 5.1 and 6):
 *
 *     first byte | version (4) | length, destination id | length, source id | the rest: 4 bytes a version, or
 *     anything at all
 */

/** A server may ignore shorter first datagrams (RFC 9000 14.1), and quic-go and ngtcp2 do. */
export const VERSION_PROBE_BYTES = 1200
/** A client's first destination id is at least so long (RFC 9000 7.2). */
const ID_BYTES = 8
const VERSION_AT = 1
const DESTINATION_AT = 6
const SOURCE_AT = DESTINATION_AT + ID_BYTES + 1
const LONG_HEADER = 0x80
/**
 * RFC 9000 17.2: a server may throw away what does not have it, since others than QUIC may share the port
 * (RFC 7983).
 */
const FIXED_BIT = 0x40
const VERSION_BYTES = 4
/** More than any server has; the list comes from a stranger. */
const MAX_VERSIONS = 64

/** What was sent, and what its answer is known by. */
export interface VersionProbe {
  readonly packet: Buffer
}

/** Makes one probe of VERSION_PROBE_BYTES random bytes, which become its ids and its padding. */
export function versionProbe(random: Uint8Array): VersionProbe {
  if (random.length !== VERSION_PROBE_BYTES) throw new Error(`${VERSION_PROBE_BYTES} random bytes are needed`)
  const packet = Buffer.from(random)
  packet[0] = (packet[0] ?? 0) | LONG_HEADER | FIXED_BIT
  for (let i = VERSION_AT; i < VERSION_AT + VERSION_BYTES; i++) packet[i] = ((packet[i] ?? 0) & 0xf0) | 0x0a
  packet[DESTINATION_AT - 1] = ID_BYTES
  packet[SOURCE_AT - 1] = ID_BYTES
  return { packet }
}

/**
 * The versions that a datagram lists, if it is the Version Negotiation packet that answers this probe, else
 * undefined. One that nobody who has not seen the probe could have made: it has to repeat both ids (RFC 9000
 * 17.2.1).
 */
export function versionsOf(datagram: Buffer, { packet }: VersionProbe): number[] | undefined {
  const first = datagram[0]
  if (first === undefined || (first & LONG_HEADER) === 0 || datagram.length < DESTINATION_AT) return undefined
  if (datagram.readUInt32BE(VERSION_AT) !== 0) return undefined
  const destination = idAt(datagram, DESTINATION_AT - 1)
  const source = destination === undefined ? undefined : idAt(datagram, destination.end)
  if (destination === undefined || source === undefined) return undefined
  if (!destination.id.equals(packet.subarray(SOURCE_AT, SOURCE_AT + ID_BYTES))) return undefined
  if (!source.id.equals(packet.subarray(DESTINATION_AT, DESTINATION_AT + ID_BYTES))) return undefined

  const listBytes = datagram.length - source.end
  if (listBytes === 0 || listBytes % VERSION_BYTES !== 0) return undefined
  const asked = packet.readUInt32BE(VERSION_AT)
  const versions = new Set<number>()
  for (let at = source.end; at < datagram.length; at += VERSION_BYTES) {
    const version = datagram.readUInt32BE(at)
    // RFC 9000 6.2: who lists the version that we have used cannot have failed to know it.
    if (version === asked) return undefined
    if (!isReserved(version) && versions.size < MAX_VERSIONS) versions.add(version)
  }
  return [...versions]
}

/** `0x00000001`. */
export function formatVersion(version: number): string {
  return `0x${version.toString(16).padStart(8, '0')}`
}

/** RFC 9000 15. Servers list some of them, so that clients learn to ignore what they do not know. */
function isReserved(version: number): boolean {
  return (version & 0x0f0f0f0f) === 0x0a0a0a0a
}

/** An id behind the byte that says how long it is; undefined when the datagram is too short for it. */
function idAt(datagram: Buffer, at: number): { readonly id: Buffer; readonly end: number } | undefined {
  const length = datagram[at]
  if (length === undefined) return undefined
  const end = at + 1 + length
  return end <= datagram.length ? { id: datagram.subarray(at + 1, end), end } : undefined
}
