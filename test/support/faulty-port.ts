import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What becomes of the connections through it, those that there are and those that come. */
export type PortBehavior =
  | { readonly kind: 'well' }
  /** They are reset, and so are new ones. */
  | { readonly kind: 'killed' }
  /** Nothing passes any more; new ones are accepted. */
  | { readonly kind: 'hung' }
  /** What the server says is late: always, or for a share of its pieces. Nothing overtakes. */
  | { readonly kind: 'slow'; readonly delayMs: number; readonly share: number }
  /** They end, and new ones lead to another server. */
  | { readonly kind: 'elsewhere'; readonly port: number }

/** A TCP port on 127.0.0.1 before a server, which misbehaves when the test says so. */
export class FaultyPort implements AsyncDisposable {
  readonly #server = createServer({ allowHalfOpen: true }, client => this.#accept(client))
  readonly #sockets = new Set<Socket>()
  readonly #target: number
  #behavior: PortBehavior = { kind: 'well' }

  private constructor(target: number) {
    this.#target = target
  }

  static async before(target: number): Promise<FaultyPort> {
    const made = new FaultyPort(target)
    made.#server.listen(0, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port // it listens on a port
  }

  become(behavior: PortBehavior): void {
    this.#behavior = behavior
    if (behavior.kind === 'killed' || behavior.kind === 'elsewhere') this.#reset()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reset()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #accept(client: Socket): void {
    this.#keep(client)
    if (this.#behavior.kind === 'killed') return void client.resetAndDestroy()
    const port = this.#behavior.kind === 'elsewhere' ? this.#behavior.port : this.#target
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.#keep(upstream)
    this.#pass(client, upstream, () => 0)
    this.#pass(upstream, client, () => {
      const { kind } = this.#behavior
      return kind === 'slow' && Math.random() < this.#behavior.share ? this.#behavior.delayMs : 0
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {}) // clients and servers may do as they like
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #pass(from: Socket, to: Socket, delayMs: () => number): void {
    let dueAt = 0
    // Timers of different lengths that are due at once do not fire in their order: each takes the next piece.
    const waiting: (() => void)[] = []
    const later = (work: () => void): void => {
      dueAt = Math.max(dueAt, performance.now() + delayMs())
      const wait = dueAt - performance.now()
      if (wait <= 0 && waiting.length === 0) return work()
      waiting.push(work)
      setTimeout(() => waiting.shift()?.(), wait)
    }
    from.on('data', (chunk: Buffer) => {
      if (this.#behavior.kind !== 'hung') later(() => void to.write(chunk))
    })
    from.once('end', () => later(() => void to.end()))
    from.once('close', () => to.destroySoon())
  }
}
