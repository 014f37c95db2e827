import type { Clock } from '../../base/clock.ts'
import { abortError } from '../../base/errors.ts'
import type { Finding, ProbeReport } from '../../base/events/probe-report.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { OriginRecord } from '../record/origin-record.ts'
import { ProbeTurns } from './probe-schedule.ts'
import {
  acceptedBy,
  CLEARTEXT,
  certificateOf,
  FORBIDDEN,
  isFound,
  NO_HANDSHAKE,
  type ProbeContext,
  type ProbeTools,
  roundTrips,
  skip,
  type TlsHandshake,
  type TlsHandshakeOptions,
  UNREACHED,
  withoutExtras,
} from './probe-tools.ts'
import { advertisedPlaces, alternativeTargets, lookAtUdp, probedEndpoints, udpTargets } from './probe-udp.ts'

export interface ProbeSettings {
  readonly origin: Origin
  /** Protocols that are forbidden are not looked at. */
  readonly allowed: readonly Protocol[]
  /** For the probe as a whole. What is not known by then is a fault in the report. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * Room for a TCP connect and a QUIC packet to each of four addresses; a silent UDP port must not hold up TLS.
 */
const MAX_PARALLEL = 8
/** Of one name. */
const OWN_ADDRESSES = 4

const NO_REQUEST = 'no request was to be sent'

/**
 * Finds out what an origin can do, without a request but the HEAD that `tools.altSvc` stands for. Everything
 * that can go on at the same time does, within a budget; what fails is a fault of its own in the report.
 * Rejects after an abort only.
 */
export async function probeOrigin(
  tools: ProbeTools,
  settings: ProbeSettings,
  signal: AbortSignal,
): Promise<ProbeReport> {
  if (signal.aborted) throw abortError(signal, 'the probe')
  const { origin, allowed, clock, timeoutMs } = settings
  const turns = new ProbeTurns({ clock, timeoutMs, maxParallel: MAX_PARALLEL }, signal)
  try {
    const report = await new ProbeRun({ tools, turns, origin, allowed }, clock).report()
    if (signal.aborted) throw abortError(signal, 'the probe')
    return report
  } finally {
    turns.end()
  }
}

/** One probe under way: each method is one thing that is looked at. */
class ProbeRun {
  readonly #context: ProbeContext
  readonly #clock: Clock

  constructor(context: ProbeContext, clock: Clock) {
    this.#context = context
    this.#clock = clock
  }

  async report(): Promise<ProbeReport> {
    const { origin, tools, turns } = this.#context
    const startedAt = this.#clock.now()
    const asking = this.#serviceRecords()
    const addresses = await turns.run(signal => tools.resolve(origin.host, signal))
    const endpoints = 'found' in addresses ? probedEndpoints(addresses.found, origin.port, OWN_ADDRESSES) : []

    const connecting = endpoints.map(endpoint => this.#connect(endpoint))
    const reached = firstReached(connecting, endpoints)
    const securing = reached.then(endpoint => lookAtTls(this.#context, endpoint))
    const opening = reached.then(endpoint => this.#fastOpen(endpoint))
    const advertising = reached.then(endpoint => this.#altSvc(endpoint))
    const advertised = Promise.all([advertising, asking]).then(([altSvc, records]) =>
      advertisedPlaces(origin, altSvc, records),
    )
    const own = udpTargets(endpoints, origin.host, 'origin').map(target =>
      lookAtUdp(this.#context, target, advertised),
    )
    const elsewhere = advertised.then(async places => {
      const targets = await alternativeTargets(this.#context, places)
      return await Promise.all(targets.map(target => lookAtUdp(this.#context, target, advertised)))
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
      durationMs: this.#clock.now() - startedAt,
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
    const { origin, tools, turns } = this.#context
    const { host, port, ipFamily } = origin
    if (origin.scheme !== 'https') return skip(CLEARTEXT)
    if (ipFamily !== 0) return skip('the origin is an address and has no name to ask for')
    return turns.run(signal => tools.serviceRecords(host, port, signal))
  }

  async #connect(endpoint: Endpoint): Promise<ProbeReport['tcp'][number]> {
    const { tools, turns } = this.#context
    const connect = await turns.run(signal => tools.connectTcp(endpoint, signal))
    return { endpoint: formatEndpoint(endpoint), connect }
  }

  #fastOpen(endpoint: Endpoint | undefined): Promise<ProbeReport['fastOpen']> {
    const obstacle = tlsObstacle(this.#context, endpoint)
    if (endpoint === undefined || obstacle !== undefined) return skip(obstacle ?? UNREACHED)
    const { tools, turns } = this.#context
    return turns.run(signal => tools.fastOpen(endpoint, signal))
  }

  #altSvc(endpoint: Endpoint | undefined): Promise<ProbeReport['altSvc']> {
    const { tools, turns } = this.#context
    if (tools.altSvc === undefined) return skip(NO_REQUEST)
    const obstacle = tlsObstacle(this.#context, endpoint)
    if (obstacle !== undefined) return skip(obstacle)
    return turns.run(signal => tools.altSvc?.(signal) ?? skip(NO_REQUEST))
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

/** Servers send tickets with, or right behind, the last flight of their handshake. */
const TICKETS_FOR_MS = 200
const TLS_VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const
const TCP_PROTOCOLS = ['h2', 'http/1.1'] as const

type TlsLook = Pick<ProbeReport, 'tls' | 'certificate' | 'alpn' | 'tickets'>

/**
 * A handshake for each version, and one for each protocol that is offered alone. `endpoint` undefined: TCP
 * reached none.
 */
async function lookAtTls(context: ProbeContext, endpoint: Endpoint | undefined): Promise<TlsLook> {
  const obstacle = tlsObstacle(context, endpoint)
  if (endpoint === undefined || obstacle !== undefined) return unsecured(obstacle ?? UNREACHED)
  const offered = tcpProtocols(context)
  const handshake = (options: Omit<TlsHandshakeOptions, 'ticketsForMs'>): Promise<Finding<TlsHandshake>> => {
    const ticketsForMs = options.version === undefined ? 0 : TICKETS_FOR_MS
    return context.turns.run(signal =>
      context.tools.handshakeTls(endpoint, { ...options, ticketsForMs }, signal),
    )
  }
  const [handshakes, alpn] = await Promise.all([
    Promise.all(TLS_VERSIONS.map(version => handshake({ version, alpn: offered }))),
    Promise.all(
      TCP_PROTOCOLS.map(async protocol => ({
        protocol,
        accepted: offered.includes(protocol)
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

/** Why no TLS is looked at; undefined: it is. */
function tlsObstacle(context: ProbeContext, endpoint: Endpoint | undefined): string | undefined {
  if (context.origin.scheme !== 'https') return CLEARTEXT
  if (endpoint === undefined) return UNREACHED
  return tcpProtocols(context).length === 0 ? 'the configuration allows no protocol over TCP' : undefined
}

function tcpProtocols({ allowed }: ProbeContext): readonly Protocol[] {
  return TCP_PROTOCOLS.filter(protocol => allowed.includes(protocol))
}

function unsecured(skipped: string): TlsLook {
  return {
    tls: TLS_VERSIONS.map(version => ({ version, handshake: { skipped } })),
    certificate: { skipped },
    alpn: TCP_PROTOCOLS.map(protocol => ({ protocol, accepted: { skipped } })),
    tickets: { skipped },
  }
}

/**
 * Takes what a capability probe found into the record of its origin. What it found to be so is a fact; that
 * something went wrong is none, except where a UDP port said so.
 */
export function learnFromProbe(record: OriginRecord, report: ProbeReport, now: number): void {
  const tickets = found(report.tickets)
  const fastOpen = found(report.fastOpen)
  const tlsVersions = report.tls.filter(({ handshake }) => found(handshake) !== undefined)
  // Where none worked something is wrong with the way, or with the probe.
  if (tlsVersions.length > 0) {
    record.onProbed(
      {
        tlsVersions: tlsVersions.map(({ version }) => version),
        alpn: report.alpn.filter(({ accepted }) => found(accepted) === true).map(({ protocol }) => protocol),
        ...(tickets === undefined ? {} : { tickets }),
        ...(fastOpen === undefined ? {} : { fastOpen }),
      },
      now,
    )
  }
  for (const { endpoint, connect } of report.tcp) {
    const ms = found(connect)?.ms
    if (ms !== undefined) record.onConnectProbed(endpoint, ms, now)
  }
  for (const { endpoint, answer } of report.quic) record.onQuicProbed(endpoint, answer, now)
  for (const { host, endpoint, handshake } of report.http3) {
    const shaken = found(handshake)
    if (shaken === undefined) continue
    if (shaken.webTransport !== undefined) record.onWebTransport(shaken.webTransport, now)
    record.onHttp3Found(host, Number(endpoint.slice(endpoint.lastIndexOf(':') + 1)), now)
    break // One place is enough; the others have been advertised, and come from there.
  }
}

function found<T>(finding: Finding<T>): T | undefined {
  return 'found' in finding ? finding.found : undefined
}
