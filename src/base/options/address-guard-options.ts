/**
 * Which addresses a transport may connect to, where strangers name its origins: public ones, and those that
 * are listed. What is looked at is each address that is about to be dialed, wherever it came from: a
 * resolver, a cache, a URL, an advertisement of HTTP/3 (SSRF, DNS rebinding).
 *
 * @example
 * ```ts
 * const transport = createTransport({ addressGuard: { allowPrivate: ['10.1.0.0/16'] } })
 * ```
 */
export interface AddressGuardOptions {
  /**
   * Networks (`10.0.0.0/8`, `fd00::/8`) or addresses that are let through though they are private, loopback,
   * link-local, shared by a carrier, multicast, reserved, or this machine's own. Default: none.
   */
  allowPrivate?: readonly string[] | undefined
  /**
   * Refuses more, of what would be let through: says why, or undefined. Called for each address before it is
   * dialed. Default: nothing more.
   */
  refuse?: ((address: string, port: number) => string | undefined) | undefined
}
