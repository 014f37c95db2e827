import type { FairBy } from '../../entry/options.ts'
import type { Origin } from '../../index.ts'
import { clientNetwork } from '../../ingress/flooder-table.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { RequestHeaders } from './forwarded-headers.ts'

/** Where requests go, with everything prepared that does not depend on one. */
export interface ForwardOrigin {
  readonly name: string
  readonly origin: Origin
  readonly headers: RequestHeaders
  readonly keepsAuthority: boolean
  /** Sent as Host instead of the origin's own. */
  readonly authority: string | undefined
  /** Who takes turns while requests wait for the origin. */
  readonly fairBy: FairBy
}

/** What Host carries where no route rewrites it; undefined: the origin's own. */
export function usualAuthority(origin: ForwardOrigin, { authority }: IngressExchange): string | undefined {
  return origin.keepsAuthority && authority !== '' ? authority : origin.authority
}

export function fairKeyOf(exchange: IngressExchange, fairBy: FairBy): string | undefined {
  if (fairBy === 'none') return undefined
  return fairBy === 'client' ? clientNetwork(exchange.remoteAddress) : exchange.authority
}
