import type { Protocol } from '../../base/http/protocol.ts'

/** How an alternative became known. `configuration`: the origin may be spoken to in HTTP/3 only. */
export type AlternativeSource = 'alt-svc' | 'altsvc-frame' | 'https-record' | 'probe' | 'configuration'

/**
 * Another way to reach an origin (RFC 7838 section 2): a protocol at a host and a port. Its certificate must
 * cover the ORIGIN's name, whatever its own host is called.
 */
export interface Alternative {
  readonly protocol: Extract<Protocol, 'h3'>
  /** Lower case, no brackets, no dot at the end. The origin's own where nothing else was said. */
  readonly host: string
  readonly port: number
  readonly source: AlternativeSource
  /** On the caller's monotonic clock. */
  readonly learnedAt: number
  readonly expiresAt: number
  /** Survives a change of the network (RFC 7838 3.1 `persist=1`). */
  readonly persists: boolean
  /**
   * Addresses that came with it (ipv4hint, ipv6hint of RFC 9460), for when its host has not been resolved.
   */
  readonly addressHints: readonly string[]
}

/** `host:port`, IPv6 in brackets: names an alternative of an origin. */
export function alternativeKey({ host, port }: Pick<Alternative, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
