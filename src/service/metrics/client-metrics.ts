import type { Registry } from 'prom-client'
import { ERROR_CODES, type ErrorCode, type Protocol } from '../../index.ts'
import type { IngressStats } from '../../ingress/ingress-stats.ts'
import { NO_ORIGIN } from '../config/fields/listen-address.ts'
import type { ClientAnswer } from '../forwarding/forwarded-exchange.ts'
import {
  DurationHistogram,
  type ProtocolLabel,
  registerScraped,
  registerScrapedHistogram,
  type Sample,
} from './metric-types.ts'

/** By index: the hundreds of the status; 0 stands for clients that went away before they got one. */
const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const
type StatusClass = (typeof STATUS_CLASSES)[number]

/** Codes above 599 are legal on the wire (RFC 9110 15: treat as 5xx). */
function statusClass(status: number): StatusClass {
  return STATUS_CLASSES[Math.min(Math.trunc(status / 100), STATUS_CLASSES.length - 1)] ?? 'none'
}

/** What clients got for the requests to one origin. Reporting an answer is a handful of additions. */
export class ClientMetrics {
  /** By what the origin spoke. */
  readonly #classes = new Map<ProtocolLabel, Map<StatusClass, number>>()
  /** By what the client spoke. */
  readonly #statuses = new Map<Protocol, Map<number, number>>()
  readonly #durations = new Map<Protocol, DurationHistogram>()

  onAnswered({ originProtocol, clientProtocol, status, durationMs }: ClientAnswer): void {
    add(within(this.#classes, originProtocol ?? 'none'), statusClass(status))
    // What is no status of HTTP must not become a label each.
    add(within(this.#statuses, clientProtocol), status >= 100 && status < 600 ? status : 0)
    let duration = this.#durations.get(clientProtocol)
    if (duration === undefined) {
      duration = new DurationHistogram()
      this.#durations.set(clientProtocol, duration)
    }
    duration.observe(durationMs)
  }

  *classes(): Generator<{ protocol: ProtocolLabel; status_class: StatusClass; count: number }> {
    for (const [protocol, counts] of this.#classes) {
      for (const [status_class, count] of counts) yield { protocol, status_class, count }
    }
  }

  *statuses(): Generator<{ protocol: Protocol; status: string; count: number }> {
    for (const [protocol, counts] of this.#statuses) {
      for (const [status, count] of counts) {
        yield { protocol, status: status === 0 ? 'none' : String(status), count }
      }
    }
  }

  durations(): IterableIterator<[Protocol, DurationHistogram]> {
    return this.#durations.entries()
  }
}

function within<Key, Word>(counts: Map<Key, Map<Word, number>>, key: Key): Map<Word, number> {
  let inner = counts.get(key)
  if (inner === undefined) {
    inner = new Map()
    counts.set(key, inner)
  }
  return inner
}

function add<Word>(counts: Map<Word, number>, word: Word, amount = 1): void {
  counts.set(word, (counts.get(word) ?? 0) + amount)
}

/** What clients got, over all origins, with what their listeners answered before anything was routed. */
export function registerClientMetrics(
  registry: Registry,
  origins: () => readonly { readonly name: string; readonly clients: ClientMetrics }[],
  ingress: () => readonly IngressStats[],
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_requests_total',
    'Requests by the class of the status that the client got, whoever made the answer; protocol: of the origin, none where no origin answered; status_class none: the client went away first',
    () => {
      const samples: Sample[] = []
      for (const { name: origin, clients } of origins()) {
        const isUnrouted = origin === NO_ORIGIN
        const early = isUnrouted ? answeredByListeners(ingress()) : new Map<StatusClass, number>()
        for (const { protocol, status_class, count } of clients.classes()) {
          const more = protocol === 'none' ? (early.get(status_class) ?? 0) : 0
          if (protocol === 'none') early.delete(status_class)
          samples.push({ labels: { origin, protocol, status_class }, value: count + more })
        }
        for (const [status_class, value] of early) {
          samples.push({ labels: { origin, protocol: 'none', status_class }, value })
        }
      }
      return samples
    },
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_client_responses_total',
    'Responses by the status that the client got; protocol: of the client',
    () =>
      origins().flatMap(({ name: origin, clients }) =>
        Array.from(clients.statuses(), ({ count, ...labels }) => ({
          labels: { origin, ...labels },
          value: count,
        })),
      ),
  )
  registerScrapedHistogram(
    registry,
    'middlemile_client_duration_seconds',
    'From the head of a request to the end of its response, as far as the client took it; protocol: of the client',
    () =>
      origins().flatMap(({ name: origin, clients }) =>
        Array.from(clients.durations(), ([protocol, histogram]) => ({
          labels: { origin, protocol },
          histogram,
        })),
      ),
  )
}

/** Refused by a listener: bad requests, slow clients, and what an overloaded process sheds. */
function answeredByListeners(all: readonly IngressStats[]): Map<StatusClass, number> {
  const counts = new Map<StatusClass, number>()
  for (const { badRequests, shed } of all) {
    for (const [code, count] of Object.entries(badRequests)) {
      add(counts, statusClass(ERROR_CODES[code as ErrorCode].status), count) // as: its keys
    }
    if (shed > 0) add(counts, statusClass(503), shed)
  }
  return counts
}
