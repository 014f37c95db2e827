import type { Protocol } from '../protocol.ts'

/** What this version can speak to an origin, best first. */
export const BUILT_PROTOCOLS: readonly Protocol[] = ['h2', 'http/1.1']
