import { networkInterfaces } from 'node:os'
import type { Clock } from '../../entry/events.ts'
import { createTransport, type Observer, type TransportOptions } from '../../index.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { ForwardProxies, type SharedOptions } from '../forward-proxy/forward-proxies.ts'
import type { ForwardSettings } from '../forward-proxy/proxy-settings.ts'
import type { ServiceMetrics } from '../metrics/service-metrics.ts'
import type { OpenSockets } from './open-sockets.ts'
import { withServiceDefaults } from './service-defaults.ts'

interface ServiceProxiesParts {
  readonly clock: Clock
  readonly metrics: ServiceMetrics
  /** An observer that counts there, and reports to everybody else. */
  readonly observerBy: (count: Observer) => Observer
  readonly settings: () => ServiceSettings
  readonly sockets: () => OpenSockets
  readonly startedWith: Pick<ServiceSettings, 'dnsServers' | 'resolver'>
}

/** The forward proxies of a service, each with a transport that keeps to public addresses. */
export function serviceProxies(parts: ServiceProxiesParts): ForwardProxies {
  const { clock, metrics, observerBy, startedWith } = parts
  const { dnsServers, resolver } = startedWith
  const refuse = (address: string, port: number): string | undefined =>
    isOwnServer(address, port, ownServers(parts)) ? 'a server of this connector' : undefined
  return new ForwardProxies({
    clock,
    makeTransport: (route, settings, shared) =>
      createTransport({
        ...proxyOptions(settings, shared),
        addressGuard: { allowPrivate: settings.allowPrivate, refuse },
        ...(dnsServers !== undefined && { dnsServers }),
        ...(resolver !== undefined && { resolver }),
        observer: observerBy(metrics.observeProxy(route)),
      }),
    reportsOf: route => metrics.proxyReports(route),
  })
}

/** What transports of forward proxies are made of, beside the settings of the proxy. */
export function sharedByProxies({ transport: { limits, resolve } }: ServiceSettings): SharedOptions {
  return { limits, resolve }
}

/** Nothing is kept between runs of what strangers have named. */
function proxyOptions(
  { options, maxOrigins, maxConnections }: ForwardSettings,
  { limits, resolve }: SharedOptions,
): TransportOptions {
  const total = maxConnections === undefined ? {} : { maxTotalConnections: maxConnections }
  return withServiceDefaults({ defaults: options, limits: { ...limits, ...total, maxOrigins }, resolve })
}

/** Where the service listens: as configured, and where that said 0, as it came to be. */
function ownServers({ settings, sockets }: ServiceProxiesParts): readonly ListenAddress[] {
  const { listen, admin } = settings()
  const { listeners, admin: openAdmin, supervisorAdmin } = sockets()
  const open = listeners.map(({ listener: { address: host, port } }) => ({ host, port }))
  const admins = [admin.address, openAdmin?.address, supervisorAdmin]
  const all = [...listen.map(({ address }) => address), ...open, ...admins]
  return all.filter(address => address !== undefined)
}

const EVERY_ADDRESS: readonly string[] = ['', '0.0.0.0', '::']

/**
 * Whether a server of our own is there: a request that went to it would come back, or come to the admin
 * server from an address that is believed. `present`: the addresses of this machine.
 */
export function isOwnServer(
  address: string,
  port: number,
  servers: readonly ListenAddress[],
  present: readonly string[] = presentAddresses(),
): boolean {
  return servers.some(server => {
    if (server.port !== port || port === 0) return false
    const host = server.host === 'localhost' ? '' : server.host
    if (!EVERY_ADDRESS.includes(host)) return host === address
    return address.startsWith('127.') || present.includes(address)
  })
}

function presentAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(addresses => addresses?.map(one => one.address) ?? [])
}
