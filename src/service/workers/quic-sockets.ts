import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { errnoName, type ListeningSocketCalls } from '../../connect/native/listening-sockets.ts'
import type { TransportError } from '../../index.ts'
import { MAX_ROUTED_SOCKETS, steeringProgram } from '../../quic/routed-ids.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import { listenFailure } from '../lifecycle/listen-failure.ts'

/** One socket of an address, as a worker gets it. */
export interface ClaimedSocket {
  readonly fd: number
  readonly mark: number
  /** Its number among those of the address. */
  readonly socket: number
}

/** The sockets of one address as a successor takes them over. */
export interface QuicHandover {
  /** In the order of their numbers. */
  readonly fds: readonly number[]
  readonly mark: number
  /** Numbers of those that others use still, and the process that has them. */
  readonly used: readonly { readonly socket: number; readonly pid: number }[]
}

interface Owner {
  /** Of this service; undefined: of a predecessor. */
  readonly worker: number | undefined
  readonly pid: number
}

/**
 * The UDP sockets of one address that several processes serve. Their number grows and never shrinks while
 * this process or a successor lives: the kernel would number the others anew. Each worker has one for itself,
 * from its start to its end, so that two programs, or a worker that drains and the one in its place, never
 * read each other's datagrams. `steer` says who gets new connections; whatever bears an id of ours goes where
 * the id was given out (see routed-ids.ts).
 */
export class QuicSockets {
  readonly #calls: ListeningSocketCalls
  #address: ListenAddress
  readonly #mark: number
  readonly #fds: number[]
  readonly #owners = new Map<number, Owner>()
  readonly #isAlive: (pid: number) => boolean
  #targets: readonly number[] = []

  constructor(
    calls: ListeningSocketCalls,
    address: ListenAddress,
    before?: QuicHandover,
    isAlive: (pid: number) => boolean = isProcessAlive,
  ) {
    this.#calls = calls
    this.#address = address
    this.#mark = before?.mark ?? randomBytes(4).readUInt32BE(0)
    this.#fds = [...(before?.fds ?? [])]
    this.#isAlive = isAlive
    for (const { socket, pid } of before?.used ?? []) this.#owners.set(socket, { worker: undefined, pid })
  }

  get address(): ListenAddress {
    return this.#address
  }

  get fds(): readonly number[] {
    return this.#fds
  }

  /** Opens the first one, so that a port that is taken is known at the start. Throws MM_LISTEN_FAILED. */
  reserve(): void {
    if (this.#fds.length === 0) this.#open()
  }

  /** The socket of a worker: one that nobody has, else a new one. Throws MM_LISTEN_FAILED. */
  claim(worker: number): ClaimedSocket {
    const free = this.#fds.findIndex((_, socket) => this.#isFree(socket))
    const socket = free === -1 ? this.#open() : free
    this.#owners.set(socket, { worker, pid: process.pid })
    return { fd: this.#fds[socket] as number, mark: this.#mark, socket } // it was found or opened
  }

  /** The worker has ended. */
  release(worker: number): void {
    for (const [socket, owner] of this.#owners) if (owner.worker === worker) this.#owners.delete(socket)
  }

  /**
   * Only these get new connections from now on. Without any of them it stays as it was: datagrams wait for
   * the worker that takes the place of the one that has ended. Answers why it cannot be done; undefined: it
   * is.
   */
  steer(workers: readonly number[]): string | undefined {
    const targets = [...this.#owners]
      .flatMap(([socket, { worker }]) => (worker !== undefined && workers.includes(worker) ? [socket] : []))
      .toSorted((a, b) => a - b)
    if (targets.length === 0 || targets.join() === this.#targets.join()) return undefined
    const program = steeringProgram({ mark: this.#mark, sockets: this.#fds.length, targets })
    const errno = this.#calls.steer(this.#fds[0] as number, program) // a target has a socket
    if (errno !== 0) return errnoName(errno)
    this.#targets = targets
    return undefined
  }

  /** For a successor, which inherits all descriptors. */
  handover(): QuicHandover {
    const used = [...this.#owners].flatMap(([socket, { worker, pid }]) =>
      worker !== undefined || this.#isAlive(pid) ? [{ socket, pid }] : [],
    )
    return { fds: this.#fds, mark: this.#mark, used }
  }

  close(): void {
    for (const fd of this.#fds.splice(0)) this.#calls.close(fd)
  }

  #isFree(socket: number): boolean {
    const owner = this.#owners.get(socket)
    return owner === undefined || (owner.worker === undefined && !this.#isAlive(owner.pid))
  }

  #open(): number {
    if (this.#fds.length >= MAX_ROUTED_SOCKETS)
      throw this.#failure(new Error(`it has ${MAX_ROUTED_SOCKETS} UDP sockets already`))
    // With SO_REUSEPORT the port of another service would not be refused, but shared: without it, it is.
    if (this.#fds.length === 0) {
      const trial = this.#openOne(false)
      this.#calls.close(trial.fd)
      this.#address = { ...this.#address, port: trial.port }
    }
    return this.#fds.push(this.#openOne(true).fd) - 1
  }

  #openOne(sharesPort: boolean): { readonly fd: number; readonly port: number } {
    const family = isIP(this.#address.host) === 6 ? 6 : 4
    const opened = this.#calls.openDatagram(family, this.#address, sharesPort)
    if (!('errno' in opened)) return opened
    const code = errnoName(opened.errno)
    throw this.#failure(Object.assign(new Error(`bind ${code}`), { code }))
  }

  #failure(cause: Error): TransportError {
    return listenFailure('a listener of HTTP/3', this.#address, cause)
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
