/** The protocols in which a connection can speak, by their ALPN names. */
export type Protocol = 'http/1.1' | 'h2' | 'h3'
