// What this version carries.

export const KNOWN_PROTOCOLS = ['h3', 'h2', 'http/1.1'] as const
