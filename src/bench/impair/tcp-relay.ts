import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Conditions, Direction, PathConditions } from './conditions.ts'
import { checkConditions } from './conditions.ts'
import { fateSeed } from './packet-loss-model.ts'
import { RateQueue } from './rate-queue.ts'
import { type StreamCounts, StreamLine } from './stream-line.ts'
import { StreamPath } from './stream-path.ts'

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
  /** From now on; what is under way arrives as it was told. */
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
