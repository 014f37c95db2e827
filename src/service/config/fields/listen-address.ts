import { isIP } from 'node:net'
import { z } from 'zod'
import { UNIX_SOCKET } from '../../../ingress/unix-socket.ts'

/** Where a server listens. */
export interface ListenAddress {
  /**
   * '' is every address: Node then takes `::`, or `0.0.0.0` where there is no IPv6. `unix:` and a path: a
   * Unix socket, whose port is 0.
   */
  host: string
  port: number
}

export const LISTEN_ADDRESS_FORM = 'HOST:PORT such as 127.0.0.1:8080, [::1]:8080, or :8080 for every address'

/**
 * `127.0.0.1:8080`, `[::1]:0`, `localhost:8080`, `:8080` (every address). Undefined when it is none of these.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const [, bracketed, plain = '', portText] = match
  const port = Number(portText)
  if (port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined
  if (/^[\d.]+$/.test(plain) && isIP(plain) !== 4) return undefined
  return { host: bracketed ?? plain, port }
}

/** Only programs of this machine reach it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1'
}

/**
 * `127.0.0.1:8080`, brackets around IPv6.
 *
 * @example
 * ```ts
 * formatListenAddress({ host: '::1', port: 8080 }) // '[::1]:8080'
 * ```
 */
export function formatListenAddress(address: ListenAddress): string {
  if (address.host.startsWith(UNIX_SOCKET)) return address.host
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/**
 * What metrics call the origin of requests that came to none, and origins that a reload removed while they
 * still had exchanges.
 */
export const NO_ORIGIN = 'none'
export const REMOVED_ORIGIN = 'removed'

const ORIGIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The name of an origin, which is a label of its metrics. */
export const originNameField = z
  .string()
  .regex(ORIGIN_NAME, 'must be a name of letters, digits, dot, dash, underscore')
  .refine(
    name => name !== NO_ORIGIN && name !== REMOVED_ORIGIN,
    `must be another name: metrics count under ${NO_ORIGIN} and ${REMOVED_ORIGIN} what belongs to no origin`,
  )
