import { BUILT_PROTOCOLS as SPOKEN_PROTOCOLS } from '../../index.ts'

// What this version carries. Configuration and command line refuse the rest by name.

export const KNOWN_PROTOCOLS = ['h3', 'h2', 'http/1.1'] as const

export const BUILT_PROTOCOLS: ReadonlySet<string> = new Set(SPOKEN_PROTOCOLS)

export const NOT_BUILT = 'not built in this version'
