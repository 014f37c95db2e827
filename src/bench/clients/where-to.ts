import type { ClientSetting } from '../load/bench-client.ts'

/** Where an origin's connections really go. `port` is a number as text. */
export interface Whereabouts {
  readonly host: string
  readonly port: string
}

/** What `endpoint` and `resolve` of a setting say of an origin; undefined: it is looked up as always. */
export function whereTo(
  origin: string,
  { endpoint, resolve = {} }: Pick<ClientSetting, 'endpoint' | 'resolve'>,
): Whereabouts | undefined {
  if (endpoint !== undefined) {
    const colon = endpoint.lastIndexOf(':')
    return { host: withoutBrackets(endpoint.slice(0, colon)), port: endpoint.slice(colon + 1) }
  }
  const { hostname, port, protocol } = new URL(origin)
  const effective = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  const address = resolve[`${hostname}:${effective}`]
  return address === undefined ? undefined : { host: withoutBrackets(address), port: effective }
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}
