// What this version carries. Configuration and command line refuse the rest by name.

export const KNOWN_PROTOCOLS = ['h3', 'h2', 'http/1.1'] as const

export const NOT_BUILT = 'not built in this version'
