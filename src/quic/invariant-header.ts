/**
 * What is the same in all versions of QUIC (RFC 8999): a long header is first byte, version, two ids with
 * their lengths, and where the version stands for negotiation (6), the list.
 */
const LONG_HEADER = 0x80
const VERSION_AT = 1
const IDS_AT = 5
const VERSION_BYTES = 4
/** Of those that are named: more than any server has, and the list comes from a stranger. */
const MAX_VERSIONS = 16

/** How people call them: RFC 9000, RFC 9369. */
const NAMES: Readonly<Record<number, string>> = { 0x00000001: 'version 1', 0x6b3343cf: 'version 2' }
/** 0xff0000nn: draft-ietf-quic-transport-nn. */
const DRAFT_BASE = 0xff000000
const DRAFT_END = 0xff000100

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
  const length = datagram[IDS_AT]
  if (length === undefined || datagram.length < IDS_AT + 1 + length) return undefined
  return datagram.toString('latin1', IDS_AT + 1, IDS_AT + 1 + length)
}

export interface VersionNegotiation {
  readonly destinationId: Buffer
  readonly sourceId: Buffer
  /**
   * In the order of the server, without those that only test whether unknown ones are ignored (RFC 9000 15).
   */
  readonly versions: readonly number[]
}

export function isVersionNegotiation(datagram: Buffer): boolean {
  if (((datagram[0] ?? 0) & LONG_HEADER) === 0 || datagram.length < IDS_AT) return false
  return datagram.readUInt32BE(VERSION_AT) === 0
}

/**
 * What a Version Negotiation packet says. Undefined: it is none, or it lists nothing, or half a version,
 * which has to be ignored (RFC 8999 6). Whether it answers a packet of ours is for the engine to say.
 */
export function readVersionNegotiation(datagram: Buffer): VersionNegotiation | undefined {
  if (!isVersionNegotiation(datagram)) return undefined
  const sourceAt = IDS_AT + 1 + (datagram[IDS_AT] ?? 0)
  const listAt = sourceAt + 1 + (datagram[sourceAt] ?? 0)
  if (listAt >= datagram.length || (datagram.length - listAt) % VERSION_BYTES !== 0) return undefined
  const versions: number[] = []
  for (let at = listAt; at < datagram.length; at += VERSION_BYTES) {
    const version = datagram.readUInt32BE(at)
    const isReserved = (version & 0x0f0f0f0f) === 0x0a0a0a0a
    if (!isReserved) versions.push(version)
  }
  return {
    destinationId: datagram.subarray(IDS_AT + 1, sourceAt),
    sourceId: datagram.subarray(sourceAt + 1, listAt),
    versions,
  }
}

/** What a server says that lists none of our versions. */
export function versionMismatch(versions: readonly number[]): string {
  if (versions.length === 0) return 'speaks no version of QUIC that it names'
  const names = versions.slice(0, MAX_VERSIONS).map(nameOf)
  return `speaks QUIC ${names.join(' and ')} only, which this engine does not`
}

function nameOf(version: number): string {
  if (version >= DRAFT_BASE && version < DRAFT_END) return `draft ${version - DRAFT_BASE}`
  return NAMES[version] ?? `version 0x${version.toString(16).padStart(8, '0')}`
}
