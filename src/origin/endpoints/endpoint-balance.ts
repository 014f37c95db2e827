import type { BalancerParts } from '../../balance/balancer.ts'
import type { EndpointEntry } from '../../balance/endpoint-set.ts'
import { TransportError } from '../../base/errors.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import {
  type BalanceOptions,
  type checkEndpoints,
  parseEndpointName,
} from '../../base/options/balance-options.ts'
import { overrideKey, parseAddress } from '../../dns/addresses.ts'

/** How requests are spread over the endpoints. */
export interface EndpointBalance extends Pick<BalancerParts, 'options'> {
  readonly entries: readonly EndpointEntry[]
}

type CheckedEndpoints = ReturnType<typeof checkEndpoints>

/**
 * Undefined: there is no endpoint, or each connect tries them in order. `port`: the origin's. Throws
 * MM_INVALID_ARGUMENT for what is neither an address nor a host name.
 */
export function endpointBalance(
  options: BalanceOptions,
  endpoints: CheckedEndpoints,
  port: number,
): EndpointBalance | undefined {
  const entries = endpoints.map(({ address, weight, tier, zone }): EndpointEntry => {
    return { at: placeOf(address, port), weight, tier, zone }
  })
  const { policy } = options
  return policy === 'in-order' || entries.length === 0
    ? undefined
    : { options: { ...options, policy }, entries }
}

function placeOf(text: string, port: number): EndpointEntry['at'] {
  if (parseEndpointName(text) !== undefined) return { kind: 'name', name: text.toLowerCase() }
  try {
    const parsed = parseAddress(text)
    const key = formatEndpoint({ ...parsed, port: parsed.port ?? port, transport: 'tcp' })
    return { kind: 'address', place: { address: text, key, family: parsed.family } }
  } catch (cause) {
    const message = `endpoints: neither an IP address nor a host name, with or without a port: ${JSON.stringify(text)}`
    throw new TransportError('MM_INVALID_ARGUMENT', message, { cause })
  }
}

/** Of all fixed addresses (`HOST:PORT` to IP) those of the origin, and of host names among its endpoints. */
export function fixedFor(
  { host, port }: Pick<Origin, 'host' | 'port'>,
  endpoints: CheckedEndpoints,
  all: Readonly<Record<string, string>>,
): { readonly own: Readonly<Record<string, string>>; readonly named: Readonly<Record<string, string>> } {
  const names = endpoints.flatMap(({ address }) => parseEndpointName(address) ?? [])
  const keys = new Set(names.map(name => overrideKey(name.host, name.port ?? port)))
  const fixed = Object.entries(all).map(([name, address]) => [name.toLowerCase(), address] as const)
  const isOwn = (name: string): boolean => name === overrideKey(host, port)
  return {
    own: Object.fromEntries(fixed.filter(([name]) => isOwn(name))),
    named: Object.fromEntries(fixed.filter(([name]) => keys.has(name) && !isOwn(name))),
  }
}
