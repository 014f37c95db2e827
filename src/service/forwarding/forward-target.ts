import type { FairBy } from '../../entry/options.ts'
import type { Origin } from '../../index.ts'
import { clientNetwork } from '../../ingress/flooder-table.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { RouteSettings, ServiceSettings } from '../config/service-settings.ts'
import { type FieldEditor, fieldEditor } from '../routes/field-edits.ts'
import { Rewriter } from '../routes/rewrite.ts'
import { type Answerer, redirectAnswerer, respondAnswerer } from '../routes/route-answer.ts'
import type { RouteDefinition } from '../routes/route-table.ts'
import { RequestHeaders } from './forwarded-headers.ts'
import type { OwnName } from './own-response.ts'

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

/** What a route leads to: an origin, or an answer. */
export interface ForwardTarget {
  readonly route: RouteSettings
  readonly end: ForwardOrigin | Answerer
  readonly rewriter: Rewriter | undefined
  readonly requestFields: FieldEditor | undefined
  readonly responseFields: FieldEditor | undefined
}

/** The routes of a configuration, ready to be matched. */
export function forwardTargets(settings: ServiceSettings, name: OwnName): RouteDefinition<ForwardTarget>[] {
  const origins = new Map<string, ForwardOrigin>()
  for (const { name: originName, origin, hostHeader, fairBy } of settings.origins) {
    const isFixed = hostHeader !== 'origin' && hostHeader !== 'preserve'
    origins.set(originName, {
      name: originName,
      origin,
      headers: new RequestHeaders({ ...settings.forwarding, name }),
      keepsAuthority: hostHeader === 'preserve',
      authority: isFixed ? hostHeader : undefined,
      fairBy,
    })
  }
  return settings.routes.flatMap(route => {
    const { host, path, conditions, action } = route
    const { origin, rewrite, redirect, respond, requestFields, responseFields } = action
    const captures = path.names
    let end: ForwardTarget['end'] | undefined = origins.get(origin ?? '')
    if (redirect !== undefined) end = redirectAnswerer(redirect, captures)
    if (respond !== undefined) end = respondAnswerer(respond, captures)
    if (end === undefined) return []
    const target: ForwardTarget = {
      route,
      end,
      rewriter: rewrite && new Rewriter(rewrite, path),
      requestFields: fieldEditor(requestFields, captures),
      responseFields: fieldEditor(responseFields, captures),
    }
    return [{ host, path, conditions, target }]
  })
}

/** What Host carries where no route rewrites it; undefined: the origin's own. */
export function usualAuthority(origin: ForwardOrigin, { authority }: IngressExchange): string | undefined {
  return origin.keepsAuthority && authority !== '' ? authority : origin.authority
}

export function fairKeyOf(exchange: IngressExchange, fairBy: FairBy): string | undefined {
  if (fairBy === 'none') return undefined
  return fairBy === 'client' ? clientNetwork(exchange.remoteAddress) : exchange.authority
}
