/** Where a packet goes: an IP address, a port and the kind of socket. */
export interface Endpoint {
  /** An IP literal without brackets. */
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
  readonly transport: 'tcp' | 'udp'
}

/**
 * `127.0.0.1:443`, `[::1]:443`.
 *
 * @example
 * ```ts
 * const observer: Observer = event => {
 *   if (event.type === 'connection-opened') console.log(formatEndpoint(event.connection.endpoint))
 * }
 * ```
 */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.family === 6
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`
}

/** Looks up the addresses of a host name. */
export interface Resolver {
  /** Rejects with MM_DNS_FAILED or MM_DNS_TIMEOUT. An answer has at least one address. */
  resolve(host: string, signal: AbortSignal): Promise<Resolution>
}

export interface Resolution {
  readonly addresses: readonly ResolvedAddress[]
  /**
   * Where it came from: `literal`, `endpoints`, `override`, `hints`, `cache`, `stale` (a cached answer whose
   * time is over), `system`, `hosts`, `dns`, `dns-partial` (one of two families is unknown).
   */
  readonly source: string
  /** How long it is believed without asking again. Left out: it is not kept, or nobody has to ask for it. */
  readonly freshForMs?: number
}

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
  /** When it is another one than the origin's: configured endpoints may have a port. */
  readonly port?: number
}
