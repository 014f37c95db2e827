/**
 * Control messages of sendmsg(2) and recvmsg(2) on 64-bit little-endian Linux: `struct cmsghdr` is a length
 * of 8 bytes that counts the header, level, type; what follows is padded to 8 bytes. Under musl the length
 * has 4 bytes and 4 of padding, which is the same in memory.
 */
const HEADER_BYTES = 16
const ALIGNMENT = 8

const SOL_IP = 0
const SOL_IPV6 = 41
const SOL_UDP = 17
const IP_TOS = 1
const IP_PKTINFO = 8
const IPV6_PKTINFO = 50
const IPV6_TCLASS = 67
const UDP_SEGMENT = 103
const UDP_GRO = 104

const ECN_BITS = 3

/** Not-ECT, ECT(1), ECT(0), CE (RFC 3168 5). */
export type EcnMark = 0 | 1 | 2 | 3

/** What control messages say of datagrams that came. */
export interface Arrival {
  /** Of all but the last one, which may be shorter. 0: it is one datagram. */
  segmentBytes: number
  ecn: EcnMark
  /** Where the local address stands that they were sent to: 4 or 16 bytes. 0: it is not said. */
  localAt: number
  localBytes: 0 | 4 | 16
}

/** What is said with datagrams that are sent. */
export interface Departure {
  /** 0: it is one datagram. */
  readonly segmentBytes: number
  readonly ecn: EcnMark
  /** What it is sent from: 4 or 16 bytes. Undefined: the system's choice. */
  readonly local: Buffer | undefined
  /** The addressee has an IPv4 address, mapped or not. */
  readonly isIpv4: boolean
}

/** Room for everything that writeDeparture() may write. */
export const DEPARTURE_BYTES = space(2) + space(4) + space(20)
/** Room for everything that a socket is asked to say: one of each, and of both families. */
export const ARRIVAL_BYTES = space(4) + 2 * space(4) + space(12) + space(20)

/**
 * Reads what the kernel wrote. Bounded by `length`, whatever it says: what does not fit ends the reading.
 */
export function readArrival(from: Buffer, at: number, length: number, into: Arrival): void {
  into.segmentBytes = 0
  into.ecn = 0
  into.localAt = 0
  into.localBytes = 0
  const end = at + length
  let next = at
  while (next + HEADER_BYTES <= end) {
    const size = from.readUInt32LE(next)
    if (size < HEADER_BYTES || next + size > end) return
    readOne(from, next, size - HEADER_BYTES, into)
    next += (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1)
  }
}

function readOne(from: Buffer, at: number, bytes: number, into: Arrival): void {
  const level = from.readInt32LE(at + 8)
  const type = from.readInt32LE(at + 12)
  const dataAt = at + HEADER_BYTES
  if (level === SOL_UDP) {
    if (type === UDP_GRO && bytes >= 4) into.segmentBytes = Math.max(0, from.readInt32LE(dataAt))
  } else if (level === SOL_IP) {
    if (type === IP_TOS && bytes >= 1) into.ecn = ecnOf(from, dataAt)
    else if (type === IP_PKTINFO && bytes >= 12) {
      // struct in_pktinfo: the interface, the local address, and the one in the header.
      into.localAt = dataAt + 8
      into.localBytes = 4
    }
  } else if (level === SOL_IPV6) {
    if (type === IPV6_TCLASS && bytes >= 4) into.ecn = ecnOf(from, dataAt)
    else if (type === IPV6_PKTINFO && bytes >= 20) {
      into.localAt = dataAt
      into.localBytes = 16
    }
  }
}

/** Writes what is to be said, and returns how many bytes that took: 0 when there is nothing to say. */
export function writeDeparture(into: Buffer, at: number, departure: Departure): number {
  const { segmentBytes, ecn, local, isIpv4 } = departure
  let next = at
  if (segmentBytes > 0) {
    next = writeHeader(into, next, 2, SOL_UDP, UDP_SEGMENT)
    into.writeUInt16LE(segmentBytes, next - space(2) + HEADER_BYTES)
  }
  if (ecn !== 0) {
    next = writeHeader(into, next, 4, isIpv4 ? SOL_IP : SOL_IPV6, isIpv4 ? IP_TOS : IPV6_TCLASS)
    into.writeInt32LE(ecn, next - space(4) + HEADER_BYTES)
  }
  if (local !== undefined && isIpv4) {
    next = writeHeader(into, next, 12, SOL_IP, IP_PKTINFO)
    // ipi_spec_dst is what is sent from; a mapped address ends with it.
    local.copy(into, next - space(12) + HEADER_BYTES + 4, local.length - 4)
  } else if (local !== undefined) {
    next = writeHeader(into, next, 20, SOL_IPV6, IPV6_PKTINFO)
    local.copy(into, next - space(20) + HEADER_BYTES)
  }
  return next - at
}

/** A header and zeros behind it; returns where the next one begins. */
function writeHeader(into: Buffer, at: number, bytes: number, level: number, type: number): number {
  const end = at + space(bytes)
  into.fill(0, at, end)
  into.writeUInt32LE(HEADER_BYTES + bytes, at)
  into.writeInt32LE(level, at + 8)
  into.writeInt32LE(type, at + 12)
  return end
}

function ecnOf(from: Buffer, at: number): EcnMark {
  return (from.readUInt8(at) & ECN_BITS) as EcnMark // two bits
}

/** CMSG_SPACE. */
function space(bytes: number): number {
  return HEADER_BYTES + ((bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1))
}
