import { asTransportError } from '../base/errors.ts'
import type {
  Finding,
  ProbedAddress,
  ProbedAlternative,
  ProbedFastOpen,
  ProbedHandshake,
  ProbedServiceRecord,
  ProbeReport,
} from '../base/events/probe-report.ts'
import type { Endpoint } from '../base/http/endpoint.ts'
import { parseOrigin } from '../base/http/origin.ts'
import type { LocalAddress } from '../connect/native/descriptor-socket.ts'
import type { ProxiedRoute } from '../origin/egress/proxied-route.ts'
import type { OriginEntry } from '../origin/origin-entry.ts'
import type { OriginMaker } from '../origin/origin-maker.ts'
import { webTransportOffer } from '../origin/probing/http3-offer.ts'
import { connectTcp } from '../origin/probing/probe-with-timeout.ts'
import { quicVersions } from '../origin/probing/quic-versions.ts'
import { TlsProbe } from '../origin/probing/tls-probe.ts'
import { parseAltSvc } from '../select/evidence/alt-svc.ts'
import { learnFromProbe, probeOrigin } from '../select/probe/probe.ts'
import type { ProbeTools } from '../select/probe/probe-tools.ts'
import type { Transport } from './types.ts'

/** What is probed of an origin. */
type ProbedOrigin = Pick<
  OriginEntry,
  'origin' | 'settings' | 'record' | 'resolver' | 'route' | 'locals' | 'lanes' | 'discovery'
>

/**
 * Looks at everything that an origin can do, and keeps what was found in its record. Rejects after an abort
 * only.
 */
export async function probe(
  entry: ProbedOrigin,
  maker: OriginMaker,
  transport: Pick<Transport, 'request'>,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const { origin, settings } = entry
  const { clock } = maker
  const tools = new TransportProbeTools(entry, maker, transport)
  const timeoutMs = settings.select.probeTimeoutMs
  const report = await probeOrigin(tools, { origin, allowed: settings.protocols, timeoutMs, clock }, signal)
  const now = clock.now()
  learnFromProbe(entry.record, report, now)
  entry.lanes.onEvidence('probe', `probed in ${report.durationMs.toFixed(0)} ms`)
  return report
}

/** Nothing goes directly where there is a proxy, not even a question. */
const PROXIED = 'the origin is reached through a proxy'

/** Where addresses came from whose times to live the DNS may know. */
const DNS_SOURCES: readonly string[] = ['system', 'cache', 'stale', 'dns', 'dns-partial']

/** The looks of a probe, made of what the transport has. */
class TransportProbeTools implements ProbeTools {
  readonly #entry: ProbedOrigin
  readonly #maker: OriginMaker
  readonly #transport: Pick<Transport, 'request'>
  readonly #tls: TlsProbe

  constructor(entry: ProbedOrigin, maker: OriginMaker, transport: Pick<Transport, 'request'>) {
    const { origin, settings } = entry
    this.#entry = entry
    this.#maker = maker
    this.#transport = transport
    const serverName = (settings.tls.serverName ?? origin.host).replace(/\.$/, '')
    const { connectMs, tlsMs } = settings.timeouts
    const timeoutMs = connectMs + tlsMs
    this.#tls = new TlsProbe({
      clock: maker.clock,
      tls: settings.tls,
      serverName,
      timeoutMs,
      localOf: endpoint => this.#localOf(endpoint),
    })
  }

  /**
   * As connects find them; how long the DNS lets them be kept is asked beside, where the DNS is what they
   * come from.
   */
  async resolve(host: string, signal: AbortSignal): Promise<Finding<readonly ProbedAddress[]>> {
    const { origin, resolver, route } = this.#entry
    if (route !== undefined && host !== origin.host) return { skipped: PROXIED }
    const ttls = this.#timesToLive(host, signal)
    try {
      const ofHost =
        host === origin.host
          ? resolver
          : this.#maker.resolver.forOrigin(
              parseOrigin(`https://${host.includes(':') ? `[${host}]` : host}`),
              {},
            )
      const { addresses, source } = await ofHost.resolve(host, signal)
      const isFromDns = DNS_SOURCES.includes(source)
      const known = isFromDns ? await ttls : new Map<string, number>()
      return {
        found: addresses.map(address => ({ ...address, ttlSeconds: known.get(address.address) })),
      }
    } catch (cause) {
      return faultOf(cause)
    }
  }

  async serviceRecords(
    host: string,
    port: number,
    signal: AbortSignal,
  ): Promise<Finding<readonly ProbedServiceRecord[]>> {
    if (this.#entry.route !== undefined) return { skipped: PROXIED }
    if (!this.#entry.discovery.mayAskDns) return { skipped: 'the addresses of the origin are configured' }
    const answer = await this.#maker.serviceRecords.lookup(host, port, signal)
    this.#entry.record.onServiceAnswer(answer, this.#maker.clock.now())
    if (answer.kind === 'failed') return { fault: answer.because, code: 'MM_DNS_FAILED' }
    return { found: answer.kind === 'none' ? [] : answer.records }
  }

  /** Through a proxy: how long it takes until the tunnel stands. */
  async connectTcp(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<{ readonly ms: number }>> {
    const { route, settings } = this.#entry
    if (route !== undefined) {
      const startedAt = this.#maker.clock.now()
      try {
        const tunnel = await route.open(endpoint, signal)
        tunnel.destroy()
        return { found: { ms: this.#maker.clock.now() - startedAt } }
      } catch (cause) {
        return faultOf(cause)
      }
    }
    const { connectMs: timeoutMs } = settings.timeouts
    const local = this.#localOf(endpoint)
    return await connectTcp(endpoint, { clock: this.#maker.clock, timeoutMs, local }, signal)
  }

  async handshakeTls(
    ...[endpoint, wanted, signal]: Parameters<ProbeTools['handshakeTls']>
  ): ReturnType<ProbeTools['handshakeTls']> {
    const { route } = this.#entry
    if (route === undefined) return await this.#tls.handshake(endpoint, wanted, signal)
    try {
      const tunnel = await route.open(endpoint, signal)
      return await this.#tls.handshake(endpoint, wanted, signal, tunnel)
    } catch (cause) {
      return faultOf(cause)
    }
  }

  async fastOpen(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<ProbedFastOpen>> {
    const { origin, settings, route } = this.#entry
    if (route !== undefined) return { skipped: PROXIED }
    return await this.#maker.probeFastOpen(endpoint, origin, settings, signal, this.#localOf(endpoint))
  }

  async quicVersions(endpoint: Endpoint, signal: AbortSignal): ReturnType<ProbeTools['quicVersions']> {
    if (this.#entry.route !== undefined) return { skipped: PROXIED }
    const local = this.#localOf(endpoint)
    if (local?.isFree === true) return { skipped: 'not asked from an address of a prefix' }
    return await quicVersions(endpoint, { clock: this.#maker.clock, localAddress: local?.address }, signal)
  }

  /** A connection of its own, that nothing is resumed from and that is closed at once. */
  async handshakeHttp3(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<ProbedHandshake>> {
    const { origin, settings, route } = this.#entry
    const { http3Dialer } = this.#maker
    const fault = route?.udpFault(this.#maker.clock.now()) ?? http3Dialer.fault
    if (fault !== undefined) return { skipped: fault }
    const alternative = { host: origin.host, port: route === undefined ? endpoint.port : origin.port }
    try {
      const endpoints = route === undefined ? [endpoint] : await this.#proxiesFor(route, signal)
      const dialed = await http3Dialer.dial(
        {
          origin,
          alternative,
          attempts: endpoints.map(at => ({ endpoint: at, because: 'probe' })),
          settings: { ...settings, tls: { ...settings.tls, resumption: false } },
          departures: this.#entry.locals,
          tunnels: route?.tunnelsTo(alternative),
          attemptDelayMs: route?.attemptDelayMs,
          dnsMs: 0,
          wantsEarlyData: false,
          onAttempts: () => {},
        },
        signal,
      )
      const { handshake } = dialed
      const drafts = await webTransportOffer(dialed, settings, this.#maker.clock)
      const { uses, missing } = http3Dialer.udp
      const udp = missing === undefined ? uses : `${uses} (${missing})`
      const webTransport = drafts === undefined ? {} : { webTransport: drafts }
      return {
        found: { ms: handshake.timings.tlsMs, protocol: 'h3', cipher: undefined, udp, ...webTransport },
      }
    } catch (cause) {
      return faultOf(cause)
    }
  }

  /** Where the proxies are that carry UDP. */
  async #proxiesFor(route: ProxiedRoute, signal: AbortSignal): Promise<Endpoint[]> {
    const { addresses } = await route.resolveForUdp(signal)
    const { port: usual } = this.#entry.origin
    return addresses.map(({ address, family, port = usual }) => ({ address, family, port, transport: 'udp' }))
  }

  async altSvc(signal: AbortSignal): Promise<Finding<readonly ProbedAlternative[]>> {
    // A request by URL goes the usual way.
    if (this.#entry.origin.egress !== undefined) return { skipped: 'the origin has the egress of a route' }
    try {
      const response = await this.#transport.request(`${this.#entry.origin.key}/`, { method: 'HEAD', signal })
      await response.dump()
      const field = response.headers['alt-svc']
      if (field === undefined) return { found: [] }
      const parsed = parseAltSvc(Array.isArray(field) ? field.join(', ') : field)
      if (parsed === undefined) return { fault: `Alt-Svc cannot be read: ${String(field)}` }
      if (parsed.clears) return { found: [] }
      return {
        found: parsed.alternatives.map(({ protocolId, host, port, maxAgeSeconds, persists }) => ({
          protocol: protocolId,
          host: host === '' ? this.#entry.origin.host : host,
          port,
          maxAgeSeconds,
          persists,
        })),
      }
    } catch (cause) {
      return faultOf(cause)
    }
  }

  /** What connections to it leave from. */
  #localOf(endpoint: Endpoint): LocalAddress | undefined {
    return this.#entry.locals?.next(endpoint).local
  }

  async #timesToLive(host: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    if (!this.#entry.discovery.mayAskDns) return new Map()
    try {
      const addresses = await this.#maker.dns.lookupAddresses(host, signal)
      return new Map(addresses.map(({ address, ttlSeconds }) => [address, ttlSeconds]))
    } catch {
      return new Map() // /etc/hosts knows it, or nobody does
    }
  }
}

function faultOf(cause: unknown): {
  readonly fault: string
  readonly code: ReturnType<typeof asTransportError>['code']
} {
  const { message, code } = asTransportError(cause, 'MM_CONNECT_FAILED', 'no')
  return { fault: message, code }
}
