import type { DispatchHandle, HeaderList } from '../../entry/dispatch.ts'
import type { Transport, TransportStats } from '../../index.ts'
import type { ConfigFault } from '../config/config-fault.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceConfig } from '../config/service-config.ts'

/** What carried a response, and fields to say so with. */
export type ResponseFields = (carrier: Pick<DispatchHandle, 'connection' | 'reused'>) => HeaderList

/** A running connector. */
export interface Service extends AsyncDisposable {
  /** One for each entry of `listen`, with the port that was taken where it said 0. */
  readonly addresses: readonly ListenAddress[]
  /** Undefined when the admin server is off. */
  readonly adminAddress: ListenAddress | undefined
  /** The transport behind it, to send requests of one's own through the same pools. */
  readonly transport: Transport
  stats(): TransportStats
  /**
   * Takes another configuration; without one, reads the file again that the service was started from. A bad
   * one changes nothing.
   */
  reload(config?: ServiceConfig): Promise<ReloadResult>
  /** Opens the file of the access log anew, once it was renamed; whoever started the service asks for it. */
  reopenLogs(): void
  /**
   * Takes no more requests; resolves when the open ones have ended, or the drain timeout has passed and they
   * were cut.
   */
  drain(): Promise<void>
  /** Ends everything now. */
  close(): Promise<void>
}

/** What became of a reload. A bad configuration changes nothing. */
export type ReloadResult =
  | {
      readonly ok: true
      readonly warnings: readonly string[]
      /** What is different now, a line for each part; empty: nothing is. */
      readonly changes: readonly string[]
    }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }
