/**
 * The protocols in which a connection can speak, by their ALPN names.
 *
 * @example
 * ```ts
 * const protocols: readonly Protocol[] = ['h3', 'h2']
 * const transport = createTransport({ defaults: { protocols } })
 * ```
 */
export type Protocol = 'http/1.1' | 'h2' | 'h3'
