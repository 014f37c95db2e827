import { setTimeout as sleep } from 'node:timers/promises'
import type { DispatchHandle, ExchangeController, ExchangeHandler } from '../../entry/dispatch.ts'
import {
  createTransport,
  type OriginOptions,
  parseOrigin,
  type Transport,
  type TransportError,
  type TransportEvent,
  type TransportOptions,
} from '../../index.ts'
import {
  type BenchClient,
  type ClientDecision,
  type ClientFacts,
  type ClientSetting,
  type RequestWatch,
  TICKET_WAIT_MS,
} from '../load/bench-client.ts'
import type { RequestKind } from '../load/load-job.ts'
import type { Phase } from '../results/scenario-result.ts'
import { ReadingPace, UNDECIDING } from './client-settings.ts'
import { bodyBytes, headersOf, MadeBody } from './made-body.ts'

/**
 * What is known of one exchange over our transport. All in ms; `handshake` undefined: it found its
 * connection.
 */
export interface ExchangeTimes {
  /** Until it had the connection that answered it: tries that failed before are part of this. */
  readonly queueMs: number
  readonly ttfbMs: number
  readonly totalMs: number
  readonly handshake:
    | { readonly dnsMs: number; readonly connectMs: number; readonly tlsMs: number }
    | undefined
}

/**
 * What its time went to, in order. The handshake stands at the end of the wait for a connection; what of
 * it was over before the request came, or ran beside it (early data), is cut off.
 */
export function phasesOf({ queueMs, ttfbMs, totalMs, handshake }: ExchangeTimes): readonly Phase[] {
  const { dnsMs = 0, connectMs = 0, tlsMs = 0 } = handshake ?? {}
  const tlsAt = Math.max(0, queueMs - tlsMs)
  const connectAt = Math.max(0, tlsAt - connectMs)
  const dnsAt = Math.max(0, connectAt - dnsMs)
  const headAt = Math.min(queueMs + ttfbMs, totalMs)
  const spans: readonly Phase[] = [
    { name: 'queue', startMs: 0, endMs: dnsAt },
    { name: 'dns', startMs: dnsAt, endMs: connectAt },
    { name: 'connect', startMs: connectAt, endMs: tlsAt },
    { name: 'tls', startMs: tlsAt, endMs: queueMs },
    { name: 'waiting', startMs: queueMs, endMs: headAt },
    { name: 'body', startMs: headAt, endMs: totalMs },
  ]
  return spans.filter(({ startMs, endMs }) => endMs > startMs)
}

/** The load bounds what waits, and its deadline how long. */
const MAX_WAITERS = 1_000_000
const QUEUE_MS = 60_000

/**
 * An alternative at another port or host would lead past the endpoint. What speaks HTTP/3 at the endpoint
 * itself is found by a probe.
 */
const ENDPOINT_ONLY = { altSvc: 'off' } as const

/** Our own transport, through its lowest door. */
export async function middlemile(setting: ClientSetting): Promise<BenchClient> {
  // An observer costs an object for each request: only one that has something to report is made.
  const decisions = setting.protocols === undefined ? new DecisionLog() : undefined
  const options: TransportOptions = {
    ...transportOptions(setting),
    ...(decisions !== undefined && { observer: decisions.observe }),
  }
  const transports = Array.from({ length: transportsOf(setting) }, () => createTransport(options))
  let last: ClientFacts | undefined
  const origins = setting.origins.map(url => parseOrigin(url))
  let turn = 0
  return {
    send(request, origin, watch) {
      const target = origins[origin % origins.length]
      const transport = transports[turn++ % transports.length]
      if (target === undefined || transport === undefined) throw new Error('a client without origins')
      const bytes = bodyBytes(request)
      const handler = new MeasuredExchange(request, watch)
      handler.handle = transport.dispatch(
        target,
        {
          method: request.method,
          path: request.path,
          headers: headersOf(request),
          body: bytes === undefined ? null : (request.body ?? new MadeBody(bytes)),
        },
        handler,
      )
    },
    facts: () => last ?? { ...connectionFacts(transports), ...decisions?.facts() },
    async close() {
      if (setting.stateDirectory !== undefined) await sleep(TICKET_WAIT_MS)
      last = { ...connectionFacts(transports), ...decisions?.facts(), open: 0 }
      await Promise.all(transports.map(transport => transport.close()))
    },
  }
}

/**
 * A pool opens a second connection of HTTP/2 or HTTP/3 only when the first is full. Several are had exactly
 * by as many pools of one connection each, asked in turns.
 */
function transportsOf({ protocols, connections }: ClientSetting): number {
  return isMultiplexed(protocols) ? Math.max(1, connections) : 1
}

function isMultiplexed(protocols: ClientSetting['protocols']): boolean {
  return protocols?.length === 1 && protocols[0] !== 'http/1.1'
}

export function transportOptions(setting: ClientSetting): TransportOptions {
  const { protocols, connections, ca, endpoint, idleTimeoutMs, stateDirectory, resolve } = setting
  const most = isMultiplexed(protocols) ? Math.min(1, connections) : connections
  const defaults: OriginOptions = {
    pool: {
      maxWaiters: MAX_WAITERS,
      queueTimeoutMs: QUEUE_MS,
      ...(most > 0 && { maxConnections: most }),
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    },
    ...(ca !== undefined && { tls: { ca } }),
    ...(endpoint !== undefined && { endpoints: [endpoint] }),
    ...(protocols !== undefined && { protocols, select: UNDECIDING }),
    ...(protocols === undefined && endpoint !== undefined && { select: ENDPOINT_ONLY }),
    ...(setting.earlyData === true && { earlyData: 'safe', earlyDataOverTcp: true }),
    ...(setting.fastOpen === true && { tfo: 'on' }),
  }
  return {
    defaults,
    ...(resolve !== undefined && { resolve }),
    ...(stateDirectory !== undefined && { state: { directory: stateDirectory } }),
  }
}

/** Connections of all its transports, by what their pools counted. */
export function connectionFacts(
  transports: readonly Transport[],
): Required<Pick<ClientFacts, 'opened' | 'open'>> {
  const total = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  let open = 0
  for (const transport of transports) {
    const { pools, leaving } = transport.stats()
    for (const { opened, connections } of [...pools, ...leaving]) {
      total.full += opened.full
      total.resumed += opened.resumed
      total.earlyData += opened.earlyData
      total.cleartext += opened.cleartext
      open += connections.idle + connections.leased + connections.draining
    }
  }
  return { opened: total, open }
}

const MAX_DECISIONS = 100

/** What a transport decided that may choose its protocol. */
class DecisionLog {
  readonly #decisions: ClientDecision[] = []
  #ended = 0

  readonly observe = (event: TransportEvent): void => {
    if (event.type === 'exchange-ended') this.#ended++
    if (event.type !== 'decision' || this.#decisions.length >= MAX_DECISIONS) return
    const { lane, rule, because } = event.decision
    this.#decisions.push({ afterRequests: this.#ended, lane, rule, because })
  }

  facts(): Pick<ClientFacts, 'decisions'> {
    return { decisions: [...this.#decisions] }
  }
}

class MeasuredExchange implements ExchangeHandler {
  handle: DispatchHandle | undefined
  readonly #watch: RequestWatch
  readonly #pace: ReadingPace | undefined
  readonly #beganAt = performance.now()
  #headMs = 0
  #status = 0
  #bytes = 0

  constructor(request: RequestKind, watch: RequestWatch) {
    this.#watch = watch
    this.#pace =
      request.readBytesPerSecond === undefined ? undefined : new ReadingPace(request.readBytesPerSecond)
  }

  onRequestStart(): void {
    // nothing to abort
  }

  onInformational(): void {
    // the final response counts
  }

  onResponseStart(_controller: ExchangeController, status: number): void {
    this.#headMs = performance.now() - this.#beganAt
    this.#status = status
    this.#bytes = 0
    this.#watch.onHead()
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#pace === undefined) return
    const pauseMs = this.#pace.onBytes(chunk.length, performance.now())
    if (pauseMs < 1 || controller.paused) return
    controller.pause()
    setTimeout(() => controller.resume(), pauseMs)
  }

  onResponseEnd({ protocol, stallMs }: ExchangeController): void {
    this.#watch.onEnd({
      status: this.#status,
      bytes: this.#bytes,
      protocol,
      stallMs,
      phases: this.#phases,
    })
  }

  onUpgrade(): void {
    this.#watch.onEnd({ status: 101, bytes: 0, error: new Error('unexpected upgrade') })
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    this.#watch.onEnd({ status: this.#status, bytes: this.#bytes, protocol: controller?.protocol, error })
  }

  readonly #phases = (): readonly Phase[] => {
    const { handle } = this
    if (handle === undefined) return []
    const { retries, queueMs, ttfbMs } = handle
    return phasesOf({
      queueMs: retries === 0 ? queueMs : Math.max(0, this.#headMs - ttfbMs),
      ttfbMs,
      totalMs: performance.now() - this.#beganAt,
      handshake: handle.reused ? undefined : handle.connection?.handshake.timings,
    })
  }
}
