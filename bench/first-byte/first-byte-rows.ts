import type { HandshakeInfo } from '../../src/entry/events.ts'
import type { OriginOptions, Protocol } from '../../src/index.ts'

/** One request over a connection that was not there before. The answer is a short text. */
export type FirstByteJob =
  /** Through our transport; the one of that name is kept, with its tickets, for all of its jobs. */
  | {
      kind: 'transport'
      name: string
      url: string
      options: OriginOptions
      /** Without: nothing is ever resumed. */
      keepsTickets: boolean
    }
  /** Through a proxy on 127.0.0.1 that speaks cleartext HTTP/1.1. */
  | { kind: 'proxy'; port: number; authority: string; path: string }
  /** No request: how long TCP takes to connect. */
  | { kind: 'connect'; address: string; port: number }

export interface FirstByteReport {
  /** From the call to the head of the response; of a connect to its end. */
  readonly ms: number
  /** 0: there was none. */
  readonly status: number
  readonly body: string
  /** Ours only. */
  readonly protocol: Protocol | undefined
  readonly handshake: Omit<HandshakeInfo, 'attempts'> | undefined
}

export interface FirstByteSetting {
  /** PEM. */
  readonly ca: string
  /** As a transport takes it. */
  readonly resolve: Readonly<Record<string, string>>
}

/** What is to have taken place for a figure to be what its row is called. */
export interface Claims {
  readonly resumed: boolean
  readonly earlyData: boolean
  /** The SYN carried data, and the origin's kernel took it. */
  readonly fastOpen: boolean
}

/** Our transport, held to one protocol and to these options. */
export interface TransportRow {
  readonly name: string
  readonly protocol: Protocol
  readonly options: OriginOptions
  readonly claims: Claims
}

const FAST_OPEN = { tfo: 'on' } as const
const EARLY = { earlyData: 'safe', earlyDataOverTcp: true } as const

/** Those whose aim is 1.1 round trips. */
export const TFO_EARLY_HTTP1 = 'TFO + early data, HTTP/1.1'
export const TFO_EARLY_HTTP2 = 'TFO + early data, HTTP/2'
export const PLAIN = 'plain'
export const QUIC_EARLY = 'QUIC 0-RTT'

export const TRANSPORT_ROWS: readonly TransportRow[] = [
  row(PLAIN, 'http/1.1', {}, ''),
  row('resumed', 'http/1.1', {}, 'resumed'),
  row('TFO', 'http/1.1', FAST_OPEN, 'fastOpen'),
  row('TFO + resumed', 'http/1.1', FAST_OPEN, 'resumed fastOpen'),
  row('early data', 'http/1.1', EARLY, 'resumed earlyData'),
  row(TFO_EARLY_HTTP1, 'http/1.1', { ...FAST_OPEN, ...EARLY }, 'resumed earlyData fastOpen'),
  row(TFO_EARLY_HTTP2, 'h2', { ...FAST_OPEN, ...EARLY }, 'resumed earlyData fastOpen'),
  row('QUIC 1-RTT', 'h3', {}, ''),
  row(QUIC_EARLY, 'h3', { earlyData: 'safe' }, 'resumed earlyData'),
]

function row(name: string, protocol: Protocol, options: OriginOptions, words: string): TransportRow {
  return { name, protocol, options: { ...options, protocols: [protocol] }, claims: claimsOf(words) }
}

/** Of a list of their names. */
export function claimsOf(words: string): Claims {
  const has = (word: keyof Claims): boolean => words.split(' ').includes(word)
  return { resumed: has('resumed'), earlyData: has('earlyData'), fastOpen: has('fastOpen') }
}

/** What one connection was: as far as the origin reports it, and as far as our own handshake does. */
export interface Witnesses {
  readonly origin: Partial<Claims>
  readonly ours: Claims | undefined
}

/**
 * The origin's answer to /first-byte reports the session; its kernel how many connections it accepted with
 * the data of their SYN.
 */
export function witnessesOf(report: FirstByteReport, acceptedWithData: number | undefined): Witnesses {
  const told = /^reused=(\S+) early=(\S*)$/m.exec(report.body)
  const { handshake } = report
  return {
    origin: {
      ...(told === null ? {} : { resumed: told[1] === 'r', earlyData: told[2] === '1' }),
      ...(acceptedWithData === undefined ? {} : { fastOpen: acceptedWithData > 0 }),
    },
    ours: handshake && {
      resumed: handshake.kind === 'resumed' || handshake.kind === 'early_data',
      earlyData: handshake.earlyData === 'accepted',
      fastOpen: handshake.tfo === 'used',
    },
  }
}

/**
 * What it was that its row does not claim, or was not that it does, and who says so; undefined: it was what
 * it claims.
 */
export function disproof(claims: Claims, { origin, ours }: Witnesses): string | undefined {
  const reasons: string[] = []
  for (const name of CLAIM_NAMES) {
    const saysOrigin = origin[name] !== undefined && origin[name] !== claims[name]
    const sayWe = ours !== undefined && ours[name] !== claims[name]
    if (!saysOrigin && !sayWe) continue
    const account =
      saysOrigin && sayWe ? 'both accounts' : saysOrigin ? "the origin's account" : 'our account'
    reasons.push(`${claims[name] ? WITHOUT[name] : WITH[name]} by ${account}`)
  }
  return reasons.length === 0 ? undefined : reasons.join(', ')
}

const CLAIM_NAMES = ['resumed', 'earlyData', 'fastOpen'] as const
const WITH = { resumed: 'resumed', earlyData: 'early data', fastOpen: 'data in the SYN' } as const
const WITHOUT = {
  resumed: 'a full handshake',
  earlyData: 'no early data',
  fastOpen: 'no data in the SYN',
} as const
