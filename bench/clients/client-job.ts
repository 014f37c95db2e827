import type { Protocol } from '../../src/index.ts'

/** What the bench and its client processes say to each other over Node's IPC channel. */
export type ClientJob =
  /** Keep `concurrency` requests going for `seconds`, after `warmUpSeconds` that do not count. */
  | { kind: 'steady'; path: string; concurrency: number; seconds: number; warmUpSeconds: number }
  /**
   * Keep `concurrency` requests going until `seconds` have passed or `requests` were begun, and count from
   * the first one's start to the last one's end: no body is cut off, however large, and a number of requests
   * is that number.
   */
  | { kind: 'whole'; path: string; concurrency: number; seconds: number; requests: number }
  /** Make a client that knows nothing, send `requests` at once, and throw it away. */
  | { kind: 'burst'; path: string; requests: number }
  /**
   * Send `requests` at once through the client that is kept, which has just done the same: its connections
   * are open.
   */
  | { kind: 'warm-burst'; path: string; requests: number }

export interface ClientReport {
  requests: number
  failures: number
  /** Of the response bodies of requests that did not fail. */
  bytes: number
  /** process.cpuUsage of the measured time: user and system, all threads. */
  cpuMs: number
  wallMs: number
  rssMiB: number
  /** Of the first one that failed. */
  firstFailure: string | undefined
}

export interface ClientSetting {
  /** `https://127.0.0.1:PORT` */
  origin: string
  ca: string
  /** At most so many connections; 0: as many as the client likes. */
  connections: number
  /** What a client that speaks several is held to; default: as it comes. */
  protocols?: readonly Protocol[]
  /**
   * Ours only: where tickets outlive a client. A client is closed when the next ticket has surely come.
   * Default: it resumes nothing.
   */
  stateDirectory?: string
  /** Ours only: which requests may leave in early data. Default: off. */
  earlyData?: 'off' | 'safe'
}

/** One client of one library, ready to be driven. */
export interface BenchClient {
  /** Sends one request and reads its body. Calls `done` once, with the bytes or with what went wrong. */
  send(path: string, done: (bytes: number, error?: unknown) => void): void
  close(): Promise<void>
}
