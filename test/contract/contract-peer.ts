import type { Duplex } from 'node:stream'
import type { Clock } from '../../src/base/clock.ts'
import type { Connection, ConnectionListener } from '../../src/base/events/connection.ts'
import type { Protocol } from '../../src/base/http/protocol.ts'

/** One request as the scripted origin sees it, and the means to answer it, whatever the protocol. */
export interface OriginExchange {
  readonly method: string
  readonly path: string
  readonly authority: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Reads the body to its end. Until it is called nothing is read, and the sender feels it. */
  body(): Promise<Buffer>
  /** Trailers of the request, after body(). */
  trailers(): Readonly<Record<string, string | undefined>>
  /** A 103 with these fields. */
  earlyHints(headers: Record<string, string>): void
  respond(status: number, headers?: Record<string, string>): void
  /** False: wait for `drained`. */
  write(chunk: Uint8Array): boolean
  drained(): Promise<void>
  end(trailers?: Record<string, string>): void
  /** Breaks the exchange off so that the client cannot take it for complete. */
  breakOff(): void
  /** Accepts the upgrade that the request asked for; `first` follows the head at once. */
  acceptUpgrade(first: string): Duplex
}

export type OriginScript = (exchange: OriginExchange) => void | Promise<void>

export interface PeerOptions {
  script: OriginScript
  listener: ConnectionListener
  clock: Clock
}

/** A protocol under the contract: connects to an origin that does what the script says. */
export interface ContractPeer {
  readonly protocol: Protocol
  connect(options: PeerOptions): Promise<Connection>
  /** Ends everything that connect() has started. */
  stop(): Promise<void>
}
