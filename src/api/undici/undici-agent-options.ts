import type { Agent } from 'undici'
import type { OriginOptions, TlsOptions } from '../../base/options/options.ts'

/**
 * What of undici's Agent options means something here. The types are undici's own.
 *
 * @example
 * ```ts
 * const options: UndiciAgentOptions = { connections: 8, headersTimeout: 10_000 }
 * const transport = createTransport({ defaults: fromUndiciAgentOptions(options) })
 * ```
 */
export type UndiciAgentOptions = Pick<
  Agent.Options,
  | 'allowH2'
  | 'bodyTimeout'
  | 'connect'
  | 'connections'
  | 'headersTimeout'
  | 'keepAliveTimeout'
  | 'maxConcurrentStreams'
  | 'maxHeaderSize'
  | 'maxRequestsPerClient'
>

/**
 * The options of an undici Agent as options for origins, so that `new Agent(options)` becomes
 * `createTransport({ defaults: fromUndiciAgentOptions(options) }).dispatcher()`. What is left out stays at
 * our default, but `allowH2` means what it means there: HTTP/2 only where it is true. `connect` counts as far
 * as it is an object.
 *
 * @example
 * ```ts
 * const transport = createTransport({ defaults: fromUndiciAgentOptions({ connections: 8, allowH2: true }) })
 * setGlobalDispatcher(transport.dispatcher())
 * ```
 */
export function fromUndiciAgentOptions(options: UndiciAgentOptions): OriginOptions {
  const connect = typeof options.connect === 'object' ? options.connect : {}
  return {
    // undici keeps allowH2 off by default, and takes it in `connect` as well.
    protocols: (options.allowH2 ?? connect.allowH2) === true ? ['h2', 'http/1.1'] : ['http/1.1'],
    pool: numbers({
      maxConnections: options.connections,
      maxStreamsPerConnection: options.maxConcurrentStreams,
      idleTimeoutMs: options.keepAliveTimeout,
      maxRequests: options.maxRequestsPerClient,
    }),
    timeouts: numbers({
      headersMs: options.headersTimeout,
      bodyMs: options.bodyTimeout,
      connectMs: connect.timeout,
    }),
    limits: numbers({ maxHeaderBytes: options.maxHeaderSize }),
    tls: tlsOptions(connect),
  }
}

/** Those that were given. null is undici's word for "no limit", which is left to our default. */
function numbers<Name extends string>(
  values: Readonly<Record<Name, number | null | undefined>>,
): Partial<Record<Name, number>> {
  const given: Partial<Record<Name, number>> = {}
  for (const name of Object.keys(values) as Name[] /* its keys */) {
    const value = values[name]
    if (typeof value === 'number') given[name] = value
  }
  return given
}

/** PEM only: what is not text, or lists of texts, is Node's own business and not ours. */
function tlsOptions(connect: object): TlsOptions {
  const given = connect as Readonly<Record<string, unknown>> // looked at one by one
  const tls: TlsOptions = {}
  const { ca, cert, key, passphrase, servername, rejectUnauthorized, ciphers } = given
  if (typeof ca === 'string') tls.ca = ca
  else if (Array.isArray(ca)) tls.ca = ca.map(String)
  else if (ca instanceof Uint8Array) tls.ca = Buffer.from(ca).toString()
  if (typeof cert === 'string' || cert instanceof Uint8Array) tls.cert = Buffer.from(cert).toString()
  if (typeof key === 'string' || key instanceof Uint8Array) tls.key = Buffer.from(key).toString()
  if (typeof passphrase === 'string') tls.passphrase = passphrase
  if (typeof servername === 'string') tls.serverName = servername
  if (typeof rejectUnauthorized === 'boolean') tls.rejectUnauthorized = rejectUnauthorized
  if (typeof ciphers === 'string') tls.ciphers = ciphers
  return tls
}
