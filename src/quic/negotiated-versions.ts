/** A long header, and the version that stands for negotiation (RFC 8999 6): first byte, version, two ids with their lengths, the list. */
const LONG_HEADER = 0x80
const VERSION_AT = 1
const IDS_AT = 5
const VERSION_BYTES = 4
/** More than any server has; the list comes from a stranger. */
const MAX_VERSIONS = 16

/** How people call them: RFC 9000, RFC 9369. */
const NAMES: Readonly<Record<number, string>> = { 0x00000001: 'version 1', 0x6b3343cf: 'version 2' }
/** 0xff0000nn: draft-ietf-quic-transport-nn. */
const DRAFT_BASE = 0xff000000
const DRAFT_END = 0xff000100

/**
 * The versions that a Version Negotiation packet lists, in its order, without those that only test whether unknown ones are ignored (RFC 9000 15).
 * Undefined: it is no such packet. Whether it answers a packet of ours is for the engine to say.
 */
export function negotiatedVersions(datagram: Uint8Array): readonly number[] | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  const first = bytes[0]
  if (first === undefined || (first & LONG_HEADER) === 0 || bytes.length <= IDS_AT) return undefined
  if (bytes.readUInt32BE(VERSION_AT) !== 0) return undefined
  const sourceAt = IDS_AT + 1 + (bytes[IDS_AT] ?? 0)
  const sourceBytes = bytes[sourceAt]
  if (sourceBytes === undefined) return undefined
  const versions: number[] = []
  for (let at = sourceAt + 1 + sourceBytes; at + VERSION_BYTES <= bytes.length; at += VERSION_BYTES) {
    const version = bytes.readUInt32BE(at)
    const isReserved = (version & 0x0f0f0f0f) === 0x0a0a0a0a
    if (!isReserved && versions.length < MAX_VERSIONS) versions.push(version)
  }
  return versions
}

/** What a server says that lists none of our versions. */
export function versionMismatch(versions: readonly number[]): string {
  if (versions.length === 0) return 'speaks no version of QUIC that it names'
  return `speaks QUIC ${versions.map(nameOf).join(' and ')} only, which this engine does not`
}

function nameOf(version: number): string {
  if (version >= DRAFT_BASE && version < DRAFT_END) return `draft ${version - DRAFT_BASE}`
  return NAMES[version] ?? `version 0x${version.toString(16).padStart(8, '0')}`
}
