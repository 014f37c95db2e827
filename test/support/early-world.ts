import { expect } from 'vitest'
import {
  createTransport,
  type ExchangeInfo,
  type OriginOptions,
  type RequestOptions,
  type Transport,
  type TransportEvent,
  type TransportOptions,
} from '../../src/index.ts'

export interface EarlyWorldOptions {
  readonly port: number
  /** What it trusts, in PEM. */
  readonly ca: string
  readonly protocols: NonNullable<OriginOptions['protocols']>
  readonly origin?: OriginOptions
  readonly transport?: TransportOptions
}

interface EarlyAnswer {
  readonly status: number
  readonly text: string
  readonly info: ExchangeInfo
}

/**
 * A transport that sends early data over TCP to one port, and ends its idle connections at once: what comes
 * then dials with a ticket.
 */
export interface EarlyWorld extends AsyncDisposable {
  readonly transport: Transport
  readonly events: readonly TransportEvent[]
  readonly url: string
  ask(path: string, options?: RequestOptions): Promise<EarlyAnswer>
  /** Until no connection is open. */
  untilIdleIsClosed(): Promise<void>
  /** Why requests were sent again, in order. */
  retries(): string[]
  /** What became of early data, in order. */
  outcomes(): string[]
  /** Called with each event, beside the list. */
  onEvent: (event: TransportEvent) => void
}

export function earlyWorld(options: EarlyWorldOptions): EarlyWorld {
  const events: TransportEvent[] = []
  const { port, ca, protocols } = options
  const world = { onEvent: (_event: TransportEvent): void => {} }
  const transport = createTransport({
    ...options.transport,
    defaults: {
      protocols,
      tls: { ca },
      endpoints: [`127.0.0.1:${port}`],
      pool: { idleTimeoutMs: 30 },
      earlyData: 'safe',
      earlyDataOverTcp: true,
      ...options.origin,
    },
    observer: event => {
      events.push(event)
      world.onEvent(event)
    },
  })
  const url = `https://localhost:${port}`
  return Object.assign(world, {
    transport,
    events,
    url,
    async ask(path: string, request: RequestOptions = {}) {
      const response = await transport.request(`${url}${path}`, request)
      return { status: response.status, text: await response.text(), info: response.info }
    },
    async untilIdleIsClosed() {
      await expect.poll(() => transport.stats().totalConnections).toBe(0)
    },
    retries: () => events.flatMap(event => (event.type === 'exchange-retried' ? [event.reason] : [])),
    outcomes: () => events.flatMap(event => (event.type === 'early-data' ? [event.outcome] : [])),
    [Symbol.asyncDispose]: () => transport.close(),
  })
}

/**
 * For `server { }` of nginx: it takes early data, and says at /early what came in it. /too-early wants none.
 */
export const NGINX_EARLY = `ssl_early_data on;
    location = /early { default_type text/plain; return 200 "early: $ssl_early_data\\nreused: $ssl_session_reused\\nmarked: $http_early_data\\n"; }
    location = /too-early { default_type text/plain; if ($ssl_early_data) { return 425; } return 200 "early: $ssl_early_data\\nmarked: $http_early_data\\n"; }
    location = /always-too-early { return 425; }`
