import type { Server, Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import { descriptorLimit, openDescriptors, shareDescriptors } from '../base/descriptors.ts'
import { guardedListener } from '../base/guard.ts'
import { descriptorOf } from '../base/socket/stream-socket.ts'
import { type DescriptorCalls, descriptorCalls, socketCalls } from '../connect/native/socket-calls.ts'

/** What a listener may take of the descriptors of the process. */
export interface AcceptRoom {
  /** Connections of this listener. Infinity: as many as its own limit allows. */
  readonly maxConnections: number
  /**
   * Descriptors of the whole process with which nobody accepts, since what is left is kept for other things.
   */
  readonly maxDescriptors: number
}

export interface AcceptGateParts {
  readonly server: Server
  readonly room: AcceptRoom
  readonly clock: Clock
  /** Open connections of this listener. */
  readonly open: () => number
  /**
   * Clients wait: so many connections that have carried requests should end when they are between two of
   * them.
   */
  readonly makeRoom: (connections: number) => void
  readonly onPaused: (because: string) => void
  readonly onResumed: (pausedMs: number) => void
}

/** The machine below; tests have another one. */
export interface DescriptorMachine {
  readonly calls: () => DescriptorCalls | undefined
  readonly openDescriptors: () => number | undefined
  /** Connections that wait to be accepted from a listening socket. Undefined: it cannot be known. */
  readonly waiting: (fd: number) => number | undefined
}

const MACHINE: DescriptorMachine = { calls: descriptorCalls, openDescriptors, waiting: waitingConnections }

/** How soon it is seen that there is room again, and a share of the time that looking takes. */
const LOOK_MS = 50
const LOOK_COST_FACTOR = 20
/** Goes on when this share of the connections has ended: not for each one. */
const FREE_SHARE = 1 / 16
/** Of those that may be open, asked to end with each look. */
const MAKE_ROOM_SHARE = 1 / 32

/**
 * Stops a listener from accepting before descriptors run out, and lets it go on. Node cannot stop accepting
 * but by closing the socket, which resets whoever waits in its queue; so a second descriptor keeps the socket
 * listening meanwhile, and clients wait as they do for any busy server.
 *
 * open    connections are accepted. Valid transitions: paused, ended
 * paused  clients wait in the queue of the kernel. Valid transitions: open, ended
 * ended   the listener drains or is closed. Final
 */
export class AcceptGate {
  readonly #parts: AcceptGateParts
  readonly #machine: DescriptorMachine
  #phase: 'open' | 'ended' | { readonly fd: number; readonly since: number } = 'open'
  #timer: Timer | undefined

  constructor(parts: AcceptGateParts, machine: DescriptorMachine = MACHINE) {
    this.#parts = parts
    this.#machine = machine
  }

  get isPaused(): boolean {
    return typeof this.#phase === 'object'
  }

  /**
   * After each accept, the new connection among the open ones. False: there is no room for it, and no way to
   * let others wait, so that it has to be closed. The kernel gives the lowest free number to a new socket:
   * all below are taken.
   */
  onAccepted(socket: Socket): boolean {
    if (this.#phase !== 'open') return true
    const { room, open } = this.#parts
    const isLast = open() >= room.maxConnections
    const isHigh = (descriptorOf(socket) ?? 0) >= room.maxDescriptors
    if (!isLast && !isHigh) return true
    const because = isLast
      ? `${room.maxConnections} connections are the share of this listener`
      : `${room.maxDescriptors} descriptors are in use`
    return this.#pause(because) || (!isHigh && open() <= room.maxConnections)
  }

  /** The listener accepts no more, whatever happens. */
  end(): void {
    this.#timer?.cancel()
    if (typeof this.#phase === 'object') this.#machine.calls()?.close(this.#phase.fd)
    this.#phase = 'ended'
  }

  #pause(because: string): boolean {
    const { server, clock, onPaused } = this.#parts
    const own = descriptorOf(server)
    const fd = own === undefined ? undefined : this.#machine.calls()?.duplicate(own)
    if (fd === undefined) return false
    this.#phase = { fd, since: clock.now() }
    server.close() // the connections stay
    onPaused(because)
    this.#look()
    return true
  }

  #look(): void {
    if (typeof this.#phase !== 'object') return
    const { clock, room, open, makeRoom } = this.#parts
    const began = clock.now()
    if (this.#hasRoom()) return this.#resume()
    const share = Math.max(1, Math.ceil(Math.min(open(), room.maxConnections) * MAKE_ROOM_SHARE))
    const count = Math.min(share, this.#machine.waiting(this.#phase.fd) ?? share)
    if (count > 0) makeRoom(count)
    const cost = clock.now() - began
    this.#lookAgain(Math.max(LOOK_MS, cost * LOOK_COST_FACTOR))
  }

  /** A look that fails must not be the last one: nobody would be accepted any more. */
  #lookAgain(delayMs: number): void {
    const look = guardedListener(
      'looking for room for connections',
      () => this.#look(),
      () => this.#lookAgain(LOOK_MS),
    )
    this.#timer = this.#parts.clock.setTimer(delayMs, look)
  }

  #hasRoom(): boolean {
    const { maxConnections, maxDescriptors } = this.#parts.room
    const free = Number.isFinite(maxConnections) ? Math.max(1, Math.floor(maxConnections * FREE_SHARE)) : 0
    if (this.#parts.open() > maxConnections - free) return false
    // Without knowing how many are open one more is tried: the number of its descriptor says it.
    const inUse = this.#machine.openDescriptors() ?? 0
    return inUse < maxDescriptors - Math.floor(maxDescriptors * FREE_SHARE)
  }

  #resume(): void {
    if (typeof this.#phase !== 'object') return
    const { fd, since } = this.#phase
    this.#parts.server.listen({ fd })
    this.#phase = 'open'
    this.#timer = undefined
    this.#parts.onResumed(this.#parts.clock.now() - since)
  }
}

/**
 * Of a listening socket the kernel gives the length of its queue where it has the unacknowledged segments of
 * a connection (tcp(7), TCP_INFO).
 */
function waitingConnections(fd: number): number | undefined {
  const loaded = socketCalls()
  return 'calls' in loaded ? loaded.calls.tcpInfo(fd)?.unackedSegments : undefined
}

/** How the descriptors of a process go round between its listeners and its connections to origins. */
export interface AcceptPlan {
  /** Of this process. */
  readonly limit: number
  /** For each listener. */
  readonly room: AcceptRoom
  /** What all clients may have, and all origins; undefined: their own limits are lower. */
  readonly clients: number | undefined
  readonly origins: number | undefined
}

/** What was written down, or what holds by default. */
export interface PlannedLimits {
  readonly listeners: number
  /**
   * Of one listener. Undefined: nobody has said anything, and `defaultMaxConnections` is more than a small
   * process can have.
   */
  readonly maxConnections: number | undefined
  readonly defaultMaxConnections: number
  readonly maxTotalConnections: number
}

/**
 * Where listeners stop accepting so that descriptors do not run out. A number that was written down holds, be
 * it too high: then the descriptors in use alone say when to stop. Undefined: there is no limit, or it is not
 * known.
 */
export function planAccept(planned: PlannedLimits, limit = descriptorLimit()): AcceptPlan | undefined {
  if (limit === undefined) return undefined
  const { listeners, maxConnections, defaultMaxConnections, maxTotalConnections } = planned
  const { reserve, clients, origins } = shareDescriptors(limit)
  const share = Math.max(1, Math.floor(clients / Math.max(1, listeners)))
  const isShort = maxConnections === undefined && share < defaultMaxConnections
  return {
    limit,
    room: {
      maxConnections: isShort ? share : Number.POSITIVE_INFINITY,
      maxDescriptors: limit - Math.floor(reserve / 2),
    },
    clients: isShort ? clients : undefined,
    origins: origins <= maxTotalConnections ? origins : undefined,
  }
}
