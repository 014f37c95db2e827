import type { Clock } from '../clock.ts'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import { abortError } from '../errors.ts'
import type { Origin } from '../origin.ts'
import type { Protocol } from '../protocol.ts'
import {
  acceptedBy,
  certificateOf,
  isFound,
  NO_HANDSHAKE,
  roundTrips,
  withoutExtras,
} from './probe-findings.ts'
import type { Finding, ProbedHandshake, ProbeReport, QuicFinding } from './probe-report.ts'
import {
  type AdvertisedPlace,
  advertisedPlaces,
  alternativePlaces,
  probedEndpoints,
  type UdpTarget,
  udpTargets,
} from './probe-targets.ts'
import type { ProbeTools, TlsHandshake, TlsHandshakeOptions } from './probe-tools.ts'
import { ProbeTurns } from './probe-turns.ts'

export interface ProbeSettings {
  readonly origin: Origin
  /** Protocols that are forbidden are not looked at. */
  readonly allowed: readonly Protocol[]
  /** For the probe as a whole. What is not known by then is a fault in the report. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Room for a TCP connect and a QUIC packet to each of four addresses; a silent UDP port must not hold up TLS. */
const MAX_PARALLEL = 8
/** Servers send tickets with, or right behind, the last flight of their handshake. */
const TICKETS_FOR_MS = 200
const TLS_VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const
const TCP_PROTOCOLS = ['h2', 'http/1.1'] as const
/** QUIC v1 (RFC 9000 15), the one that is spoken here. */
const QUIC_V1 = '0x00000001'
/** Of one name. */
const OWN_ADDRESSES = 4
const ALTERNATIVE_ADDRESSES = 2

const CLEARTEXT = 'the origin is http: there is no TLS, and no QUIC'
const UNREACHED = 'none of its addresses took a TCP connection'
const NO_REQUEST = 'no request was to be sent'
const FORBIDDEN = 'not allowed by the configuration'

/**
 * Finds out what an origin can do, without a request but the HEAD that `tools.altSvc` stands for. Everything that can go on at the same
 * time does, within a budget; what fails is a fault of its own in the report. Rejects after an abort only.
 */
export async function probeOrigin(
  tools: ProbeTools,
  settings: ProbeSettings,
  signal: AbortSignal,
): Promise<ProbeReport> {
  if (signal.aborted) throw abortError(signal, 'the probe')
  const { clock, timeoutMs } = settings
  const turns = new ProbeTurns({ clock, timeoutMs, maxParallel: MAX_PARALLEL }, signal)
  try {
    const report = await new ProbeRun(tools, settings, turns).report()
    if (signal.aborted) throw abortError(signal, 'the probe')
    return report
  } finally {
    turns.end()
  }
}

/** What was found out of one UDP port. */
interface UdpLook {
  readonly target: UdpTarget
  readonly answer: QuicFinding
  readonly handshake: Finding<ProbedHandshake>
}

type Secured = Pick<ProbeReport, 'tls' | 'certificate' | 'alpn' | 'tickets'>

/** One probe under way: each method is one thing that is looked at. */
class ProbeRun {
  readonly #tools: ProbeTools
  readonly #settings: ProbeSettings
  readonly #turns: ProbeTurns

  constructor(tools: ProbeTools, settings: ProbeSettings, turns: ProbeTurns) {
    this.#tools = tools
    this.#settings = settings
    this.#turns = turns
  }

  async report(): Promise<ProbeReport> {
    const { origin, clock } = this.#settings
    const startedAt = clock.now()
    const asking = this.#serviceRecords()
    const addresses = await this.#turns.run(signal => this.#tools.resolve(origin.host, signal))
    const endpoints = 'found' in addresses ? probedEndpoints(addresses.found, origin.port, OWN_ADDRESSES) : []

    const connecting = endpoints.map(endpoint => this.#connect(endpoint))
    const reached = firstReached(connecting, endpoints)
    const securing = reached.then(endpoint => this.#secure(endpoint))
    const opening = reached.then(endpoint => this.#fastOpen(endpoint))
    const advertising = reached.then(endpoint => this.#altSvc(endpoint))
    const advertised = Promise.all([advertising, asking]).then(([altSvc, records]) =>
      advertisedPlaces(origin, altSvc, records),
    )
    const own = udpTargets(endpoints, origin.host, 'origin').map(target => this.#lookAt(target, advertised))
    const elsewhere = advertised.then(async places => {
      const targets = await this.#alternativeTargets(places)
      return await Promise.all(targets.map(target => this.#lookAt(target, advertised)))
    })

    const tcp = await Promise.all(connecting)
    const { tls, certificate, alpn, tickets } = await securing
    const udp = [...(await Promise.all(own)), ...(await elsewhere)]
    const found = { addresses, tcp, tls, certificate, alpn, tickets, fastOpen: await opening }
    const quic = udp.map(({ target: { endpoint, host, source }, answer }) => ({
      endpoint,
      host,
      source,
      answer,
    }))
    const http3 = udp.map(({ target: { endpoint, host, source }, handshake }) => ({
      endpoint,
      host,
      source,
      handshake,
    }))
    return {
      origin: origin.key,
      durationMs: clock.now() - startedAt,
      isReachable: [
        ...tcp.map(({ connect }) => connect),
        ...udp.flatMap(({ answer, handshake }) => [answer, handshake]),
      ].some(isFound),
      ...found,
      altSvc: await advertising,
      httpsRecords: await asking,
      quic,
      http3,
      roundTripMs: roundTrips({ tcp, tls, quic, http3 }),
    }
  }

  #serviceRecords(): Promise<ProbeReport['httpsRecords']> {
    const { host, port, ipFamily } = this.#settings.origin
    if (!this.#isSecure) return skip(CLEARTEXT)
    if (ipFamily !== 0) return skip('the origin is an address and has no name to ask for')
    return this.#turns.run(signal => this.#tools.serviceRecords(host, port, signal))
  }

  async #connect(endpoint: Endpoint): Promise<ProbeReport['tcp'][number]> {
    const connect = await this.#turns.run(signal => this.#tools.connectTcp(endpoint, signal))
    return { endpoint: formatEndpoint(endpoint), connect }
  }

  #fastOpen(endpoint: Endpoint | undefined): Promise<ProbeReport['fastOpen']> {
    if (endpoint === undefined) return skip(UNREACHED)
    return this.#turns.run(signal => this.#tools.fastOpen(endpoint, signal))
  }

  #altSvc(endpoint: Endpoint | undefined): Promise<ProbeReport['altSvc']> {
    const tools = this.#tools
    if (tools.altSvc === undefined) return skip(NO_REQUEST)
    const obstacle = this.#tlsObstacle(endpoint)
    if (obstacle !== undefined) return skip(obstacle)
    return this.#turns.run(signal => tools.altSvc?.(signal) ?? skip(NO_REQUEST))
  }

  async #secure(endpoint: Endpoint | undefined): Promise<Secured> {
    const obstacle = this.#tlsObstacle(endpoint)
    if (endpoint === undefined || obstacle !== undefined) return unsecured(obstacle ?? UNREACHED)
    const handshake = (
      options: Omit<TlsHandshakeOptions, 'ticketsForMs'>,
    ): Promise<Finding<TlsHandshake>> => {
      const ticketsForMs = options.version === undefined ? 0 : TICKETS_FOR_MS
      return this.#turns.run(signal =>
        this.#tools.handshakeTls(endpoint, { ...options, ticketsForMs }, signal),
      )
    }
    const [handshakes, alpn] = await Promise.all([
      Promise.all(TLS_VERSIONS.map(version => handshake({ version, alpn: this.#tcpProtocols }))),
      Promise.all(
        TCP_PROTOCOLS.map(async protocol => ({
          protocol,
          accepted: this.#tcpProtocols.includes(protocol)
            ? acceptedBy(protocol, await handshake({ alpn: [protocol] }))
            : { skipped: FORBIDDEN },
        })),
      ),
    ])
    const done = handshakes.find(isFound)?.found
    return {
      tls: TLS_VERSIONS.map((version, i) => ({
        version,
        handshake: withoutExtras(handshakes[i] ?? { skipped: UNREACHED }),
      })),
      certificate: certificateOf(handshakes),
      alpn,
      tickets: done === undefined ? { skipped: NO_HANDSHAKE } : { found: done.tickets },
    }
  }

  async #alternativeTargets(places: readonly AdvertisedPlace[]): Promise<UdpTarget[]> {
    const { origin } = this.#settings
    if (this.#quicObstacle() !== undefined) return []
    const targets = await Promise.all(
      alternativePlaces(origin, places).map(async ({ host, port, source }) => {
        const addresses = await this.#turns.run(signal => this.#tools.resolve(host, signal))
        if (!('found' in addresses)) return []
        // An address may bring a port of its own where the configuration says so; the advertised one is meant here.
        const bare = addresses.found.map(({ address, family }) => ({ address, family }))
        return udpTargets(probedEndpoints(bare, port, ALTERNATIVE_ADDRESSES), host, source)
      }),
    )
    return targets.flat()
  }

  async #lookAt(target: UdpTarget, advertised: Promise<readonly AdvertisedPlace[]>): Promise<UdpLook> {
    const obstacle = this.#quicObstacle()
    if (obstacle !== undefined) {
      return { target, answer: { skipped: obstacle }, handshake: { skipped: obstacle } }
    }
    const answer = await this.#turns.run(signal => this.#tools.quicVersions(target.udp, signal))
    return { target, answer, handshake: await this.#handshakeHttp3(target, answer, advertised) }
  }

  async #handshakeHttp3(
    target: UdpTarget,
    answer: QuicFinding,
    advertised: Promise<readonly AdvertisedPlace[]>,
  ): Promise<Finding<ProbedHandshake>> {
    // 1. It answered, but in other versions.
    if ('found' in answer && !answer.found.versions.includes(QUIC_V1)) {
      return { skipped: 'QUIC version 1, which is the one spoken here, is not among its versions' }
    }
    // 2. It did not answer: no server has to (RFC 9000 6.1), so that an advertisement counts for more than silence. A refusal does not.
    if ('fault' in answer) {
      if (answer.why !== 'silent') return { skipped: 'the UDP port cannot be reached' }
      const places = await advertised
      const isAdvertised = places.some(({ host, port }) => host === target.host && port === target.udp.port)
      if (!isAdvertised) return { skipped: 'nothing answered there, and nothing says that it should' }
    }
    return await this.#turns.run(signal => this.#tools.handshakeHttp3(target.udp, signal))
  }

  get #isSecure(): boolean {
    return this.#settings.origin.scheme === 'https'
  }

  get #tcpProtocols(): readonly Protocol[] {
    return TCP_PROTOCOLS.filter(protocol => this.#settings.allowed.includes(protocol))
  }

  #tlsObstacle(endpoint: Endpoint | undefined): string | undefined {
    if (!this.#isSecure) return CLEARTEXT
    if (endpoint === undefined) return UNREACHED
    return this.#tcpProtocols.length === 0 ? 'the configuration allows no protocol over TCP' : undefined
  }

  #quicObstacle(): string | undefined {
    if (!this.#isSecure) return CLEARTEXT
    return this.#settings.allowed.includes('h3') ? undefined : FORBIDDEN
  }
}

/** Of those that take a connection, the first to do so. */
async function firstReached(
  connecting: readonly Promise<ProbeReport['tcp'][number]>[],
  endpoints: readonly Endpoint[],
): Promise<Endpoint | undefined> {
  const reaching = connecting.map(async (looking, i) => {
    const { connect } = await looking
    if (!isFound(connect)) throw new Error('not this one')
    return endpoints[i]
  })
  return await Promise.any(reaching).catch(() => undefined)
}

function unsecured(skipped: string): Secured {
  return {
    tls: TLS_VERSIONS.map(version => ({ version, handshake: { skipped } })),
    certificate: { skipped },
    alpn: TCP_PROTOCOLS.map(protocol => ({ protocol, accepted: { skipped } })),
    tickets: { skipped },
  }
}

function skip(skipped: string): Promise<{ readonly skipped: string }> {
  return Promise.resolve({ skipped })
}
