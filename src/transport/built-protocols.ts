import type { Protocol } from '../protocol.ts'

/** What this version can speak to an origin. */
export const BUILT_PROTOCOLS: readonly Protocol[] = ['http/1.1']
