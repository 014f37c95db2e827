/** What the bench and its client processes say to each other over Node's IPC channel. */
export type ClientJob =
  /** Keep `concurrency` requests going for `seconds`, after `warmUpSeconds` that do not count. */
  | { kind: 'steady'; path: string; concurrency: number; seconds: number; warmUpSeconds: number }
  /** Make a client that knows nothing, send `requests` at once, and throw it away. */
  | { kind: 'burst'; path: string; requests: number }

export interface ClientReport {
  requests: number
  failures: number
  /** Of all response bodies. */
  bytes: number
  /** process.cpuUsage of the measured time: user and system, all threads. */
  cpuMs: number
  wallMs: number
  rssMiB: number
}

export interface ClientSetting {
  /** `https://127.0.0.1:PORT` */
  origin: string
  ca: string
  /** At most so many connections; 0: as many as the client likes. */
  connections: number
}

/** One client of one library, ready to be driven. */
export interface BenchClient {
  /** Sends one request and reads its body. Calls `done` once, with the bytes or with what went wrong. */
  send(path: string, done: (bytes: number, error?: unknown) => void): void
  close(): Promise<void>
}
