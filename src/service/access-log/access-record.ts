import type { LaneName } from '../../entry/events.ts'
import type { Protocol } from '../../index.ts'
import type { SessionResult } from '../web-transport/session-counts.ts'

/** What a line of the access log may say of a request; undefined: there is no such thing. */
export interface AccessRecord {
  /** When its response ended, in ms since 1970. */
  readonly timeMs: number
  readonly client: string
  readonly clientPort: number
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
  /** As it came, with its query. */
  readonly target: string
  /** Of the client: `HTTP/1.1`. */
  readonly protocol: string
  readonly status: number
  /** Of the bodies, and of a tunnel. */
  readonly requestBytes: number | undefined
  readonly responseBytes: number
  readonly requestId: string | undefined
  /** What the configuration calls them. */
  readonly route: string | undefined
  readonly origin: string | undefined
  readonly originProtocol: Protocol | undefined
  readonly lane: LaneName | undefined
  /** The number that the connection to the origin has in the log, too. */
  readonly connection: number | undefined
  readonly reused: boolean | undefined
  readonly earlyData: boolean | undefined
  /** How often it was sent or waited for a connection: 1, and 1 for each replay. */
  readonly attempts: number | undefined
  /** Connects that were tried to get it a connection. */
  readonly connects: number | undefined
  readonly queueMs: number | undefined
  readonly ttfbMs: number | undefined
  readonly totalMs: number
  readonly error: string | undefined
  /** Of a session of WebTransport: what became of it. */
  readonly session: SessionResult | undefined
  /** What both sides of the session agreed on. */
  readonly sessionProtocol: string | undefined
  /** That it was closed with. */
  readonly closeCode: number | undefined
  /** That it carried, both ways. */
  readonly streams: number | undefined
  readonly datagrams: number | undefined
  readonly droppedDatagrams: number | undefined
  /** The value of a field of the request; its name is lower case. */
  header(name: string): string | undefined
}
