/**
 * The protocols in which a connection can speak, by their ALPN names.
 *
 * @example
 * ```ts
 * const protocols: readonly Protocol[] = ['h3', 'h2']
 * const transport = createTransport({ defaults: { protocols } })
 * ```
 */
export type Protocol = 'http/1.1' | 'h2' | 'h3'

/**
 * A lane is one manner of carrying an origin's requests; each has a pool of its own. Which of them a request
 * takes is decided by select/.
 * - `h3`: HTTP/3 over QUIC.
 * - `tcp`: whatever ALPN agrees on over TCP and TLS; in cleartext what the origin is known to take. The lane
 *   that every origin has.
 * - `h2-spread`: HTTP/2 over several connections, for ways that lose packets: a loss stops one connection,
 *   not all.
 * - `http/1.1`: one connection per exchange, offered by ALPN beside others that the origin would take.
 */
export type LaneName = 'h3' | 'tcp' | 'h2-spread' | 'http/1.1'

/** In the order in which people read them. */
export const LANE_NAMES: readonly LaneName[] = ['h3', 'tcp', 'h2-spread', 'http/1.1']
