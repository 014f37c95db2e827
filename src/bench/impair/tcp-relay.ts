import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock, type Timer } from '../../base/clock.ts'
import {
  type Conditions,
  checkConditions,
  DEFAULT_QUEUE_BYTES,
  type Direction,
  type PathConditions,
} from './conditions.ts'
import { fateSeed } from './packet-loss-model.ts'
import { RateQueue } from './rate-queue.ts'
import { type StreamCounts, StreamLine } from './stream-line.ts'

export interface ImpairOptions extends PathConditions {
  readonly target: { readonly host: string; readonly port: number }
  readonly seed: number
  /** Where to listen. Default 127.0.0.1, on a port that the system chooses. */
  readonly host?: string
  readonly port?: number
  /** The bottlenecks, for relays that share them. Default: its own, which all of its connections share. */
  readonly narrow?: Readonly<Record<Direction, RateQueue>>
  readonly clock?: Clock
}

/** A TCP relay before a server, under conditions: see limits() for what it does not show. */
export interface ImpairedTcp extends AsyncDisposable {
  readonly port: number
  /** From now on; what is under way arrives as it was planned. */
  setConditions(direction: Direction, conditions: Conditions): void
  counts(): Readonly<Record<Direction, StreamCounts>>
}

/**
 * Starts a relay. Each connection to it becomes one to the target: bytes in order, half-closes and resets
 * passed on.
 */
export async function impairTcp(options: ImpairOptions): Promise<ImpairedTcp> {
  const relay = new TcpRelay(options)
  await relay.listen(options.port ?? 0, options.host ?? '127.0.0.1')
  return relay
}

class TcpRelay implements ImpairedTcp {
  readonly #options: ImpairOptions
  readonly #server: Server
  readonly #clock: Clock
  readonly #conditions: Record<Direction, Conditions>
  readonly #narrow: Readonly<Record<Direction, RateQueue>>
  readonly #counts: Readonly<Record<Direction, StreamCounts>> = {
    toServer: { connections: 0, bytes: 0, delivered: 0, stalls: 0 },
    toClient: { connections: 0, bytes: 0, delivered: 0, stalls: 0 },
  }
  readonly #sockets = new Set<Socket>()
  readonly #paths = new Set<StreamPath>()
  #accepted = 0

  constructor(options: ImpairOptions) {
    const { toServer, toClient } = options
    for (const conditions of [toServer, toClient]) checkConditions(conditions)
    this.#options = options
    this.#conditions = { toServer, toClient }
    this.#clock = options.clock ?? systemClock
    this.#narrow = options.narrow ?? { toServer: new RateQueue(), toClient: new RateQueue() }
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, socket => this.#accept(socket))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port // it listens on TCP
  }

  async listen(port: number, host: string): Promise<void> {
    this.#server.listen({ port, host, backlog: 1024 })
    await once(this.#server, 'listening')
  }

  setConditions(direction: Direction, conditions: Conditions): void {
    checkConditions(conditions)
    this.#conditions[direction] = conditions
    for (const path of this.#paths) path.onConditions()
  }

  counts(): Readonly<Record<Direction, StreamCounts>> {
    return structuredClone(this.#counts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(client: Socket): void {
    const number = this.#accepted++
    const server = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true })
    const now = this.#clock.now()
    // The kernel has shaken hands with the client already. Over a long path that takes one round trip before
    // the first byte can be sent, and the server accepts when the client's acknowledgment has come.
    const clientOpensAt = now + this.#roundTripMs()
    const serverOpensAt = clientOpensAt + (this.#conditions.toServer.delayMs ?? 0)
    const paths = [
      this.#join(client, server, 'toServer', number, clientOpensAt),
      this.#join(server, client, 'toClient', number, serverOpensAt),
    ]
    let open = 2
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        if (--open === 0) for (const path of paths) this.#paths.delete(path)
      })
    }
  }

  #join(from: Socket, to: Socket, direction: Direction, number: number, opensAt: number): StreamPath {
    const counts = this.#counts[direction]
    counts.connections++
    const narrow = this.#narrow[direction]
    const line = new StreamLine(fateSeed(this.#options.seed, direction, number), narrow, counts, opensAt)
    const path = () => ({ conditions: this.#conditions[direction], roundTripMs: this.#roundTripMs() })
    const stream = new StreamPath({ from, to, line, narrow, clock: this.#clock, path })
    this.#paths.add(stream)
    return stream
  }

  /** As TCP would measure it where nothing waits. */
  #roundTripMs(): number {
    let sum = 0
    for (const { delayMs = 0, jitterMs = 0 } of Object.values(this.#conditions)) sum += delayMs + jitterMs / 2
    return sum
  }
}

interface StreamPathOptions {
  readonly from: Socket
  readonly to: Socket
  readonly line: StreamLine
  readonly narrow: RateQueue
  readonly clock: Clock
  /** Read for each chunk, so that they may be changed at any time; onConditions() then. */
  readonly path: () => { readonly conditions: Conditions; readonly roundTripMs: number }
}

/**
 * Passes on what arrives on one socket to another as a StreamLine says; the other direction is another
 * StreamPath. It reads no more than the line, the bottleneck and the receiver take, so that the sender is
 * held back by its own kernel, and in a black hole it reads nothing.
 */
class StreamPath {
  readonly #options: StreamPathOptions
  #timer: Timer | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #isBlocked = false
  /**
   * A reset is under way: it overtakes bytes that wait for a retransmission, and what is under way when it
   * arrives is lost.
   */
  #resetAt = Number.POSITIVE_INFINITY
  #isOver = false

  constructor(options: StreamPathOptions) {
    this.#options = options
    const { from, to } = options
    from.on('data', (chunk: Buffer) => this.#put(chunk))
    from.on('end', () => this.#put('end'))
    // Its close says the same, and says it of a socket that was ended in another way too.
    from.on('error', () => undefined)
    from.on('close', () => {
      if (!from.readableEnded) this.#onReset()
    })
    to.on('drain', () => {
      this.#isBlocked = false
      this.#turn()
    })
    // What it receives from now on leads nowhere. If that was a fault, the other path passes it on.
    to.on('close', () => this.#end())
    this.#turn()
  }

  onConditions(): void {
    this.#turn()
  }

  #put(parcel: Buffer | 'end'): void {
    if (this.#isOver) return
    const { line, clock, path } = this.#options
    const { conditions, roundTripMs } = path()
    line.put(parcel, clock.now(), conditions, roundTripMs)
    this.#turn()
  }

  #onReset(): void {
    const { clock, path } = this.#options
    this.#resetAt = clock.now() + (path().conditions.delayMs ?? 0)
    this.#turn()
  }

  /** Does what is due, says whether more is read, and sets the timer for the rest. */
  #turn(): void {
    if (this.#isOver) return
    const { clock, line, to, path } = this.#options
    const now = clock.now()
    const { conditions } = path()
    const isBlackHole = conditions.isBlackHole === true
    if (this.#resetAt <= now && !isBlackHole) {
      this.#end()
      to.resetAndDestroy()
      return
    }
    this.#deliver(now)
    const readsAt = this.#readsAt(now, conditions)
    this.#read(readsAt <= now)
    const never = Number.POSITIVE_INFINITY
    const times = [
      this.#isBlocked ? never : line.nextDueAt,
      readsAt <= now ? never : readsAt,
      isBlackHole ? never : this.#resetAt,
    ]
    this.#wakeAt(Math.min(...times), now)
  }

  #deliver(now: number): void {
    const { line, to } = this.#options
    if (this.#isBlocked || line.nextDueAt > now) return
    to.cork()
    while (!this.#isBlocked) {
      const parcel = line.take(now)
      if (parcel === undefined) break
      if (parcel === 'end') to.end()
      else this.#isBlocked = !to.write(parcel)
    }
    to.uncork()
  }

  /** When more may be read; Infinity: something else has to happen first. */
  #readsAt(now: number, { isBlackHole, queueBytes = DEFAULT_QUEUE_BYTES }: Conditions): number {
    const { line, narrow } = this.#options
    if (isBlackHole === true || line.isFull) return Number.POSITIVE_INFINITY
    return narrow.lessThanAt(queueBytes, now)
  }

  #read(isWanted: boolean): void {
    const { from } = this.#options
    if (from.isPaused() !== isWanted) return
    if (isWanted) from.resume()
    else from.pause()
  }

  #wakeAt(at: number, now: number): void {
    if (at === this.#wakesAt) return
    this.#timer?.cancel()
    this.#wakesAt = at
    if (at === Number.POSITIVE_INFINITY) return
    // Node's timers count whole milliseconds and are up to one late. One that is early finds nothing and sets
    // another.
    this.#timer = this.#options.clock.setTimer(Math.ceil(at - now), () => {
      this.#wakesAt = Number.POSITIVE_INFINITY
      this.#turn()
    })
  }

  #end(): void {
    this.#isOver = true
    this.#timer?.cancel()
    // Else it would not see the end of one that it was holding back.
    this.#options.from.resume()
  }
}
