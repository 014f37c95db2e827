import type { OriginOptions } from '../../index.ts'
import { DEFAULT_FORWARD, type ForwardSettings, layeredOptions } from '../forward-proxy/proxy-settings.ts'
import { EVERY_PATH } from '../routes/path-pattern.ts'
import { NO_CONDITIONS } from '../routes/route-conditions.ts'
import { conditionsOf, type ParsedRoute } from './fields/route-fields.ts'
import { originOptions } from './origin-options.ts'
import type { MirrorSettings, RouteAction, RouteSettings } from './service-settings.ts'

/** What of a configuration its routes are made of. */
interface RoutedConfig {
  readonly origins: Readonly<
    Record<string, { readonly hosts?: readonly string[] | undefined; readonly egress?: string | undefined }>
  >
  readonly defaults?: { readonly egress?: string | undefined } | undefined
  readonly routes?: readonly ParsedRoute[] | undefined
}

/**
 * An origin's hosts are routes. One origin without any route takes everything: there is nowhere else to
 * send it.
 */
export function collectRoutes(
  config: RoutedConfig,
  defaults: OriginOptions,
  warnings: string[],
): RouteSettings[] {
  const routes: RouteSettings[] = []
  for (const [name, origin] of Object.entries(config.origins)) {
    for (const [index, host] of (origin.hosts ?? []).entries())
      routes.push(wholeHost(host, name, ['origins', name, 'hosts', index]))
  }
  for (const [index, route] of (config.routes ?? []).entries()) {
    const { name = `routes[${index}]`, host: hosts = ['*'] } = route
    const path = route.pathPattern ?? route.path ?? EVERY_PATH
    const usual = config.origins[route.origin ?? '']?.egress ?? config.defaults?.egress
    // That of the origin itself makes no other pools.
    const egress = route.egress === usual ? undefined : route.egress
    const [conditions, action] = [conditionsOf(route), actionOf({ ...route, egress }, defaults)]
    for (const host of hosts) routes.push({ name, at: ['routes', index], host, path, conditions, action })
  }
  const names = Object.keys(config.origins)
  if (routes.length === 0 && names.length === 1)
    return names.map(name => wholeHost('*', name, ['origins', name]))
  for (const name of names) {
    if (!routes.some(({ action: { origin, mirror } }) => origin === name || mirror?.origin === name)) {
      warnings.push(`origins.${name}: no route leads to it; give it hosts or name it in routes`)
    }
  }
  return routes
}

/** What metrics, logs and the admin routes call an origin that a route reaches through another egress. */
export function nameThrough(origin: string, egress: string | undefined): string {
  // No name has a @ in it.
  return egress === undefined ? origin : `${origin}@${egress}`
}

function wholeHost(host: string, origin: string, at: RouteSettings['at']): RouteSettings {
  const action = { ...NO_ACTION, origin }
  return { name: origin, at, host, path: EVERY_PATH, conditions: NO_CONDITIONS, action }
}

const NO_ACTION: RouteAction = {
  origin: undefined,
  egress: undefined,
  rewrite: undefined,
  requestFields: undefined,
  responseFields: undefined,
  redirect: undefined,
  respond: undefined,
  limits: {
    headersTimeoutMs: undefined,
    bodyTimeoutMs: undefined,
    requestTimeoutMs: undefined,
    retry: undefined,
    protocols: undefined,
    earlyData: undefined,
    maxBodyBytes: 0,
  },
  mirror: undefined,
  forward: undefined,
}

const DEFAULT_MIRROR: Omit<MirrorSettings, 'origin'> = {
  share: 1,
  maxBodyBytes: 65_536,
  maxUnderWay: 64,
}

function actionOf(
  {
    origin,
    egress,
    rewrite,
    requestFields,
    responseFields,
    redirect,
    respond,
    timeouts = {},
    retry,
    protocols,
    earlyData,
    maxBodyBytes = 0,
    mirror,
    forward,
  }: ParsedRoute,
  defaults: OriginOptions,
): RouteAction {
  return {
    origin,
    egress,
    rewrite: rewrite && { host: rewrite.host, path: rewrite.path },
    requestFields,
    responseFields,
    redirect: redirect && {
      status: redirect.status ?? 302,
      location: redirect.location,
      keepQuery: redirect.keepQuery === true,
    },
    respond: respond && {
      status: respond.status ?? 200,
      headers: respond.headers ?? [],
      body: respond.body ?? '',
    },
    limits: {
      headersTimeoutMs: timeouts.headers,
      bodyTimeoutMs: timeouts.body,
      requestTimeoutMs: timeouts.request,
      retry,
      protocols,
      earlyData: earlyData && earlyData === 'safe',
      maxBodyBytes,
    },
    mirror: mirror && {
      origin: mirror.origin,
      share: mirror.share ?? DEFAULT_MIRROR.share,
      maxBodyBytes: mirror.maxBodyBytes ?? DEFAULT_MIRROR.maxBodyBytes,
      maxUnderWay: mirror.maxUnderWay ?? DEFAULT_MIRROR.maxUnderWay,
    },
    forward: forward && forwardSettings(forward, defaults),
  }
}

function forwardSettings(
  { auth, origins = {}, tunnelIdleTimeout, udpIdleTimeout, ...given }: NonNullable<ParsedRoute['forward']>,
  defaults: OriginOptions,
): ForwardSettings {
  const { realm, maxOrigins, maxTunnels, tunnelIdleMs, udpTemplate, udpIdleMs, udpQueueBytes } =
    DEFAULT_FORWARD
  return {
    allow: given.allow,
    allowPrivate: given.allowPrivate ?? [],
    auth: auth && { users: auth.users, realm: auth.realm ?? realm },
    maxOrigins: given.maxOrigins ?? maxOrigins,
    maxConnections: given.maxConnections,
    maxTunnels: given.maxTunnels ?? maxTunnels,
    tunnelIdleMs: tunnelIdleTimeout ?? tunnelIdleMs,
    udpTemplate: given.udpTemplate ?? udpTemplate,
    udpIdleMs: udpIdleTimeout ?? udpIdleMs,
    udpQueueBytes: given.udpQueueBytes ?? udpQueueBytes,
    // Origins that strangers name open no connections to others.
    options: { ...layeredOptions(defaults, originOptions(origins)), preconnectHints: 'never' },
  }
}
