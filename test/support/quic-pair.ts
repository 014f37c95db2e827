import { randomBytes } from 'node:crypto'
import { type TlsOptions } from '../../src/base/options/options.ts'
import { DEFAULT_QUIC_OPTIONS, type QuicOptions } from '../../src/base/options/protocol-options.ts'
import type { DrivenConnection, DrivenEngine } from '../../src/quic/driven-connection.ts'
import type { QuicConnectOptions, QuicEvent, QuicServerTls, UdpAddress } from '../../src/quic/engine.ts'

/**
 * A client and a server of the real engine, whose datagrams are carried by hand: no sockets, and no waiting
 * but for the engine's clock.
 */

export const CLIENT: UdpAddress = { host: '127.0.0.1', port: 40_001 }
export const SERVER: UdpAddress = { host: '127.0.0.1', port: 40_002 }

export interface PairOptions {
  readonly tls: TlsOptions
  readonly serverTls: QuicServerTls
  readonly serverName?: string
  readonly protocols?: readonly string[]
  readonly serverProtocols?: readonly string[]
  readonly quic?: Partial<QuicOptions>
  readonly serverQuic?: Partial<QuicOptions>
  readonly ticket?: Buffer | undefined
  readonly earlyData?: boolean
  readonly keylog?: QuicConnectOptions['keylog']
  readonly allowsSecondPath?: boolean
}

export class QuicPair {
  readonly client: DrivenConnection
  readonly server: DrivenConnection
  readonly clientEvents: QuicEvent[] = []
  readonly serverEvents: QuicEvent[] = []
  /** True: the datagram is lost. */
  lose: (from: 'client' | 'server', datagram: Buffer) => boolean = () => false
  delivered = 0

  constructor(engine: DrivenEngine, options: PairOptions) {
    const protocols = options.protocols ?? ['h3']
    this.client = engine.connect({
      local: CLIENT,
      remote: SERVER,
      serverName: options.serverName ?? 'localhost',
      tls: options.tls,
      protocols,
      quic: fullOptions(options.quic),
      connectionId: randomBytes(16),
      ticket: options.ticket,
      earlyData: options.earlyData ?? false,
      keylog: options.keylog,
      allowsSecondPath: options.allowsSecondPath ?? false,
    })
    this.server = engine.accept({
      local: SERVER,
      remote: CLIENT,
      tls: options.serverTls,
      protocols: options.serverProtocols ?? protocols,
      quic: fullOptions(options.serverQuic),
      connectionId: randomBytes(16),
      allowsSecondPath: options.allowsSecondPath ?? false,
    })
  }

  /** Carries what there is in both directions until nothing moves; events are collected. */
  run(rounds = 50): void {
    for (let i = 0; i < rounds; i += 1) {
      const moved = this.toServer() + this.toClient()
      if (moved === 0) return
    }
  }

  /** run(), and lets time pass until `isDone`: for what needs the engine's timers. */
  async runUntil(isDone: () => boolean, limitMs = 20_000): Promise<void> {
    const end = performance.now() + limitMs
    for (;;) {
      this.run()
      if (isDone()) return
      if (performance.now() > end) throw new Error(`not done within ${limitMs} ms`)
      await new Promise(resolve => setTimeout(resolve, 5))
      const now = performance.now()
      for (const connection of [this.client, this.server]) if (!connection.isClosed) connection.onTimeout(now)
    }
  }

  toServer(): number {
    const moved = this.#carry(this.client, this.server, 'client')
    this.serverEvents.push(...drainEvents(this.server))
    return moved
  }

  toClient(): number {
    const moved = this.#carry(this.server, this.client, 'server')
    this.clientEvents.push(...drainEvents(this.client))
    return moved
  }

  #carry(from: DrivenConnection, to: DrivenConnection, side: 'client' | 'server'): number {
    let moved = 0
    const now = performance.now()
    for (let out = from.nextDatagram(now); out !== undefined; out = from.nextDatagram(now)) {
      moved += 1
      const bytes = Buffer.from(out.bytes)
      if (this.lose(side, bytes)) continue
      this.delivered += 1
      to.receive(bytes, out.from, out.to, now)
    }
    return moved
  }
}

/** The same object where it can be: the engine keeps its configurations by it. */
function fullOptions(options: Partial<QuicOptions> | undefined): QuicOptions {
  return options === undefined ? DEFAULT_QUIC_OPTIONS : { ...DEFAULT_QUIC_OPTIONS, ...options }
}

function drainEvents(connection: DrivenConnection): QuicEvent[] {
  const events: QuicEvent[] = []
  for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) {
    events.push(event)
    if (events.length > 100_000) throw new Error('the events have no end')
  }
  return events
}

/** Reads what there is. `isEnd`: the end came with it. */
export function readAll(connection: DrivenConnection, stream: number): { bytes: Buffer; isEnd: boolean } {
  const into = Buffer.alloc(65_536)
  const parts: Buffer[] = []
  for (;;) {
    const read = connection.read(stream, into)
    if (read === undefined) return { bytes: Buffer.concat(parts), isEnd: false }
    parts.push(Buffer.from(into.subarray(0, read[0])))
    if (read[1]) return { bytes: Buffer.concat(parts), isEnd: true }
  }
}
