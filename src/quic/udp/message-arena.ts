import {
  addressBytes,
  readSocketAddress,
  SOCKADDR_IN6_BYTES,
  writeSocketAddress,
} from '../../base/socket/socket-address.ts'
import type { UdpAddress } from '../engine.ts'
import type { PlannedMessage } from './batch-plan.ts'
import {
  ARRIVAL_BYTES,
  type Arrival,
  DEPARTURE_BYTES,
  type EcnMark,
  readArrival,
  writeDeparture,
} from './control-messages.ts'

/** Messages of one recvmmsg(2): more than one turn of the loop brings, mostly. */
export const MAX_ARRIVALS = 16
/** Messages of one sendmmsg(2). */
export const MAX_DEPARTURES = 64
/** What one message can hold, segments included: the length of an IP packet has 16 bits. */
const MESSAGE_BYTES = 65_536
/** Datagrams that wait for the end of their turn; more leave in pieces. */
export const OUTGOING_BYTES = 131_072

/** struct mmsghdr: struct msghdr (name, its length, iov, their number, control, its length, flags), bytes. */
const HEADER_BYTES = 64
const NAME_AT = 0
const NAME_LENGTH_AT = 8
const IOV_AT = 16
const IOV_COUNT_AT = 24
const CONTROL_AT = 32
const CONTROL_LENGTH_AT = 40
const FLAGS_AT = 48
const MESSAGE_LENGTH_AT = 56
/** struct iovec: address, length. */
const IOV_BYTES = 16
const NAME_ROOM = 32
const SCRATCH_BYTES = 64
/** Flags of a message that came: it was longer than its room, or its control messages were. */
const MSG_TRUNC = 0x20
const MSG_CTRUNC = 0x08

/** Whose datagrams lie in the memory for those that are about to leave. */
interface OutgoingOwner {
  flush(): void
}

/** Where the parts of one kind of message lie; all of a kind are alike and in a row. */
interface Row {
  readonly headersAt: number
  readonly iovsAt: number
  readonly namesAt: number
  readonly controlsAt: number
  readonly controlRoom: number
}

/** Addresses whose bytes are kept; with more, all are forgotten. */
const MAX_KNOWN_ADDRESSES = 1024

/**
 * The memory that system calls read and write, for all sockets of this process: what comes is handed on
 * before the next call, and what leaves waits for the end of one turn only. Nobody else knows an address, so
 * that every one that the kernel is given was computed here, and lies within it (`#addressOf`): a wrong one
 * would end the process, or write where it should not.
 */
export class MessageArena {
  readonly #memory: Buffer
  readonly #base: number
  readonly #arrivals: Row
  readonly #departures: Row
  readonly #scratchAt: number
  readonly #incomingAt: number
  /** Datagrams to send begin here. */
  readonly outgoingAt: number
  #owner: OutgoingOwner | undefined
  readonly #addresses = new Map<string, Buffer>()

  /** `addressOf`: where the bytes lie; they must not move. */
  constructor(addressOf: (memory: Buffer) => bigint) {
    let end = 0
    const take = (bytes: number): number => {
      const at = end
      end += (bytes + 63) & ~63
      return at
    }
    const row = (count: number, controlRoom: number): Row => ({
      headersAt: take(count * HEADER_BYTES),
      iovsAt: take(count * IOV_BYTES),
      namesAt: take(count * NAME_ROOM),
      controlsAt: take(count * controlRoom),
      controlRoom,
    })
    this.#arrivals = row(MAX_ARRIVALS, ARRIVAL_BYTES)
    this.#departures = row(MAX_DEPARTURES, DEPARTURE_BYTES)
    this.#scratchAt = take(SCRATCH_BYTES)
    this.outgoingAt = take(OUTGOING_BYTES)
    this.#incomingAt = take(MAX_ARRIVALS * MESSAGE_BYTES)
    // Its own, not of Node's pool, and too large for V8 to move. Zeroed: the pages come with their use.
    this.#memory = Buffer.alloc(end)
    this.#base = Number(addressOf(this.#memory))
    if (!Number.isSafeInteger(this.#base) || this.#base <= 0) throw new Error('memory without an address')
    for (let index = 0; index < MAX_ARRIVALS; index += 1) this.#prepareArrival(index)
    for (let index = 0; index < MAX_DEPARTURES; index += 1)
      this.#link(this.#departures, index, this.outgoingAt, 0)
  }

  /** A piece of the memory, to be read or written until the next call. */
  bytes(at: number, length: number): Buffer {
    this.#addressOf(at, length)
    return this.#memory.subarray(at, at + length)
  }

  /** Where a datagram lies that was written into bytes(); undefined: somewhere else. */
  offsetOf(datagram: Buffer): number | undefined {
    return datagram.buffer === this.#memory.buffer ? datagram.byteOffset - this.#memory.byteOffset : undefined
  }

  /** The memory from `outgoingAt` on is the caller's until somebody else takes it: what lies there leaves. */
  takeOutgoing(owner: OutgoingOwner): void {
    if (this.#owner === owner) return
    this.#owner?.flush()
    this.#owner = owner
  }

  releaseOutgoing(owner: OutgoingOwner): void {
    if (this.#owner === owner) this.#owner = undefined
  }

  /** For recvmmsg(2). */
  arrivalHeaders(): number {
    return this.#addressOf(this.#arrivals.headersAt, MAX_ARRIVALS * HEADER_BYTES)
  }

  /** For sendmmsg(2): messages from `first` on. */
  departureHeaders(first: number, count: number): number {
    return this.#addressOf(this.#departures.headersAt + first * HEADER_BYTES, count * HEADER_BYTES)
  }

  /** Where message `index` lies that came; its length by arrivalLength(). */
  arrivalAt(index: number): number {
    return this.#incomingAt + index * MESSAGE_BYTES
  }

  arrivalLength(index: number): number {
    return Math.min(
      MESSAGE_BYTES,
      this.#memory.readUInt32LE(this.#headerAt(this.#arrivals, index) + MESSAGE_LENGTH_AT),
    )
  }

  /** It does not say all, or is not whole: it is lost. */
  isTruncated(index: number): boolean {
    const flags = this.#memory.readUInt32LE(this.#headerAt(this.#arrivals, index) + FLAGS_AT)
    return (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0
  }

  /** Of message `index` that came: its control messages. */
  readControl(index: number, into: Arrival): void {
    const { controlsAt, controlRoom } = this.#arrivals
    const said = this.#memory.readUInt32LE(this.#headerAt(this.#arrivals, index) + CONTROL_LENGTH_AT)
    readArrival(this.#memory, controlsAt + index * controlRoom, Math.min(said, controlRoom), into)
  }

  /** The sender of message `index`; undefined: it has none that we know. */
  sender(index: number): UdpAddress | undefined {
    return readSocketAddress(this.#memory, this.#arrivals.namesAt + index * NAME_ROOM)
  }

  /** The sender's bytes are those that were read last: `previous` is an index, or -1. */
  hasSameSender(index: number, previous: Buffer): boolean {
    const at = this.#arrivals.namesAt + index * NAME_ROOM
    return previous.compare(this.#memory, at, at + SOCKADDR_IN6_BYTES) === 0
  }

  copySender(index: number, into: Buffer): void {
    const at = this.#arrivals.namesAt + index * NAME_ROOM
    this.#memory.copy(into, 0, at, at + SOCKADDR_IN6_BYTES)
  }

  /** The kernel has written lengths and flags over what it was given: it may have message `index` again. */
  resetArrival(index: number): void {
    const at = this.#headerAt(this.#arrivals, index)
    this.#memory.writeUInt32LE(NAME_ROOM, at + NAME_LENGTH_AT)
    this.#memory.writeUInt32LE(this.#arrivals.controlRoom, at + CONTROL_LENGTH_AT)
  }

  /**
   * Message `index` of the next sendmmsg(2): `planned.bytes` from `at` on. Without an addressee it goes to
   * where the socket is connected to. False: the addressee is none of that family.
   */
  writeDeparture(
    index: number,
    at: number,
    planned: PlannedMessage,
    family: 4 | 6,
    to: UdpAddress | undefined,
    local: Buffer | undefined,
    ecn: EcnMark,
  ): boolean {
    const { namesAt, controlsAt, controlRoom } = this.#departures
    const header = this.#headerAt(this.#departures, index)
    this.#link(this.#departures, index, at, planned.bytes)
    let nameBytes = 0
    let isIpv4 = family === 4
    if (to !== undefined) {
      const address = this.#knownAddress(to.host)
      if (address === undefined) return false
      nameBytes = writeSocketAddress(this.#memory, namesAt + index * NAME_ROOM, family, address, to.port)
      if (nameBytes === 0) return false
      isIpv4 = address.length === 4 || to.host.startsWith('::ffff:')
    }
    this.#memory.writeUInt32LE(nameBytes, header + NAME_LENGTH_AT)
    const { segmentBytes } = planned
    const said =
      segmentBytes === 0 && ecn === 0 && local === undefined
        ? 0
        : writeDeparture(this.#memory, controlsAt + index * controlRoom, { segmentBytes, ecn, local, isIpv4 })
    this.#memory.writeUInt32LE(said, header + CONTROL_LENGTH_AT)
    return true
  }

  /** For calls that take a small piece of memory and give one back: an option's value, an address. */
  scratch(length: number): { readonly bytes: Buffer; readonly address: number } {
    return { bytes: this.bytes(this.#scratchAt, length), address: this.#addressOf(this.#scratchAt, length) }
  }

  #prepareArrival(index: number): void {
    this.#link(this.#arrivals, index, this.arrivalAt(index), MESSAGE_BYTES)
    this.resetArrival(index)
  }

  /** What never changes but for the piece of memory that the message is. */
  #link(row: Row, index: number, at: number, length: number): void {
    const header = this.#headerAt(row, index)
    const iov = row.iovsAt + index * IOV_BYTES
    this.#writeAddress(iov, at, length)
    this.#memory.writeUInt32LE(length, iov + 8)
    this.#writeAddress(header + NAME_AT, row.namesAt + index * NAME_ROOM, NAME_ROOM)
    this.#writeAddress(header + IOV_AT, iov, IOV_BYTES)
    this.#memory.writeUInt32LE(1, header + IOV_COUNT_AT)
    this.#writeAddress(header + CONTROL_AT, row.controlsAt + index * row.controlRoom, row.controlRoom)
  }

  #headerAt({ headersAt }: Row, index: number): number {
    return headersAt + index * HEADER_BYTES
  }

  #writeAddress(into: number, at: number, length: number): void {
    const address = this.#addressOf(at, length)
    this.#memory.writeUInt32LE(address % 2 ** 32, into)
    this.#memory.writeUInt32LE(Math.floor(address / 2 ** 32), into + 4)
  }

  /** The one place where an address is made. */
  #addressOf(at: number, length: number): number {
    if (
      !(
        Number.isInteger(at) &&
        Number.isInteger(length) &&
        at >= 0 &&
        length >= 0 &&
        at + length <= this.#memory.length
      )
    )
      throw new RangeError(`${length} bytes at ${at} are not within the memory of UDP messages`)
    return this.#base + at
  }

  #knownAddress(host: string): Buffer | undefined {
    const known = this.#addresses.get(host)
    if (known !== undefined) return known
    const bytes = addressBytes(host)
    if (bytes === undefined) return undefined
    if (this.#addresses.size >= MAX_KNOWN_ADDRESSES) this.#addresses.clear()
    this.#addresses.set(host, bytes)
    return bytes
  }
}
