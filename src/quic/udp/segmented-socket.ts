import { isIPv6 } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { guarded, guardedImmediate, reportFault } from '../../base/guard.ts'
import { ipv4Text, ipv6Text, SOCKADDR_IN6_BYTES } from '../../base/socket/socket-address.ts'
import type { PollHandle } from '../../connect/native/load-ffi.ts'
import type { UdpAddress } from '../engine.ts'
import type { Arrival } from './control-messages.ts'
import { MAX_ARRIVALS } from './message-arena.ts'
import { Outbox } from './outbox.ts'
import { describeFeatures } from './socket-mode.ts'
import { systemError, type UdpCalls } from './udp-calls.ts'
import {
  type LocalChoice,
  type SendOptions,
  SOCKET_BUFFER_BYTES,
  type UdpSocket,
  type UdpSocketListener,
} from './udp-port.ts'

/** Calls of recvmmsg(2) between two turns of the loop: others have theirs, and acknowledgements leave. */
const MAX_RECEIVES_PER_TURN = 4
/** Addresses of senders whose texts are kept; with more, all are forgotten. */
const MAX_KNOWN_SENDERS = 4096
const EAGAIN = 11
const DURING = 'a look at a UDP socket'

/**
 * Held until they are closed: a poll handle that nobody can reach is collected, and its socket falls silent
 * (Node's own handles are held by the loop).
 */
const open = new Set<SegmentedSocket>()
let watchesExit = false

/**
 * While Node takes itself down it runs the loop once more, for handles that close. A poll handle that is
 * still there would call into JavaScript, which cannot run any more, and that ends the process by a signal.
 */
function closeAtExit(socket: SegmentedSocket): void {
  open.add(socket)
  if (watchesExit) return
  watchesExit = true
  process.once('exit', closeAll)
}

function closeAll(): void {
  for (const socket of open) guarded('the end of the process', () => socket.close())
}

let lastFault: string | undefined

/** Why a socket of this process went on with less, for people; undefined: none did. */
export function segmentationFault(): string | undefined {
  return lastFault
}

/**
 * A UDP socket of system calls (native-notes/udp-segmentation.md): what was sent in one turn leaves with one
 * call, and up to 16 messages come with one, each of them up to 64 KiB of datagrams of one sender where the
 * kernel puts them together (GRO). Each part switches itself off for good where it does not work, and no
 * datagram is lost by that.
 */
export class SegmentedSocket implements UdpSocket {
  readonly local: UdpAddress
  readonly #calls: UdpCalls
  readonly #fd: number
  readonly #remote: UdpAddress | undefined
  readonly #listener: UdpSocketListener
  readonly #outbox: Outbox
  readonly #poll: PollHandle
  readonly #arrival: Arrival = { segmentBytes: 0, ecn: 0, localAt: 0, localBytes: 0 }
  readonly #lastName = Buffer.alloc(SOCKADDR_IN6_BYTES)
  #lastSender: UdpAddress | undefined
  readonly #senders = new Map<string, UdpAddress>()
  #lastLocal: UdpAddress
  readonly #hasGro: boolean
  #hasGso = true
  #isOpen = true
  #isDue = false
  #awaitsRoom = false
  /** Promises do not continue in a callback of the poll handle, and what it throws ends the process. */
  readonly #onEvent = (status: number): void => {
    if (status < 0) this.#isStopped = true
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(this.#onImmediate)
  }
  /** An error of the socket has stopped the poll handle. */
  #isStopped = false
  readonly #onImmediate = (): void => {
    try {
      this.#look()
    } catch (error) {
      reportFault(DURING, error)
    }
  }

  private constructor(
    calls: UdpCalls,
    fd: number,
    local: UdpAddress,
    remote: UdpAddress | undefined,
    listener: UdpSocketListener,
  ) {
    const family = isIPv6(local.host) ? 6 : 4
    this.#calls = calls
    this.#fd = fd
    this.local = local
    this.#remote = remote
    this.#listener = listener
    this.#lastLocal = local
    calls.set(fd, 'receiveBuffer', SOCKET_BUFFER_BYTES)
    calls.set(fd, 'sendBuffer', SOCKET_BUFFER_BYTES)
    this.#hasGro = calls.set(fd, 'segmentsReceived', 1) === 0
    if (!this.#hasGro) lastFault = 'no GRO: the kernel has none'
    calls.set(fd, 'ecnReceived4', 1)
    if (family === 6) calls.set(fd, 'ecnReceived6', 1)
    if (remote === undefined && isWildcard(local)) {
      calls.set(fd, 'localReceived4', 1)
      if (family === 6) calls.set(fd, 'localReceived6', 1)
    }
    this.#outbox = new Outbox({
      calls,
      fd,
      family,
      onRefused: (errno, to) => this.#report(errno, 'send', to ?? remote ?? local),
      onUnsegmented: errno => {
        this.#hasGso = false
        const { host } = remote ?? local
        lastFault = `no GSO at ${host}: the system refuses segments (${getSystemErrorName(-errno)})`
      },
    })
    this.#poll = calls.poll(fd, this.#onEvent)
    closeAtExit(this)
  }

  /** See connectUdp(). Throws the system's error. */
  static connect(
    calls: UdpCalls,
    remote: UdpAddress,
    listener: UdpSocketListener,
    { address, port, isFree = false, dscp = 0 }: LocalChoice,
  ): SegmentedSocket {
    const family = isIPv6(remote.host) ? 6 : 4
    const fd = openDescriptor(calls, family, remote)
    try {
      if (dscp > 0) calls.set(fd, family === 6 ? 'trafficClass6' : 'trafficClass4', dscp << 2)
      if (isFree) calls.set(fd, family === 6 ? 'freeBind6' : 'freeBind4', 1)
      if (address !== undefined || port !== undefined) {
        const wanted = { host: address ?? (family === 6 ? '::' : '0.0.0.0'), port: port ?? 0 }
        check(calls.bind(fd, family, wanted), 'bind', wanted)
      }
      check(calls.connect(fd, family, remote), 'connect', remote)
      const socket = new SegmentedSocket(calls, fd, localOf(calls, fd, remote), remote, listener)
      socket.unref()
      return socket
    } catch (error) {
      calls.close(fd)
      throw error
    }
  }

  /** See bindUdp(). Throws the system's error. */
  static bind(calls: UdpCalls, local: UdpAddress, listener: UdpSocketListener): SegmentedSocket {
    const family = isIPv6(local.host) ? 6 : 4
    const fd = openDescriptor(calls, family, local)
    try {
      // As Node does: `::` is for IPv4 as well.
      if (family === 6) calls.set(fd, 'onlyIpv6', 0)
      check(calls.bind(fd, family, local), 'bind', local)
      return new SegmentedSocket(calls, fd, localOf(calls, fd, local), undefined, listener)
    } catch (error) {
      calls.close(fd)
      throw error
    }
  }

  /** See bindUdp(). Throws the system's error. */
  static adopt(calls: UdpCalls, fd: number, local: UdpAddress, listener: UdpSocketListener): SegmentedSocket {
    return new SegmentedSocket(calls, fd, localOf(calls, fd, local), undefined, listener)
  }

  get description(): string {
    return describeFeatures({ gso: this.#hasGso, gro: this.#hasGro })
  }

  room(bytes: number): Buffer {
    return this.#outbox.room(bytes)
  }

  send(datagram: Buffer, to?: UdpAddress, options?: SendOptions): void {
    if (this.#isOpen) this.#outbox.add(datagram, to, options?.from, options?.ecn ?? 0)
  }

  flush(): void {
    if (!this.#isOpen) return
    this.#outbox.flush()
    this.#awaitRoom()
  }

  isFull(): boolean {
    return this.#isOpen && this.#outbox.isFull
  }

  ref(): void {
    if (this.#isOpen) this.#poll.ref()
  }

  unref(): void {
    if (this.#isOpen) this.#poll.unref()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#outbox.close()
    this.#isOpen = false
    open.delete(this)
    // The handle first: the loop must not look at a descriptor that is somebody else's.
    this.#poll.close()
    this.#calls.close(this.#fd)
  }

  /** Everything that has come, as far as one turn goes; the handle is level-triggered, and calls again. */
  #look(): void {
    this.#isDue = false
    if (!this.#isOpen) return
    if (this.#isStopped) this.#listen()
    this.#listener.onBatchBegin?.()
    try {
      this.#receive()
    } finally {
      this.#listener.onBatchEnd?.()
    }
    if (!this.#awaitsRoom) return
    this.#outbox.retry()
    this.#awaitRoom()
  }

  #receive(): void {
    for (let round = 0; round < MAX_RECEIVES_PER_TURN; round += 1) {
      const count = this.#calls.receive(this.#fd)
      if (count === -EAGAIN) break
      // ICMP: the kernel reports it once, and what lies behind it is there.
      if (count < 0) this.#report(-count, 'recv', this.#remote ?? this.local)
      else this.#deliver(count)
      if (!this.#isOpen) return
      if (count >= 0 && count < MAX_ARRIVALS) break
    }
  }

  #deliver(count: number): void {
    const { arena } = this.#calls
    for (let index = 0; index < count; index += 1) {
      const length = arena.arrivalLength(index)
      if (this.#isOpen && length > 0 && !arena.isTruncated(index)) this.#deliverMessage(index, length)
      arena.resetArrival(index)
    }
  }

  #deliverMessage(index: number, length: number): void {
    const { arena } = this.#calls
    const arrival = this.#arrival
    arena.readControl(index, arrival)
    const from = this.#remote ?? this.#senderOf(index)
    if (from === undefined) return
    const to = arrival.localBytes === 0 ? this.local : this.#localOf(arrival)
    const begin = arena.arrivalAt(index)
    const step = arrival.segmentBytes === 0 ? length : arrival.segmentBytes
    for (let at = 0; at < length && this.#isOpen; at += step) {
      try {
        this.#listener.onDatagram(arena.bytes(begin + at, Math.min(step, length - at)), from, to, arrival.ecn)
      } catch (error) {
        // A connection that cannot go on ends itself (UdpLink): this is about a datagram of nobody.
        reportFault('a datagram', error)
      }
    }
  }

  #senderOf(index: number): UdpAddress | undefined {
    const { arena } = this.#calls
    if (this.#lastSender !== undefined && arena.hasSameSender(index, this.#lastName)) return this.#lastSender
    arena.copySender(index, this.#lastName)
    const key = this.#lastName.toString('latin1')
    let sender = this.#senders.get(key)
    if (sender === undefined) {
      sender = arena.sender(index)
      if (sender === undefined) return undefined
      if (this.#senders.size >= MAX_KNOWN_SENDERS) this.#senders.clear()
      this.#senders.set(key, sender)
    }
    this.#lastSender = sender
    return sender
  }

  #localOf({ localAt, localBytes }: Arrival): UdpAddress {
    const bytes = this.#calls.arena.bytes(localAt, localBytes)
    const text = localBytes === 4 ? ipv4Text(bytes, 0) : ipv6Text(bytes, 0)
    // IPv4 at a socket for both: as its sender's address is written.
    const host = localBytes === 4 && isIPv6(this.local.host) ? `::ffff:${text}` : text
    if (this.#lastLocal.host !== host) this.#lastLocal = { host, port: this.local.port }
    return this.#lastLocal
  }

  /** Waits for room in the kernel, or does not any more. */
  #awaitRoom(): void {
    if (!this.#isOpen || this.#awaitsRoom === this.#outbox.isFull) return
    this.#awaitsRoom = this.#outbox.isFull
    this.#listen()
  }

  #listen(): void {
    this.#isStopped = false
    this.#poll.start({ readable: true, writable: this.#awaitsRoom }, this.#onEvent)
  }

  /** Never within a call of the listener's own. */
  #report(errno: number, syscall: string, address: UdpAddress): void {
    const error = systemError(errno, syscall, address)
    guardedImmediate('an error of a UDP socket', () => {
      if (this.#isOpen) this.#listener.onError(error)
    })
  }
}

function openDescriptor(calls: UdpCalls, family: 4 | 6, address: UdpAddress): number {
  const fd = calls.open(family)
  check(fd, 'socket', address)
  return fd
}

function check(result: number, syscall: string, address: UdpAddress): void {
  if (result < 0) throw systemError(-result, syscall, address)
}

function localOf(calls: UdpCalls, fd: number, address: UdpAddress): UdpAddress {
  const local = calls.local(fd)
  if (local === undefined) throw systemError(0, 'getsockname', address)
  return local
}

function isWildcard({ host }: UdpAddress): boolean {
  return host === '0.0.0.0' || host === '::'
}
