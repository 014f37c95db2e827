import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { BenchClient, ClientSetting, RequestWatch } from '../load/bench-client.ts'
import type { RequestKind } from '../load/load-job.ts'
import { ReadingPace, refuseSetting, SocketCounts, whereTo } from './client-settings.ts'
import { bodyStream, headersOf } from './made-body.ts'

/**
 * Its streams on one connection of HTTP/2, and windows as large as ours, so that bulk compares the code and
 * not a setting.
 */
const STREAMS = 128
const STREAM_WINDOW_BYTES = 8_388_608
const CONNECTION_WINDOW_BYTES = 16_777_216

/** undici 7, a pool for each origin, through its fastest door. HTTP/1.1; HTTP/2 when it is held to that. */
export async function undici(setting: ClientSetting): Promise<BenchClient> {
  refuseSetting('undici', setting, ['h2', 'http/1.1'])
  const counts = new SocketCounts()
  const pools = setting.origins.map(origin => openPool(origin, setting, counts))
  return {
    send(request, origin, watch) {
      const own = pools[origin % pools.length]
      if (own === undefined) throw new Error('a client without origins')
      const { pool, spoken } = own
      pool.dispatch(
        {
          path: request.path,
          method: request.method,
          headers: [...headersOf(request)],
          body: bodyStream(request) ?? null,
        },
        new CountingHandler(request, watch, spoken),
      )
    },
    facts: () => counts.facts(),
    async close() {
      await Promise.all(pools.map(({ pool }) => pool.destroy()))
    },
  }
}

/**
 * What the connections of an origin speak, as its newest one has it: with HTTP/2 allowed it is the origin
 * that chooses.
 */
interface Spoken {
  protocol: string | undefined
}

/** Its pool for one origin, whose sockets are counted. */
export function openPool(
  origin: string,
  setting: ClientSetting,
  counts = new SocketCounts(),
): { readonly pool: Pool; readonly counts: SocketCounts; readonly spoken: Spoken } {
  const { ca, connections, idleTimeoutMs, protocols } = setting
  const isHttp2 = protocols?.[0] === 'h2'
  const spoken: Spoken = { protocol: undefined }
  const pool = new Pool(origin, {
    connections: connections === 0 ? (isHttp2 ? 1 : null) : connections,
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(idleTimeoutMs !== undefined && { keepAliveTimeout: idleTimeoutMs }),
    // What it calls pipelining is, with HTTP/2, how many streams it opens.
    ...(isHttp2
      ? {
          allowH2: true,
          pipelining: STREAMS,
          maxConcurrentStreams: STREAMS,
          initialWindowSize: STREAM_WINDOW_BYTES,
          connectionWindowSize: CONNECTION_WINDOW_BYTES,
        }
      : { allowH2: false, pipelining: 1 }),
    connect: connectorTo(origin, setting, { allowH2: isHttp2, ...(ca !== undefined && { ca }) }, socket => {
      counts.add(socket)
      spoken.protocol = protocolOf(socket)
    }),
  })
  return { pool, counts, spoken }
}

/** As undici itself reports it: HTTP/2 only where ALPN has chosen it. */
function protocolOf(socket: Socket): string {
  return socket instanceof TLSSocket && socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1'
}

/** Its own connector, but that sockets are seen and may go elsewhere. */
function connectorTo(
  origin: string,
  setting: ClientSetting,
  options: buildConnector.BuildOptions,
  onSocket: (socket: Socket) => void,
): buildConnector.connector {
  const connect = buildConnector(options)
  const to = whereTo(origin, setting)
  const { hostname } = new URL(origin)
  return (target, done) =>
    connect(
      to === undefined
        ? target
        : {
            ...target,
            hostname: to.host,
            port: to.port,
            ...(isIP(hostname) === 0 && { servername: hostname }),
          },
      (...[error, socket]) => {
        if (error !== null) {
          done(error, null)
          return
        }
        onSocket(socket)
        done(null, socket)
      },
    )
}

/** It calls the older handler methods directly and wraps the newer ones, so these are the older. */
class CountingHandler implements Dispatcher.DispatchHandler {
  readonly #watch: RequestWatch
  readonly #spoken: Spoken
  readonly #pace: ReadingPace | undefined
  #status = 0
  #bytes = 0
  #resume: () => void = () => {}

  constructor({ readBytesPerSecond }: RequestKind, watch: RequestWatch, spoken: Spoken) {
    this.#watch = watch
    this.#spoken = spoken
    this.#pace = readBytesPerSecond === undefined ? undefined : new ReadingPace(readBytesPerSecond)
  }

  onConnect(): void {
    // nothing to abort
  }

  onHeaders(status: number, _headers: Buffer[], resume: () => void): boolean {
    if (status < 200) return true
    this.#status = status
    this.#resume = resume
    this.#watch.onHead()
    return true
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    const pauseMs = this.#pace?.onBytes(chunk.length, performance.now()) ?? 0
    if (pauseMs < 1) return true
    setTimeout(this.#resume, pauseMs)
    return false
  }

  onComplete(): void {
    this.#watch.onEnd({ status: this.#status, bytes: this.#bytes, protocol: this.#spoken.protocol })
  }

  onError(error: Error): void {
    this.#watch.onEnd({ status: this.#status, bytes: this.#bytes, protocol: this.#spoken.protocol, error })
  }
}
