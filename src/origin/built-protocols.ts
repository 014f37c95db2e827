import type { Protocol } from '../base/http/protocol.ts'

/**
 * What this version can speak to an origin, best first. Whether HTTP/3 works on this machine is known when it
 * is first needed: see Http3Support.
 */
export const BUILT_PROTOCOLS: readonly Protocol[] = ['h3', 'h2', 'http/1.1']
