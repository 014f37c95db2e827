import type { EjectionNews, HostNews } from '../../state/shares/host-news.ts'
import type { ShareAnswer, ShareRequest } from '../../state/shares/share-messages.ts'
import type { ConfigFault } from '../config/config-fault.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import type { InheritedSockets } from '../lifecycle/open-sockets.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import type { MetricSnapshot } from '../metrics/summed-metrics.ts'

/** A configuration as text: every worker reads the same, whatever becomes of the file meanwhile. */
export interface ConfigText {
  readonly text: string
  /** Where relative file names start. */
  readonly directory: string
}

/**
 * What the supervisor sends to a worker, by kind. Another subject adds its kinds here, and takes them with
 * Channel.receive().
 */
export interface ToWorker {
  /** The first message: listen on these sockets. */
  start: ConfigText & {
    readonly sockets: InheritedSockets
    /** Seals the tickets that clients resume with, at any worker: 32 bytes, hexadecimal. */
    readonly ticketSecret: string
    /** Where the supervisor has its admin server; left out: nowhere. */
    readonly supervisorAdmin?: ListenAddress | undefined
    /** What all workers share where the configuration has no `state`; see SharedState. */
    readonly stateDirectory?: string | undefined
    /** What other workers have found out, and lasts. */
    readonly ejections: readonly EjectionNews[]
  } & Quarantine
  /** HTTP/3 to these origins is not spoken for now, by key. */
  quarantine: Quarantine
  /** What another worker has found out. */
  originNews: HostNews
  /** Another question would have another answer: the keys of origins whose ceilings workers share. */
  sharesChanged: { readonly of: readonly string[] }
  /** Its log files were renamed. */
  reopenLogs: Record<string, never>
  /** No new connections; open exchanges end. The process ends with them. */
  drain: Record<string, never>
}

interface Quarantine {
  readonly withoutHttp3: readonly string[]
}

/** What a worker sends to the supervisor, by kind. */
export interface ToSupervisor {
  ready: Record<string, never>
  /** It cannot start, and says why; it ends by itself. */
  failed: { readonly code: string; readonly message: string }
  heartbeat: {
    readonly memoryBytes: number
    /** Keys of the origins to which it has HTTP/3 connections or makes them. */
    readonly http3: readonly string[]
    /** Near the end of the heap: what aborts now does so for lack of memory. */
    readonly isHeapFull: boolean
  }
  /** What it has found out, for the others. */
  originNews: HostNews
  /** What it has counted, before it ends. */
  metrics: { readonly metrics: readonly MetricSnapshot[] }
}

/** What a worker asks of the supervisor: [the question, the answer], by kind. */
export interface AskSupervisor {
  /** Shares in the ceilings of protected origins; the answers stand in the order of the requests. */
  shares: [readonly ShareRequest[], readonly ShareAnswer[]]
}

/** What the supervisor asks of a worker: [the question, the answer], by kind. */
export interface AskWorker {
  metrics: [Record<string, never>, readonly MetricSnapshot[]]
  pools: [Record<string, never>, PoolsPage]
  explain: [{ readonly origin: string }, unknown]
  migrate: [{ readonly origin: string; readonly address?: string; readonly port?: number }, unknown]
  /** The first of two steps of a reload: read this, and keep it at hand. */
  prepare: [ConfigText, Prepared]
  /** The second: what was prepared holds from now on. */
  commit: [Record<string, never>, ReloadResult]
}

export type Prepared =
  | { readonly ok: true; readonly digest: string }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

/** What `GET /pools` shows of one process. */
export interface PoolsPage {
  readonly totalConnections: number
  readonly economy: unknown
  readonly ports: unknown
  readonly pools: readonly object[]
  readonly leaving: readonly object[]
  /** The forward proxies. */
  readonly forward: readonly object[]
  /** Sessions of WebTransport, by origin. */
  readonly webTransport: readonly object[]
}
