import { nameThrough } from '../config/build-routes.ts'
import type { RouteSettings, ServiceSettings } from '../config/service-settings.ts'
import type { ForwardProxy } from '../forward-proxy/forward-proxy.ts'
import { type FieldEditor, fieldEditor } from '../routes/field-edits.ts'
import { Rewriter } from '../routes/rewrite.ts'
import { type Answerer, redirectAnswerer, respondAnswerer } from '../routes/route-answer.ts'
import type { RouteDefinition } from '../routes/route-table.ts'
import type { ForwardOrigin } from './forward-origin.ts'
import { RequestHeaders } from './forwarded-headers.ts'
import { Mirror, type MirrorParts } from './mirror.ts'
import type { OwnName } from './own-response.ts'

/** Origins that requests name themselves. */
export interface ProxyEnd {
  readonly proxy: ForwardProxy
  readonly headers: RequestHeaders
}

/** Where a route finds its forward proxy. */
export interface ProxySource {
  of(route: string): ForwardProxy | undefined
}

/** What a route leads to: an origin, an answer, or what the request names. */
export interface ForwardTarget {
  readonly route: RouteSettings
  readonly end: ForwardOrigin | Answerer | ProxyEnd
  readonly rewriter: Rewriter | undefined
  readonly requestFields: FieldEditor | undefined
  readonly responseFields: FieldEditor | undefined
  readonly mirror: Mirror | undefined
}

/** The routes of a configuration, ready to be matched. */
export function forwardTargets(
  settings: ServiceSettings,
  name: OwnName,
  mirrors: MirrorParts,
  proxies: ProxySource,
): RouteDefinition<ForwardTarget>[] {
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
    const { origin = '', egress, rewrite, redirect, respond, requestFields, responseFields, mirror } = action
    const captures = path.names
    let end: ForwardTarget['end'] | undefined = origins.get(nameThrough(origin, egress))
    if (redirect !== undefined) end = redirectAnswerer(redirect, captures)
    if (respond !== undefined) end = respondAnswerer(respond, captures)
    const proxy = proxies.of(route.name)
    if (proxy !== undefined) {
      const headers = new RequestHeaders({ ...settings.forwarding, name, isForProxy: true })
      end = { proxy, headers }
    }
    if (end === undefined) return []
    const mirrored = mirror && origins.get(mirror.origin)
    const target: ForwardTarget = {
      route,
      end,
      rewriter: rewrite && new Rewriter(rewrite, path),
      requestFields: fieldEditor(requestFields, captures),
      responseFields: fieldEditor(responseFields, captures),
      mirror: mirrored && new Mirror(mirror, mirrored, mirrors.counts(route.name), mirrors),
    }
    return [{ host, path, conditions, target }]
  })
}
