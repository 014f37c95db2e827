import type { Protocol } from '../base/http/protocol.ts'

export interface ProtocolChoice {
  /** By configuration, best first. */
  readonly allowed: readonly Protocol[]
  /** With TLS the origin chooses by ALPN. */
  readonly isSecure: boolean
  /** What the origin spoke last. */
  readonly known: Protocol | undefined
}

/**
 * What a connection over TCP offers, best first. Empty when nothing is left.
 *
 * 1. With TLS: whatever is allowed. One dial, and ALPN settles it (RFC 7301).
 * 2. In cleartext there is nothing to settle it by (RFC 9113 3.1 took `Upgrade: h2c` away), so that there is
 *    one choice: what the origin is known to speak; else HTTP/1.1; else, where that is not allowed, HTTP/2 by
 *    prior knowledge (RFC 9113 3.3).
 */
export function offeredProtocols({ allowed, isSecure, known }: ProtocolChoice): readonly Protocol[] {
  const usable: readonly Protocol[] = allowed.filter(protocol => protocol !== 'h3') // not over TCP
  if (isSecure) return usable // 1
  if (known !== undefined && usable.includes(known)) return [known] // 2
  return usable.includes('http/1.1') ? ['http/1.1'] : usable.slice(0, 1)
}
