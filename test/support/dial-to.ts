import { systemClock } from '../../src/base/clock.ts'
import { TransportError } from '../../src/base/errors.ts'
import type { AttemptRecord } from '../../src/base/events/connection.ts'
import type { Endpoint } from '../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import { DEFAULT_TIMEOUTS, type TlsOptions } from '../../src/base/options/options.ts'
import { DEFAULT_SOCKET_OPTIONS } from '../../src/base/options/socket-options.ts'
import { Dialer } from '../../src/connect/tcp/dial.ts'
import type { DialRequest, DialResult } from '../../src/connect/tcp/dial-request.ts'
import { TicketStore } from '../../src/state/ticket-store.ts'

export interface DialToOptions {
  /** Default: 127.0.0.1. With `:port` or the origin's. */
  addresses?: readonly string[]
  tls?: TlsOptions
  timeouts?: Partial<DialRequest['timeouts']>
  alpnProtocols?: DialRequest['alpnProtocols']
  signal?: AbortSignal
}

/** A dialer for tests, with its own memory of tickets. */
export class TestDialer {
  readonly tickets = new TicketStore()
  /** Of the last dial. */
  attempts: readonly AttemptRecord[] = []
  readonly #dialer = new Dialer({ clock: systemClock, tickets: this.tickets })

  dial(url: string, options: DialToOptions = {}): Promise<DialResult> {
    const origin = parseOrigin(url)
    const attempts = (options.addresses ?? ['127.0.0.1']).map((address, index) => {
      const endpoint: Endpoint = {
        address,
        family: address.includes(':') ? 6 : 4,
        port: origin.port,
        transport: 'tcp',
      }
      return { endpoint, because: `place ${index}` }
    })
    const request: DialRequest = {
      origin,
      attempts,
      alpnProtocols: options.alpnProtocols ?? ['http/1.1'],
      tls: options.tls ?? {},
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      socket: DEFAULT_SOCKET_OPTIONS,
      dnsMs: 0,
      onAttempts: records => {
        this.attempts = records
      },
    }
    return this.#dialer.dial(request, options.signal ?? new AbortController().signal)
  }

  /** The error that a dial must end with. */
  async failure(url: string, options: DialToOptions = {}): Promise<TransportError> {
    const result = await this.dial(url, options).catch((error: unknown) => error)
    if (result instanceof TransportError) return result
    throw new Error(`the dial ended with ${String(result)}`)
  }

  /** `127.0.0.1:443 failed`, in order of their start. */
  outcomes(): string[] {
    return this.attempts.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`)
  }
}
