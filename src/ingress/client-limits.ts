import { TokenBucket } from '../http/multiplex/token-bucket.ts'
import { clientNetwork } from './flooder-table.ts'
import type { IngressLimits } from './ingress-limits.ts'
import { isUnixClient } from './unix-socket.ts'

/** See IngressLimits; 0: no limit. */
export type PerClientLimits = Pick<
  IngressLimits,
  'maxConnectionsPerClient' | 'connectionRatePerClient' | 'requestRatePerClient'
>

interface Client {
  readonly network: string
  /** Connections that are open now. */
  open: number
  readonly connections: TokenBucket
  readonly requests: TokenBucket
}

/** Clients without a connection whose rates are remembered; the one that has gone first makes room. */
const MAX_ABSENT = 65_536

/** What each client address has of a listener. Who has connections is bounded by `maxConnections`. */
export class ClientLimits {
  readonly #limits: PerClientLimits
  readonly #present = new Map<string, Client>()
  /** In the order in which they have gone. */
  readonly #absent = new Map<string, Client>()

  constructor(limits: PerClientLimits) {
    this.#limits = limits
  }

  /** Nothing is counted without. */
  get areSet(): boolean {
    const { maxConnectionsPerClient, connectionRatePerClient, requestRatePerClient } = this.#limits
    return maxConnectionsPerClient > 0 || connectionRatePerClient > 0 || requestRatePerClient > 0
  }

  /** A new connection: which limit refuses it. Undefined: it is taken, until onClosed(). */
  refusalOf(address: string, now: number): keyof PerClientLimits | undefined {
    const client = this.#clientOf(address)
    const { maxConnectionsPerClient: most } = this.#limits
    if (!client.connections.take(now)) return 'connectionRatePerClient'
    if (most > 0 && client.open >= most) return 'maxConnectionsPerClient'
    client.open += 1
    this.#absent.delete(client.network)
    this.#present.set(client.network, client)
    return undefined
  }

  onClosed(address: string): void {
    const client = this.#present.get(clientNetwork(address))
    if (client === undefined) return
    client.open -= 1
    if (client.open > 0) return
    this.#present.delete(client.network)
    this.#remember(client)
  }

  /** Counts a request of a client. False: it exceeds the rate. */
  admits(address: string, now: number): boolean {
    if (isUnixClient(address)) return true
    return this.#limits.requestRatePerClient === 0 || this.#clientOf(address).requests.take(now)
  }

  #clientOf(address: string): Client {
    const network = clientNetwork(address)
    const known = this.#present.get(network) ?? this.#absent.get(network)
    if (known !== undefined) return known
    const { connectionRatePerClient, requestRatePerClient } = this.#limits
    const client = {
      network,
      open: 0,
      connections: new TokenBucket(connectionRatePerClient),
      requests: new TokenBucket(requestRatePerClient),
    }
    this.#remember(client)
    return client
  }

  #remember(client: Client): void {
    const { value: first } = this.#absent.keys().next()
    if (this.#absent.size >= MAX_ABSENT && first !== undefined) this.#absent.delete(first)
    this.#absent.set(client.network, client)
  }
}
