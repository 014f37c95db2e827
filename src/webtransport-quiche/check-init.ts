import { TransportError } from '../base/errors.ts'
import { quicEngine } from '../quic/load-engine.ts'

/**
 * Loads the engine. Throws MM_PROTOCOL_UNAVAILABLE where there is none: `@matrixai/quic` is not installed, or
 * there is no build of it for this machine.
 *
 * @example
 * ```ts
 * checkQuicheInit()
 * ```
 */
export function checkQuicheInit(_options?: unknown): void {
  const loaded = quicEngine()
  if ('unavailable' in loaded)
    throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `there is no HTTP/3 here: ${loaded.unavailable}`)
}
