import type { Observer } from '../events/observer.ts'
import type { AddressGuardOptions } from './address-guard-options.ts'
import type { EgressOptions } from './egress-options.ts'
import type { Given, OriginOptions, TicketStoreOptions } from './options.ts'
import type { ResolverOptions } from './resolver-options.ts'

/**
 * Options of a transport: `defaults` for every origin, `origins` by URL where one differs.
 *
 * @example
 * ```ts
 * const options: TransportOptions = {
 *   defaults: { pool: { warm: 2 } },
 *   origins: { 'https://origin.example': { tls: { ca: readFileSync('ca.pem', 'utf8') } } },
 *   limits: { maxTotalConnections: 256 },
 *   state: { directory: './state' },
 * }
 * ```
 */
export interface TransportOptions {
  /** Of every origin. Default: the defaults of each group (`middlemile/options`). */
  defaults?: OriginOptions | undefined
  /**
   * Keyed by origin URL (`https://origin.example`). Merged over `defaults`, group by group. Default: none; an
   * origin that is not named has `defaults`.
   */
  origins?: Readonly<Record<string, OriginOptions>> | undefined
  /** Ways out by name, which `egress` of an origin takes. Default: none; everything goes directly. */
  egress?: Readonly<Record<string, EgressOptions>> | undefined
  /** Over all origins. Default: at most 1,024 connections, fewer where descriptors are few. */
  limits?: Given<GlobalLimits> | undefined
  /**
   * TLS session tickets. Read when the transport is made, not by configure(). Default:
   * `DEFAULT_TICKET_STORE_OPTIONS`.
   */
  tickets?: Given<TicketStoreOptions> | undefined
  /** What is kept between runs. Default: nothing. Read when the transport is made, not by configure(). */
  state?: StateOptions | undefined
  /**
   * Name resolution. Read when the transport is made, not by configure(). Default:
   * `DEFAULT_RESOLVER_OPTIONS`.
   */
  resolver?: Given<ResolverOptions> | undefined
  /**
   * DNS servers (`address` or `address:port`, brackets around IPv6) that are asked for HTTPS records, and for
   * addresses unless `resolver.addresses` is `system`. Default: those of the system. Read when the transport
   * is made, not by configure().
   */
  dnsServers?: readonly string[] | undefined
  /**
   * Connects to public addresses only, and to those that it lists: for a transport whose origins are named
   * by strangers. Goes without `egress`. Read when the transport is made, not by configure(). Default: none;
   * every address is dialed.
   */
  addressGuard?: AddressGuardOptions | undefined
  /** Fixed addresses, `HOST:PORT` to IP, as curl's --resolve. Default: none. */
  resolve?: Readonly<Record<string, string>> | undefined
  /**
   * Hosts under which clients know an origin, where that is not the host of its URL: a name, or `*.` and a
   * suffix, to the URL of the origin. Hints to preconnect name those (`preconnectHints`). Default: none.
   */
  publicHosts?: Readonly<Record<string, string>> | undefined
  /** Called with every event, synchronously. Default: none. */
  observer?: Observer | undefined
  /**
   * Gets the secrets of every TLS connection as lines of an SSLKEYLOGFILE. Whoever has them can read the
   * traffic. Default: none.
   */
  keylog?: ((line: Buffer) => void) | undefined
}

/**
 * What is kept between runs: TLS tickets, and what was learned of origins.
 *
 * @example
 * ```ts
 * const transport = createTransport({ state: { directory: './state' } })
 * ```
 */
export interface StateOptions {
  /**
   * A directory of our own, made when it is not there (mode 0700). TLS tickets are kept in it, sealed by a
   * key that lies beside them (mode 0600): who can read the directory can resume our sessions. Several
   * processes may share it; each ticket goes to one of them. What is known of origins lies beside them, as
   * readable JSON, and is put together from what all of them learned.
   */
  directory: string
  /**
   * A file with the key that seals the tickets, instead of one that is made in the directory: 32 random
   * bytes, plain, in hexadecimal (`openssl rand -hex 32`) or in base64, with or without a line break. Nobody
   * but us may read it; a file that root owns may be readable by a group. Read when the transport is made.
   * One that is missing, too short or open to others gives a `state-fault`, and tickets that end with the
   * transport. Default: the key in the directory.
   */
  keyFile?: string | undefined
}

/** Limits over all origins. */
export interface GlobalLimits {
  /**
   * Connections in all. When reached, the longest idle one of any origin makes room. Where it is not given, a
   * third of the descriptors of the process (`ulimit -n`, Linux) at the most. Default 1,024.
   */
  maxTotalConnections: number
  /**
   * Connections beside these whose readers stall, of all origins together: see `pool.maxStalledConnections`.
   * Where it is not given, what `maxTotalConnections` leaves of that third at the most. 0: none. Default
   * 1,024.
   */
  maxStalledConnections: number
  /**
   * Origins with a pool. When reached, the one that was unused for longest and is idle makes room. Default
   * 1,024.
   */
  maxOrigins: number
  /**
   * The share of the event loop's time (0 to 1) that making connections may take while there is other work.
   * Beyond it dials wait, and origins take turns, so that one whose connections end all the time does not
   * starve the others. 0: all begin at once. Default 0.5.
   */
  dialShare: number
  /**
   * The share (0 to 1) of the ports of `net.ipv4.ip_local_port_range` that connections may take from one
   * local address to one address and port of a peer. What is beyond it is refused with MM_PORTS_EXHAUSTED
   * before the kernel finds none. 0: the kernel alone says. Linux only. Default 0.9.
   */
  maxPortShare: number
}

/** The defaults of limits over all origins. Durations are in ms, sizes in bytes. */
export const DEFAULT_GLOBAL_LIMITS: Readonly<GlobalLimits> = {
  maxTotalConnections: 1024,
  maxStalledConnections: 1024,
  maxOrigins: 1024,
  dialShare: 0.5,
  maxPortShare: 0.9,
}
