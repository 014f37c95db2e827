import { endianness } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import type { UdpAddress } from '../engine.ts'
import { DgramSocket } from './dgram-socket.ts'
import { SegmentedSocket, segmentationFault } from './segmented-socket.ts'
import { chooseSocketKind, describeFeatures, type SocketKind } from './socket-mode.ts'
import { type UdpCalls, udpCalls } from './udp-calls.ts'
import type { LocalChoice, UdpSocket, UdpSocketListener } from './udp-port.ts'

let chosen: SocketKind | undefined

/** What sockets of this process are: decided with the first one. */
export function socketKind(): SocketKind {
  chosen ??= chooseSocketKind({
    platform: process.platform,
    arch: process.arch,
    endianness: endianness(),
    isMainThread,
    missing: missingCalls(),
    wish: process.env['MIDDLEMILE_UDP'],
  })
  return chosen
}

/** For people: how the UDP sockets of this process move datagrams. */
export interface UdpStanding {
  readonly uses: string
  /** What is in the way of better. Undefined: nothing, as far as is known. */
  readonly missing: string | undefined
  /** Datagrams can be marked (`socket.dscp`). */
  readonly isMarking: boolean
}

export function udpStanding(): UdpStanding {
  const kind = socketKind()
  if (kind.kind === 'dgram')
    return { uses: 'dgram, one datagram per system call', missing: kind.because, isMarking: false }
  const missing = segmentationFault()
  return { uses: describeFeatures({ gso: true, gro: true }), missing, isMarking: true }
}

/**
 * Connected: nothing is received from others, and ICMP errors come. Rejects with the system's error. Does not
 * keep the process alive.
 */
export async function connectUdp(
  remote: UdpAddress,
  listener: UdpSocketListener,
  choice: LocalChoice = {},
): Promise<UdpSocket> {
  // Node would bind to what is left of the number in 16 bits.
  if (choice.port !== undefined && !isPort(choice.port)) throw new RangeError(`not a port: ${choice.port}`)
  const calls = segmentedCalls()
  if (calls === undefined) return await DgramSocket.connect(remote, listener, choice)
  return SegmentedSocket.connect(calls, remote, listener, choice)
}

/**
 * For any number of peers. Rejects with the system's error. Keeps the process alive. `descriptor`: of a
 * socket that is bound already, and that is this socket's from now on.
 */
export async function bindUdp(
  local: UdpAddress,
  listener: UdpSocketListener,
  descriptor?: number,
): Promise<UdpSocket> {
  const calls = segmentedCalls()
  if (calls === undefined) return await DgramSocket.bind(local, listener, descriptor)
  if (descriptor === undefined) return SegmentedSocket.bind(calls, local, listener)
  return SegmentedSocket.adopt(calls, descriptor, local, listener)
}

function segmentedCalls(): UdpCalls | undefined {
  if (socketKind().kind !== 'segmented') return undefined
  const loaded = udpCalls()
  return 'calls' in loaded ? loaded.calls : undefined
}

function missingCalls(): string | undefined {
  // Not loaded where they would not be used: koffi takes 14 ms.
  if (process.env['MIDDLEMILE_UDP'] === 'dgram' || process.platform !== 'linux' || !isMainThread)
    return undefined
  const loaded = udpCalls()
  return 'unavailable' in loaded ? loaded.unavailable : undefined
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535
}
