import { type AlternativeSource, alternativeKey } from '../evidence/alternative-sets.ts'
import type { Alternatives } from '../evidence/alternatives.ts'
import {
  age,
  average,
  brief,
  type Evidence,
  FACT_LIFETIMES_MS,
  type KnownFact,
  span,
} from '../evidence/evidence.ts'
import type { EndpointMemories, QuicReach } from './endpoint-memories.ts'
import { FACT_NAMES, FACTS, type FactName, type FactValues } from './origin-facts.ts'

export interface RecordParts {
  readonly facts: FactStore
  readonly endpoints: EndpointMemories
  readonly alternatives: Alternatives
  readonly networkChangedAt: number | undefined
}

const SOURCES: Readonly<Record<AlternativeSource, string>> = {
  'alt-svc': 'Alt-Svc of a response',
  'altsvc-frame': 'ALTSVC frame',
  'https-record': 'HTTPS record in DNS',
  probe: 'probe',
  configuration: 'configuration',
}

const WORDS: { readonly [Name in FactName]?: (value: FactValues[Name]) => string } = {
  addresses: addresses => `addresses ${addresses.join(', ')}`,
  protocol: protocol => `speaks ${protocol}`,
  tlsVersion: version => `negotiates ${version}`,
  resumption: outcome => `${outcome} the last TLS ticket`,
  connectMs: ms => `TCP connect takes ${ms.toFixed(1)} ms`,
  tlsMs: ms => `TLS handshake takes ${ms.toFixed(1)} ms`,
  quicMs: ms => `QUIC handshake takes ${ms.toFixed(1)} ms`,
  tcpRoundTripMs: ms => `TCP round trip takes ${ms.toFixed(1)} ms`,
  quicRoundTripMs: ms => `QUIC round trip takes ${ms.toFixed(1)} ms`,
  tcpLossRatio: ratio => `${percent(ratio)} of the packets over TCP are lost`,
  quicLossRatio: ratio => `${percent(ratio)} of the packets over QUIC are lost`,
  capacity: capacity => `allows ${capacity} streams on a connection`,
  webTransport: drafts =>
    drafts.length > 0 ? `offers WebTransport (${drafts.join(', ')})` : 'offers no WebTransport',
  tlsVersions: versions => `takes ${versions.length === 0 ? 'no TLS' : versions.join(' and ')}`,
  alpn: protocols => `agrees by ALPN to ${protocols.length === 0 ? 'nothing' : protocols.join(' and ')}`,
  tickets,
  fastOpen: ({ cookie, taken }) => {
    if (taken) return 'takes data with the SYN (TCP Fast Open)'
    return cookie
      ? 'gives a cookie for TCP Fast Open, and does not take the data of a SYN'
      : 'gives no cookie for TCP Fast Open'
  },
  serviceRecords: ({ records, http3 }) =>
    records === 0 ? 'has no HTTPS records' : `has HTTPS records: ${records}, with h3: ${http3}`,
  keepAlive: ({ timeoutMs, maxRequests }) => {
    const parts = ['keeps idle connections']
    if (timeoutMs !== undefined) parts.push(`for ${timeoutMs} ms`)
    if (maxRequests !== undefined) parts.push(`for ${maxRequests} more requests`)
    return parts.join(' ')
  },
  idleHorizon: ({ keptMs, confidence }) =>
    `ends idle connections after ${Math.round(keptMs)} ms (confidence ${confidence.toFixed(2)})`,
  demand: ({ streams, rps }) =>
    `had ${streams.toFixed(1)} exchanges under way at once, at ${rps.toFixed(1)} requests/s`,
  lastFailure: code => `the last connect failed with ${code}`,
  originSet: origins =>
    `says its connections are good for ${origins.join(', ')} (not acted on in this version)`,
}

/** Everything that is known and has not expired, for people. */
export function recordFacts(parts: RecordParts, now: number): KnownFact[] {
  const list: KnownFact[] = []
  const add = <T>(evidence: Evidence<T> | undefined, words: ((value: T) => string) | undefined): void => {
    if (evidence === undefined || words === undefined) return
    list.push({ fact: words(evidence.value), evidence: `${evidence.source}, ${age(now - evidence.at)}` })
  }
  const { facts } = parts
  const tell = (...names: readonly FactName[]): void => {
    for (const name of names) addFact(name)
  }
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- ties words to their value
  const addFact = <Name extends FactName>(name: Name): void => {
    const words: (typeof WORDS)[Name] = WORDS[name]
    add<FactValues[Name]>(facts.get(name, now), words)
  }
  const protocol = facts.get('protocol', now)?.value
  tell('addresses', 'protocol')
  const overTcp = facts.get('tcpProtocol', now)
  if (overTcp?.value !== protocol) add(overTcp, value => `speaks ${value} over TCP`)
  tell('tlsVersion', 'tlsVersions', 'alpn', 'resumption', 'tickets', 'fastOpen')
  tell('connectMs', 'tlsMs', 'quicMs', 'tcpRoundTripMs', 'quicRoundTripMs', 'tcpLossRatio', 'quicLossRatio')
  tell('capacity')
  add(facts.get('extendedConnect', now), isOffered =>
    isOffered
      ? `offers extended CONNECT: upgrades go over ${protocol ?? 'h2'}`
      : 'offers no extended CONNECT: upgrades go over http/1.1 connections of their own, where it is allowed',
  )
  tell('webTransport', 'serviceRecords')
  list.push(...alternativeFacts(parts.alternatives, now))
  tell('originSet', 'keepAlive', 'idleHorizon', 'demand', 'lastFailure')
  list.push(...endpointFacts(parts.endpoints, now))
  const { networkChangedAt: changedAt } = parts
  if (changedAt !== undefined) {
    list.push({ fact: 'the network changed', evidence: `addresses of this machine, ${age(now - changedAt)}` })
  }
  return list
}

function alternativeFacts(alternatives: Alternatives, now: number): KnownFact[] {
  const { alternative: best } = alternatives.http3(now)
  const bestKey = best === undefined ? undefined : alternativeKey(best)
  const list = alternatives.usable(now).map((alternative): KnownFact => {
    const key = alternativeKey(alternative)
    const status = alternatives.status(key)
    const name = status.name(now)
    const because = status.because(now)
    const isUsed = name === 'confirmed' && key === bestKey
    const { source, expiresAt, learnedAt } = alternative
    const verb =
      source === 'probe' ? 'answers' : source === 'configuration' ? 'is configured for' : 'advertises'
    const left = expiresAt === Number.POSITIVE_INFINITY ? '' : ` for another ${span(expiresAt - now)}`
    return {
      fact: `${verb} h3 at ${key}${left}; ${isUsed ? `used: ${because}` : because}`,
      evidence: `${SOURCES[source]}, ${age(now - learnedAt)}`,
    }
  })
  for (const { protocolId, expiresAt, ...place } of alternatives.unused(now)) {
    const fact = `advertises ${brief(protocolId)} at ${alternativeKey(place)} for another ${span(expiresAt - now)}; not used`
    list.push({ fact, evidence: 'Alt-Svc: only h3 is spoken to alternatives' })
  }
  const { rejected } = alternatives
  if (rejected !== undefined) {
    const { value, because, at } = rejected
    list.push({
      fact: `sent an Alt-Svc that was not taken: ${JSON.stringify(value)}`,
      evidence: `${because}, ${age(now - at)}`,
    })
  }
  return list
}

function endpointFacts({ attempts, connectMs, quic }: EndpointMemories, now: number): KnownFact[] {
  const list: KnownFact[] = []
  for (const [endpoint, { value, at, expiresAt }] of attempts.entries()) {
    if (value.outcome === 'connected' || expiresAt <= now) continue
    const fact = `${endpoint} ${value.outcome === 'failed' ? 'failed' : 'was overtaken'}`
    list.push({ fact, evidence: `${value.error ?? 'race'}, ${age(now - at)}` })
  }
  const connects = [...connectMs.entries()].filter(([, { expiresAt }]) => expiresAt > now)
  // Of a single one the origin's own average tells.
  for (const [endpoint, { value, at, source }] of connects.length > 1 ? connects : []) {
    list.push({
      fact: `TCP connect to ${endpoint} takes ${value.toFixed(1)} ms`,
      evidence: `${source}, ${age(now - at)}`,
    })
  }
  for (const [endpoint, { value, at, source, expiresAt }] of quic.entries()) {
    if (expiresAt > now)
      list.push({ fact: `${endpoint} ${reach(value)}`, evidence: `${source}, ${age(now - at)}` })
  }
  return list
}

function reach(value: QuicReach): string {
  if (value.kind === 'refused') return 'refuses UDP'
  if (value.kind === 'silent') return 'does not answer to QUIC'
  return `answers to QUIC, versions ${value.versions.join(', ')}`
}

function tickets({ version, issued, lifetimeSeconds, maxEarlyDataBytes }: FactValues['tickets']): string {
  if (issued === 0) return `issues no tickets with ${version}`
  const life = lifetimeSeconds === undefined ? '' : `, good for ${span(lifetimeSeconds * 1000)}`
  const early =
    maxEarlyDataBytes === 0 ? 'without early data' : `with up to ${maxEarlyDataBytes} bytes of early data`
  return `issues tickets with ${version}: ${issued}${life}, ${early}`
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`
}

type Known = { [Name in FactName]?: Evidence<FactValues[Name]> }

/** The facts of one origin, each with its evidence. What has expired is there no more. */
export class FactStore {
  readonly #known: Known = {}

  get<Name extends FactName>(name: Name, now: number): Evidence<FactValues[Name]> | undefined {
    const evidence: Known[Name] = this.#known[name]
    return evidence !== undefined && evidence.expiresAt > now ? evidence : undefined
  }

  /** `lifetimeMs`: when it is known, and shorter than what is believed of such facts. */
  set<Name extends FactName>(
    name: Name,
    value: FactValues[Name],
    source: string,
    now: number,
    lifetimeMs: number = Number.POSITIVE_INFINITY,
  ): void {
    const expiresAt = now + Math.min(lifetimeMs, FACT_LIFETIMES_MS[name])
    this.put(name, { value, at: now, source: brief(source), expiresAt })
  }

  put<Name extends FactName>(name: Name, evidence: Evidence<FactValues[Name]>): void {
    const known: { [N in Name]?: Evidence<FactValues[N]> } = this.#known
    known[name] = evidence
  }

  /** One more sample of an average. */
  sample(name: AverageName, sample: number, source: string, now: number): void {
    this.set(name, average(this.get(name, now), sample), source, now)
  }

  drop(name: FactName): void {
    delete this.#known[name]
  }

  onNetworkChanged(): void {
    for (const name of FACT_NAMES) if (FACTS[name].isOfPath) this.drop(name)
  }
}

/** Facts that are averages. */
export type AverageName = {
  [Name in FactName]: FactValues[Name] extends number ? Name : never
}[FactName]
