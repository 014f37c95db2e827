import type { AttemptRecord, HandshakeInfo, KeepAliveHint } from '../connection.ts'
import type { Resolution } from '../endpoint.ts'
import type { ErrorCode, TransportError } from '../errors.ts'
import type { Protocol } from '../protocol.ts'

/** Something that was seen: what, when, and how we know. */
export interface Evidence<T> {
  readonly value: T
  /** On the caller's monotonic clock. */
  readonly at: number
  readonly source: string
}

/** How the last attempt at an endpoint went. `overtaken`: one that was started later was connected before it. */
export interface EndpointMemory {
  readonly outcome: 'connected' | 'failed' | 'overtaken'
  readonly at: number
  readonly error: string | undefined
}

/** Something known, for people: `explain` prints it. */
export interface KnownFact {
  readonly fact: string
  readonly evidence: string
}

/** A connection that was made. */
export interface ConnectedEvidence {
  /** Undefined: the origin was left no choice, so that it says nothing of what it would speak. */
  readonly protocol: Protocol | undefined
  /** `address:port`. */
  readonly endpoint: string
  readonly handshake: HandshakeInfo
  readonly offeredTicket: boolean
}

/** How much a new sample moves an average: as TCP's smoothed RTT (RFC 6298 section 2). */
const EWMA_WEIGHT = 1 / 8
/** An origin with more addresses than this is remembered in part. */
const MAX_ENDPOINTS = 64
/** An Alt-Svc value longer than this, or an origin set with more members, is remembered in part: a peer wrote it. */
const MAX_ALT_SVC_CHARS = 1024
const MAX_ORIGINS = 64

/**
 * What is known of one origin, each fact with its evidence and its age. It is told what happened and never asks; plan.ts reads it.
 * It holds no trust: nothing here makes a certificate acceptable.
 */
export class OriginRecord {
  #protocol: Evidence<Protocol> | undefined
  #tlsVersion: Evidence<string> | undefined
  #capacity: Evidence<number> | undefined
  #keepAlive: Evidence<KeepAliveHint> | undefined
  #extendedConnect: Evidence<boolean> | undefined
  #altSvc: Evidence<string> | undefined
  #originSet: Evidence<readonly string[]> | undefined
  #addresses: Evidence<readonly string[]> | undefined
  #lastFailure: Evidence<ErrorCode> | undefined
  #connectMs: Evidence<number> | undefined
  #tlsMs: Evidence<number> | undefined
  #resumption: Evidence<'accepted' | 'refused'> | undefined
  /** By endpointKey; the longest untried first. */
  readonly #endpoints = new Map<string, EndpointMemory>()

  /** The protocol that was negotiated last. */
  get protocol(): Evidence<Protocol> | undefined {
    return this.#protocol
  }
  get tlsVersion(): Evidence<string> | undefined {
    return this.#tlsVersion
  }
  /** Concurrent streams that the origin allowed on its last connection. */
  get capacity(): Evidence<number> | undefined {
    return this.#capacity
  }
  get keepAlive(): Evidence<KeepAliveHint> | undefined {
    return this.#keepAlive
  }
  /** Whether the origin offers extended CONNECT (RFC 8441, RFC 9220), as its last HTTP/2 or HTTP/3 connection said. */
  get extendedConnect(): Evidence<boolean> | undefined {
    return this.#extendedConnect
  }
  /** What an ALTSVC frame said (RFC 7838 4). Kept, not acted on. */
  get altSvc(): Evidence<string> | undefined {
    return this.#altSvc
  }
  /** The origins that the peer says its connection is good for (ORIGIN, RFC 8336). Kept, not acted on. */
  get originSet(): Evidence<readonly string[]> | undefined {
    return this.#originSet
  }
  get addresses(): Evidence<readonly string[]> | undefined {
    return this.#addresses
  }
  /** Of a whole connect, not of one address. Undefined again when a connect succeeded. */
  get lastFailure(): Evidence<ErrorCode> | undefined {
    return this.#lastFailure
  }
  /** Averages, weighted towards the present. */
  get connectMs(): Evidence<number> | undefined {
    return this.#connectMs
  }
  get tlsMs(): Evidence<number> | undefined {
    return this.#tlsMs
  }
  /** What became of the last ticket that was offered. */
  get resumption(): Evidence<'accepted' | 'refused'> | undefined {
    return this.#resumption
  }

  /** How the last attempt at what endpointKey names went. */
  endpoint(endpoint: string): EndpointMemory | undefined {
    return this.#endpoints.get(endpoint)
  }

  onResolved(resolution: Resolution, now: number): void {
    const value = resolution.addresses.map(({ address }) => address)
    this.#addresses = { value, at: now, source: `resolver: ${resolution.source}` }
  }

  onConnected({ protocol, endpoint, handshake, offeredTicket }: ConnectedEvidence, now: number): void {
    const { tlsVersion, timings, kind } = handshake
    const at = now
    if (protocol !== undefined) {
      this.#protocol = { value: protocol, at, source: tlsVersion === undefined ? 'configuration' : 'ALPN' }
    }
    this.#lastFailure = undefined
    // QUIC connects and secures in one; 0 would say nothing of TCP.
    if (protocol !== 'h3') this.#connectMs = average(this.#connectMs, timings.connectMs, now, endpoint)
    if (tlsVersion === undefined) return
    this.#tlsVersion = { value: tlsVersion, at, source: `handshake with ${endpoint}` }
    this.#tlsMs = average(this.#tlsMs, timings.tlsMs, now, endpoint)
    if (!offeredTicket) return
    const value = kind === 'full' ? 'refused' : 'accepted'
    this.#resumption = { value, at, source: `handshake with ${endpoint}` }
  }

  onConnectFailed(error: TransportError, now: number): void {
    this.#lastFailure = { value: error.code, at: now, source: error.message }
  }

  /** The attempts of one dial, in order of their start. */
  onAttempts(attempts: readonly AttemptRecord[], now: number): void {
    const winner = attempts.findLastIndex(({ outcome }) => outcome === 'connected')
    attempts.forEach(({ protocol, endpoint: text, outcome, error }, index) => {
      const endpoint = endpointKey(text, protocol === 'h3')
      if (outcome !== 'cancelled') this.#remember(endpoint, { outcome, at: now, error })
      else if (index < winner) this.#remember(endpoint, { outcome: 'overtaken', at: now, error: undefined })
      // A cancelled attempt that had started last, or whose dial was given up, says nothing about its endpoint.
    })
  }

  onCapacity(capacity: number, protocol: Protocol, now: number): void {
    this.#capacity = { value: capacity, at: now, source: `${protocol} connection` }
  }

  onExtendedConnect(isOffered: boolean, now: number): void {
    this.#extendedConnect = { value: isOffered, at: now, source: 'SETTINGS of its last connection' }
  }

  onAltSvc(value: string, now: number): void {
    this.#altSvc = { value: value.slice(0, MAX_ALT_SVC_CHARS), at: now, source: 'ALTSVC frame' }
  }

  onOriginSet(origins: readonly string[], now: number): void {
    this.#originSet = { value: origins.slice(0, MAX_ORIGINS), at: now, source: 'ORIGIN frame' }
  }

  onKeepAlive(hint: KeepAliveHint, now: number): void {
    this.#keepAlive = { value: hint, at: now, source: 'Keep-Alive of a response' }
  }

  /** Everything that is known, for people. */
  facts(now: number): KnownFact[] {
    const facts: KnownFact[] = []
    const add = <T>(evidence: Evidence<T> | undefined, fact: (value: T) => string): void => {
      if (evidence === undefined) return
      facts.push({ fact: fact(evidence.value), evidence: `${evidence.source}, ${age(now - evidence.at)}` })
    }
    add(this.#addresses, addresses => `addresses ${addresses.join(', ')}`)
    add(this.#protocol, protocol => `speaks ${protocol}`)
    add(this.#tlsVersion, version => `negotiates ${version}`)
    add(this.#resumption, outcome => `${outcome} the last TLS ticket`)
    add(this.#connectMs, ms => `TCP connect takes ${ms.toFixed(1)} ms`)
    const layer = this.#protocol?.value === 'h3' ? 'QUIC' : 'TLS'
    add(this.#tlsMs, ms => `${layer} handshake takes ${ms.toFixed(1)} ms`)
    add(this.#capacity, capacity => `allows ${capacity} streams on a connection`)
    add(this.#extendedConnect, isOffered =>
      isOffered
        ? `offers extended CONNECT: upgrades go over ${this.#protocol?.value ?? 'h2'}`
        : 'offers no extended CONNECT: upgrades go over http/1.1 connections of their own, where it is allowed',
    )
    add(this.#altSvc, value => `advertises ${value} (not acted on in this version)`)
    add(
      this.#originSet,
      origins => `says its connections are good for ${origins.join(', ')} (not acted on in this version)`,
    )
    add(this.#keepAlive, ({ timeoutMs, maxRequests }) => {
      const parts = ['keeps idle connections']
      if (timeoutMs !== undefined) parts.push(`for ${timeoutMs} ms`)
      if (maxRequests !== undefined) parts.push(`for ${maxRequests} more requests`)
      return parts.join(' ')
    })
    add(this.#lastFailure, code => `the last connect failed with ${code}`)
    for (const [endpoint, { outcome, at, error }] of this.#endpoints) {
      if (outcome === 'connected') continue
      facts.push({
        fact: `${endpoint} ${outcome === 'failed' ? 'failed' : 'was overtaken'}`,
        evidence: `${error ?? 'race'}, ${age(now - at)}`,
      })
    }
    return facts
  }

  #remember(endpoint: string, memory: EndpointMemory): void {
    this.#endpoints.delete(endpoint)
    this.#endpoints.set(endpoint, memory)
    if (this.#endpoints.size <= MAX_ENDPOINTS) return
    const first = this.#endpoints.keys().next()
    if (first.done !== true) this.#endpoints.delete(first.value)
  }
}

/** UDP and TCP to the same `address:port` fail each for itself. */
export function endpointKey(endpoint: string, isUdp: boolean): string {
  return isUdp ? `${endpoint} (udp)` : endpoint
}

function average(
  before: Evidence<number> | undefined,
  sample: number,
  now: number,
  endpoint: string,
): Evidence<number> {
  const value = before === undefined ? sample : before.value + EWMA_WEIGHT * (sample - before.value)
  return { value, at: now, source: `average, last with ${endpoint}` }
}

/** How long ago, in the largest unit that fits. */
export function age(ms: number): string {
  if (ms < 1000) return 'just now'
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s ago`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ago`
  return `${Math.floor(ms / 3_600_000)} h ago`
}
