import type { ErrorCode } from '../../base/error-codes.ts'
import type { KeepAliveHint } from '../../base/events/connection.ts'
import type { ProbedTickets } from '../../base/events/probe-report.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { FACT_LIFETIMES_MS } from '../evidence/evidence.ts'
import { readInteger, readNumber, readObject, readOneOf, readText, readTexts } from './json-reader.ts'

/** What a pool has learned of idle connections that is worth keeping. */
export interface KeptHorizon {
  readonly keptMs: number
  readonly confidence: number
}

/** What a pool was sized for. */
export interface KeptDemand {
  readonly streams: number
  readonly rps: number
}

/** What can be known of an origin as such. Endpoints and alternatives have records of their own. */
export interface FactValues {
  /** The protocol that was negotiated last. */
  protocol: Protocol
  /** The same over TCP: what ALPN agreed on. */
  tcpProtocol: Protocol
  tlsVersion: string
  /** Concurrent streams that the origin allowed on its last connection. */
  capacity: number
  keepAlive: KeepAliveHint
  /** For how long it keeps idle connections, as its closes have shown, and how sure that is (0 to 1). */
  idleHorizon: KeptHorizon
  /** What its pool was sized for: exchanges under way at once, and requests per second. */
  demand: KeptDemand
  /**
   * Whether it offers extended CONNECT (RFC 8441, RFC 9220), as its last HTTP/2 or HTTP/3 connection said.
   */
  extendedConnect: boolean
  /** The drafts of WebTransport that it offers, as its last HTTP/3 connection said. */
  webTransport: readonly string[]
  /** The origins that the peer says its connection is good for (ORIGIN, RFC 8336). Evidence, not acted on. */
  originSet: readonly string[]
  addresses: readonly string[]
  /** Of a whole connect, not of one address. Unknown again when a connect succeeded. */
  lastFailure: ErrorCode
  /**
   * Averages, weighted towards the present: of TCP's connect, of TLS over TCP, and of QUIC's handshake, which
   * is both.
   */
  connectMs: number
  tlsMs: number
  quicMs: number
  /** Smoothed round trips, as connections measured them. */
  tcpRoundTripMs: number
  quicRoundTripMs: number
  /** The share of packets that were lost (0 to 1), averaged. */
  tcpLossRatio: number
  quicLossRatio: number
  /** What became of the last ticket that was offered. */
  resumption: 'accepted' | 'refused'
  /** TLS versions and protocols that it takes when nothing else is offered. */
  tlsVersions: readonly string[]
  alpn: readonly string[]
  tickets: ProbedTickets
  /** Whether it gave a cookie for TCP Fast Open (RFC 7413), and took data with a SYN. */
  fastOpen: { readonly cookie: boolean; readonly taken: boolean }
  /** HTTPS records that the DNS has of it, and how many of them speak h3. */
  serviceRecords: { readonly records: number; readonly http3: number }
}

export type FactName = keyof FactValues
export const FACT_NAMES = Object.keys(FACT_LIFETIMES_MS) as readonly FactName[] // as: the keys of FACTS

export interface FactRule<T> {
  /** Void when the network changes. */
  readonly isOfPath: boolean
  /** From a file. Undefined: not right. Left out: not kept beyond the process. */
  readonly read?: (json: unknown) => T | undefined
}

const MAX_PROTOCOL_CHARS = 32
/** No pool was ever sized for more at once; its own limits apply as well. */
const MAX_STREAMS = 1_000_000
const DAY_MS = 86_400_000
const PROTOCOLS: readonly Protocol[] = ['http/1.1', 'h2', 'h3']

const readMs = (json: unknown): number | undefined => readNumber(json, 0, DAY_MS)
const readRatio = (json: unknown): number | undefined => readNumber(json, 0, 1)
const readFlag = (json: unknown): boolean | undefined => (typeof json === 'boolean' ? json : undefined)
const readCount = (json: unknown): number | undefined => readInteger(json, 0, Number.MAX_SAFE_INTEGER)
const readNames = (json: unknown): readonly string[] | undefined => readTexts(json, 16, MAX_PROTOCOL_CHARS)

/** What is done with each fact. Its lifetime is in evidence.ts. */
export const FACTS: { readonly [Name in FactName]: FactRule<FactValues[Name]> } = {
  protocol: { isOfPath: false, read: json => readOneOf(json, PROTOCOLS) },
  tcpProtocol: { isOfPath: false, read: json => readOneOf(json, PROTOCOLS) },
  tlsVersion: { isOfPath: false, read: json => readText(json, MAX_PROTOCOL_CHARS) },
  capacity: { isOfPath: false, read: readCount },
  keepAlive: { isOfPath: false, read: readKeepAlive },
  idleHorizon: { isOfPath: false, read: readHorizon },
  demand: { isOfPath: false, read: readDemand },
  extendedConnect: { isOfPath: false, read: readFlag },
  webTransport: { isOfPath: false, read: readNames },
  originSet: { isOfPath: false },
  addresses: { isOfPath: true },
  // Where two processes share a file, nobody could tell whose connect succeeded since.
  lastFailure: { isOfPath: true },
  connectMs: { isOfPath: true, read: readMs },
  tlsMs: { isOfPath: true, read: readMs },
  quicMs: { isOfPath: true, read: readMs },
  tcpRoundTripMs: { isOfPath: true, read: readMs },
  quicRoundTripMs: { isOfPath: true, read: readMs },
  tcpLossRatio: { isOfPath: true, read: readRatio },
  quicLossRatio: { isOfPath: true, read: readRatio },
  resumption: { isOfPath: false, read: json => readOneOf(json, ['accepted', 'refused'] as const) },
  tlsVersions: { isOfPath: false, read: readNames },
  alpn: { isOfPath: false, read: readNames },
  tickets: { isOfPath: false, read: readTickets },
  fastOpen: { isOfPath: true, read: readFastOpen },
  serviceRecords: { isOfPath: true, read: readServiceRecords },
}

/** Whether it is one of ours. */
export function isFactName(name: string): name is FactName {
  return Object.hasOwn(FACTS, name)
}

function readKeepAlive(json: unknown): KeepAliveHint | undefined {
  const object = readObject(json)
  if (object === undefined) return undefined
  const timeoutMs = readCount(object['timeoutMs'])
  const maxRequests = readCount(object['maxRequests'])
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxRequests === undefined ? {} : { maxRequests }),
  }
}

function readHorizon(json: unknown): KeptHorizon | undefined {
  const object = readObject(json)
  const keptMs = readMs(object?.['keptMs'])
  const confidence = readRatio(object?.['confidence'])
  return keptMs === undefined || confidence === undefined ? undefined : { keptMs, confidence }
}

function readDemand(json: unknown): KeptDemand | undefined {
  const object = readObject(json)
  const streams = readNumber(object?.['streams'], 0, MAX_STREAMS)
  const rps = readNumber(object?.['rps'], 0, Number.MAX_SAFE_INTEGER)
  return streams === undefined || rps === undefined ? undefined : { streams, rps }
}

function readTickets(json: unknown): ProbedTickets | undefined {
  const object = readObject(json)
  const issued = readCount(object?.['issued'])
  const maxEarlyDataBytes = readCount(object?.['maxEarlyDataBytes'])
  const version = readOneOf(object?.['version'], ['TLSv1.2', 'TLSv1.3'] as const)
  if (version === undefined || issued === undefined || maxEarlyDataBytes === undefined) return undefined
  return { version, issued, lifetimeSeconds: readCount(object?.['lifetimeSeconds']), maxEarlyDataBytes }
}

function readFastOpen(json: unknown): FactValues['fastOpen'] | undefined {
  const object = readObject(json)
  const cookie = readFlag(object?.['cookie'])
  // Files of older versions say nothing of it: nobody had looked.
  return cookie === undefined ? undefined : { cookie, taken: object?.['taken'] === true }
}

function readServiceRecords(json: unknown): FactValues['serviceRecords'] | undefined {
  const object = readObject(json)
  const records = readCount(object?.['records'])
  const http3 = readCount(object?.['http3'])
  return records === undefined || http3 === undefined ? undefined : { records, http3 }
}
