import { createHash, type Hash } from 'node:crypto'
import type { MigrationReport } from '../../src/base/events/migration-report.ts'
import { createTransport, type OriginOptions, type Transport } from '../../src/index.ts'
import { bodyOf } from './body-files.ts'
import { type LoadResult, load } from './load.ts'
import { startUdpRelay, type UdpRelay } from './udp-relay.ts'

/** Bytes that came, or that the origin says to have had. */
interface Transfer {
  readonly status: number
  readonly bytes: number
  readonly sha256: string
  /** From the call to the end. */
  readonly tookMs: number
}

/** What is done when so many bytes have passed. */
export type Incident = readonly [atBytes: number, act: () => unknown]

/** A transport that speaks HTTP/3 only, over a relay, with a server that it trusts. */
export interface MovingClient extends AsyncDisposable {
  readonly transport: Transport
  readonly relay: UdpRelay
  /** `https://localhost:PORT` of the relay. */
  readonly url: string
  /** What became of moves, in order. */
  readonly reports: readonly MigrationReport[]
  /** Reads a body to its end. Incidents happen while it comes. */
  download(path: string, ...incidents: readonly Incident[]): Promise<Transfer>
  /**
   * Sends bodyOf(bytes). Incidents happen when the connection has taken so many. `sha256` is what the
   * origin's /inspect says, else empty.
   */
  upload(path: string, bytes: number, ...incidents: readonly Incident[]): Promise<Transfer>
  /** Sends GET requests, some at a time, until `act` is over. Resolves with what became of them. */
  loadDuring(path: string, concurrency: number, act: () => Promise<unknown>): Promise<LoadResult>
  /** Moves the one connection that is open. Throws when there is another number of them. */
  move(to?: { address?: string; port?: number }): Promise<MigrationReport>
}

export interface MovingClientOptions {
  /** One way. Default 5. */
  latencyMs?: number
  bytesPerSecond?: number
  seed?: number
  /** `trusted: true` comes by itself. */
  origin?: OriginOptions
  networkCheckMs?: number
}

const PIECE_BYTES = 65_536

export async function startMovingClient(
  server: { readonly port: number; readonly ca: string },
  options: MovingClientOptions = {},
): Promise<MovingClient> {
  const { latencyMs = 5, bytesPerSecond, seed = 1, origin, networkCheckMs = 0 } = options
  const conditions = { latencyMs, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) }
  const relay = await startUdpRelay(server.port, { conditions, seed })
  const url = `https://localhost:${relay.port}`
  const reports: MigrationReport[] = []
  const transport = createTransport({
    defaults: { protocols: ['h3'], trusted: true, tls: { ca: server.ca }, ...origin },
    resolver: { networkCheckMs },
    observer: event => {
      if (event.type === 'migration') reports.push(event.report)
    },
  })
  return {
    transport,
    relay,
    url,
    reports,
    async download(path, ...incidents) {
      const startedAt = performance.now()
      const response = await transport.request(`${url}${path}`)
      const meter = new IncidentMeter(incidents)
      for await (const chunk of response.body) meter.onBytes(chunk as Buffer) // no encoding was set
      await meter.settled()
      const { bytes, hash } = meter
      return {
        status: response.status,
        bytes,
        sha256: hash.digest('hex'),
        tookMs: performance.now() - startedAt,
      }
    },
    async upload(path, bytes, ...incidents) {
      const startedAt = performance.now()
      const meter = new IncidentMeter(incidents)
      const response = await transport.request(`${url}${path}`, {
        method: 'PUT',
        headers: { 'content-length': String(bytes) },
        body: piecesOf(bodyOf(bytes), meter),
      })
      const text = await response.text()
      await meter.settled()
      const seen = text.startsWith('{') ? (JSON.parse(text) as Inspected) : undefined // of /inspect
      return {
        status: response.status,
        bytes: seen?.bodyBytes ?? meter.bytes,
        sha256: seen?.bodySha256 ?? '',
        tookMs: performance.now() - startedAt,
      }
    },
    async loadDuring(path, concurrency, act) {
      const ended = new AbortController()
      const loading = load(transport, `${url}${path}`, { concurrency, until: ended.signal })
      try {
        await act()
      } finally {
        // A load that nobody ends would go on with a transport that is closed, and let nobody else have the
        // loop.
        ended.abort()
      }
      return await loading
    },
    async move(to) {
      const results = await transport.migrate(url, to)
      const [result] = results
      if (results.length !== 1 || result?.report === undefined)
        throw new Error(`${results.length} connections: ${result?.because}`)
      return result.report
    },
    async [Symbol.asyncDispose]() {
      await transport.close()
      await relay[Symbol.asyncDispose]()
    },
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

interface Inspected {
  readonly bodyBytes: number
  readonly bodySha256: string
}

class IncidentMeter {
  readonly hash: Hash = createHash('sha256')
  bytes = 0
  readonly #pending: Incident[]
  readonly #running: Promise<unknown>[] = []

  constructor(incidents: readonly Incident[]) {
    this.#pending = [...incidents]
  }

  onBytes(chunk: Uint8Array): void {
    this.hash.update(chunk)
    this.bytes += chunk.length
    for (let next = this.#pending[0]; next !== undefined && next[0] <= this.bytes; next = this.#pending[0]) {
      this.#pending.shift()
      const running = Promise.resolve(next[1]())
      running.catch(() => {}) // settled() reports it: until then it is nobody's
      this.#running.push(running)
    }
  }

  /** Rejects with what an incident failed with, and when one never came about. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
    if (this.#pending.length > 0) throw new Error(`${this.#pending.length} incidents never came about`)
  }
}

async function* piecesOf(body: Buffer, meter: IncidentMeter): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < body.length; offset += PIECE_BYTES) {
    const piece = body.subarray(offset, offset + PIECE_BYTES)
    yield piece
    // Asked for the next one: the last was taken.
    meter.onBytes(piece)
  }
}
