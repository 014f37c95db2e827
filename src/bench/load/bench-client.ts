import type { Phase } from '../results/scenario-result.ts'
import type { RequestKind } from './load-job.ts'

/** One client of one library, ready to be driven. */
export interface BenchClient {
  /**
   * Sends one request to `origins[origin]` and reads its response to the end. `watch.onEnd` comes exactly
   * once. Failures go there: it does not throw.
   */
  send(request: RequestKind, origin: number, watch: RequestWatch): void
  /** What it knows of its connections so far. */
  facts(): ClientFacts
  close(): Promise<void>
}

export interface RequestWatch {
  /** The head of the final response has come. */
  onHead(): void
  onEnd(end: RequestEnd): void
}

export interface RequestEnd {
  readonly status: number
  /** Of the response body. */
  readonly bytes: number
  readonly error?: Error | undefined
  /** What carried it: `http/1.1`, `h2`, `h3`. */
  readonly protocol?: string | undefined
  /** What its time went to; asked at the end, of the few requests that are kept. */
  readonly phases?: () => readonly Phase[]
  /** For which received data sat behind a gap that a loss had left. */
  readonly stallMs?: number | undefined
}

/** Undefined fields: this client cannot tell. */
export interface ClientFacts {
  readonly opened?: HandshakeCounts
  /** Open now. */
  readonly open?: number
  /** Which protocol it took and why, in order; the first hundred changes. */
  readonly decisions?: readonly ClientDecision[]
}

/** Connections by how they began. */
export interface HandshakeCounts {
  readonly full: number
  readonly resumed: number
  readonly earlyData: number
  readonly cleartext: number
}

/** A client that chooses its protocol has decided. */
export interface ClientDecision {
  /** Requests that had ended by then. */
  readonly afterRequests: number
  readonly lane: string
  readonly rule: string
  readonly because: string
}

/** What a client is made with, by every subject alike. */
export interface ClientSetting {
  /** `https://HOST:PORT`, at least one. */
  readonly origins: readonly string[]
  /** PEM; undefined: the usual roots. */
  readonly ca?: string | undefined
  /** `HOST:PORT` to IP. */
  readonly resolve?: Readonly<Record<string, string>>
  /**
   * `ADDRESS:PORT`: connects there, over TCP and UDP, whatever the URL says; names and certificates stay
   * those of the URL.
   */
  readonly endpoint?: string | undefined
  /** At most so many connections to an origin; 0: as many as the client likes. */
  readonly connections: number
  /** What a client that speaks several is held to; undefined: it chooses. */
  readonly protocols?: readonly ('h3' | 'h2' | 'http/1.1')[]
  /** Where tickets outlive a client; undefined: it resumes nothing. */
  readonly stateDirectory?: string | undefined
  readonly earlyData?: boolean
  readonly fastOpen?: boolean
  /** Idle connections are closed after so long; undefined: as the client has it. */
  readonly idleTimeoutMs?: number | undefined
}

export type MakeClient = (setting: ClientSetting) => Promise<BenchClient>

/**
 * Servers send a ticket behind the handshake: a few round trips of the longest way that is measured. So long
 * a client waits for it before it closes.
 */
export const TICKET_WAIT_MS = 250

/**
 * How many clients may wait for tickets at a time in an open loop: twice as many as do so on average, and
 * some, since requests come at random times. Beyond that they hold up those that are due.
 */
export function mostWaitingForTickets(perSecond: number): number {
  return 8 + Math.ceil((2 * perSecond * TICKET_WAIT_MS) / 1000)
}
