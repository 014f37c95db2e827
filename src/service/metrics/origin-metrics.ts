import type { RetryReason } from '../../entry/events.ts'
import type { ErrorCode, Protocol } from '../../index.ts'
import { CounterSet } from './counter-set.ts'
import { MigrationMetrics } from './migration-metrics.ts'
import { ProtocolMetrics } from './protocol-metrics.ts'
import { SelectionMetrics } from './selection-metrics.ts'

/** The protocol label of what came to no connection. */
export type ProtocolLabel = Protocol | 'none'

/** What is counted for one origin. */
export class OriginMetrics {
  /** The origin's name in the configuration: the label. */
  readonly name: string
  readonly retries = new CounterSet<RetryReason>()
  readonly connectFailures = new CounterSet<ErrorCode>()
  /** By the name of the limit that took effect. The names are those of options: the set is bounded. */
  readonly defences = new CounterSet<string>()
  readonly fastOpen = new CounterSet<'used' | 'fallback'>()
  readonly migrations = new MigrationMetrics()
  readonly selection = new SelectionMetrics()
  readonly #protocols = new Map<ProtocolLabel, ProtocolMetrics>()
  #lastLabel: ProtocolLabel | undefined
  #lastMetrics: ProtocolMetrics | undefined

  constructor(name: string) {
    this.name = name
  }

  /** An origin rarely changes its protocol, so that the last one is kept at hand. */
  of(protocol: ProtocolLabel): ProtocolMetrics {
    if (protocol === this.#lastLabel && this.#lastMetrics !== undefined) return this.#lastMetrics
    let metrics = this.#protocols.get(protocol)
    if (metrics === undefined) {
      metrics = new ProtocolMetrics()
      this.#protocols.set(protocol, metrics)
    }
    this.#lastLabel = protocol
    this.#lastMetrics = metrics
    return metrics
  }

  protocols(): IterableIterator<[ProtocolLabel, ProtocolMetrics]> {
    return this.#protocols.entries()
  }
}
