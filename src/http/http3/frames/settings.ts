import type { SessionLimits } from '../../../base/http/web-transport-carrier.ts'
import type { Http3Options } from '../../../base/options/protocol-options.ts'
import {
  SESSION_LIMIT_SETTINGS,
  WEBTRANSPORT_SETTINGS,
  type WebTransportDraft,
} from '../webtransport/code-points.ts'
import { Http3ConnectionFault } from './error-codes.ts'
import { encodeVarint, readVarint, type VarintCursor, varintBytes } from './varint.ts'

/**
 * The peer's SETTINGS that mean something here (RFC 9114 7.2.4.1, RFC 9204 5, RFC 9220 3, RFC 9297 2.1.1).
 */
export interface Http3Settings {
  /** 0: the peer takes no dynamic table. */
  readonly qpackMaxTableCapacity: number
  readonly qpackBlockedStreams: number
  /** Advisory. Infinity: not said. */
  readonly maxFieldSectionSize: number
  readonly enableConnectProtocol: boolean
  readonly h3Datagram: boolean
  /** Undefined: it does not speak WebTransport. */
  readonly webTransport?: WebTransportSettings | undefined
}

/** What SETTINGS say of WebTransport (draft-ietf-webtrans-http3 9.2). */
export interface WebTransportSettings {
  /** By whose names it was said; some of them came with a number of sessions. */
  readonly drafts: readonly WebTransportDraft[]
  /** Sessions that may be open at once; Infinity: it did not say. */
  readonly maxSessions: number
  /** Undefined: it asks for no flow control of sessions. */
  readonly limits: SessionLimits | undefined
}

/**
 * What the peer may do on a session before we say more. What it makes us hold is bounded by the windows of
 * QUIC; these bounds are for drafts that allow several sessions on a connection only where there are some.
 */
const OWN_SESSION_LIMITS = { maxData: 67_108_864, maxBidirectional: 1024, maxUnidirectional: 1024 }

/** What our SETTINGS say, in either role: the names of all drafts, since peers look for the one they know. */
export function offeredWebTransport({ maxSessions }: Http3Options): WebTransportSettings {
  return { drafts: ['draft-02', 'draft-07', 'draft-13', 'draft-15'], maxSessions, limits: OWN_SESSION_LIMITS }
}

/** What holds until the peer has said something. */
export const INITIAL_HTTP3_SETTINGS: Http3Settings = Object.freeze({
  qpackMaxTableCapacity: 0,
  qpackBlockedStreams: 0,
  maxFieldSectionSize: Number.POSITIVE_INFINITY,
  enableConnectProtocol: false,
  h3Datagram: false,
})

/** Each setting: its identifier, and the largest value that it may have. */
const IDS = {
  qpackMaxTableCapacity: 0x01,
  maxFieldSectionSize: 0x06,
  qpackBlockedStreams: 0x07,
  enableConnectProtocol: 0x08,
  h3Datagram: 0x33,
} as const

/** RFC 9114 7.2.4.1: they mean something in HTTP/2 and must not be used here. */
const RESERVED: ReadonlySet<number> = new Set([0x00, 0x02, 0x03, 0x04, 0x05])

/**
 * So many settings are more than there are; what is above is not worth remembering for the check of
 * duplicates.
 */
const MAX_SETTINGS = 64

/** Reads the payload of a SETTINGS frame. Throws a Http3ConnectionFault. */
export function readHttp3Settings(payload: Buffer): Http3Settings {
  const cursor: VarintCursor = { buffer: payload, at: 0, end: payload.length }
  const values = new Map<number, number>()
  while (cursor.at < cursor.end) {
    const id = readVarint(cursor)
    const value = id === undefined ? undefined : readVarint(cursor)
    if (id === undefined || value === undefined) {
      throw new Http3ConnectionFault('H3_FRAME_ERROR', 'SETTINGS end within a setting')
    }
    if (RESERVED.has(id)) throw settingsFault(`setting 0x${id.toString(16)} belongs to HTTP/2`)
    if (values.has(id)) throw settingsFault(`setting 0x${id.toString(16)} stands twice`)
    if (values.size >= MAX_SETTINGS) throw new Http3ConnectionFault('H3_EXCESSIVE_LOAD', 'too many settings')
    values.set(id, value)
  }
  return {
    qpackMaxTableCapacity: values.get(IDS.qpackMaxTableCapacity) ?? 0,
    qpackBlockedStreams: values.get(IDS.qpackBlockedStreams) ?? 0,
    maxFieldSectionSize: values.get(IDS.maxFieldSectionSize) ?? Number.POSITIVE_INFINITY,
    enableConnectProtocol: flag(values, IDS.enableConnectProtocol, 'ENABLE_CONNECT_PROTOCOL'),
    h3Datagram: flag(values, IDS.h3Datagram, 'H3_DATAGRAM'),
    webTransport: readWebTransport(values),
  }
}

const DRAFTS = Object.entries(WEBTRANSPORT_SETTINGS) as [WebTransportDraft, number][] // its own keys

function readWebTransport(values: ReadonlyMap<number, number>): WebTransportSettings | undefined {
  const said = DRAFTS.filter(([, id]) => (values.get(id) ?? 0) > 0)
  if (said.length === 0) return undefined
  const drafts = said.map(([draft]) => draft)
  const counts = said.filter(([draft]) => hasCount(draft)).map(([, id]) => values.get(id) ?? 0)
  const maxData = values.get(SESSION_LIMIT_SETTINGS.maxData) ?? 0
  const maxBidirectional = values.get(SESSION_LIMIT_SETTINGS.maxBidirectional) ?? 0
  const maxUnidirectional = values.get(SESSION_LIMIT_SETTINGS.maxUnidirectional) ?? 0
  const hasLimits = maxData > 0 || maxBidirectional > 0 || maxUnidirectional > 0
  const limits = hasLimits ? { maxData, maxBidirectional, maxUnidirectional } : undefined
  // From draft 15 on only who asks for flow control takes more than one (5.1).
  const most = drafts.includes('draft-02') || hasLimits ? Number.POSITIVE_INFINITY : 1
  return { drafts, maxSessions: counts.length > 0 ? Math.max(...counts) : most, limits }
}

/** Its value is a number of sessions. */
function hasCount(draft: WebTransportDraft): boolean {
  return draft === 'draft-07' || draft === 'draft-13'
}

/** RFC 9220 3 and RFC 9297 2.1.1: nothing but 0 and 1. */
function flag(values: ReadonlyMap<number, number>, id: number, name: string): boolean {
  const value = values.get(id) ?? 0
  if (value > 1) throw settingsFault(`${name} must be 0 or 1, not ${value}`)
  return value === 1
}

/**
 * Holds the real SETTINGS to the remembered ones that early data was sent by (RFC 9114 7.2.4.2): none may be
 * less, and with accepted early data none may be gone. Throws a Http3ConnectionFault.
 */
export function checkAgainstRemembered(real: Http3Settings, remembered: Http3Settings): void {
  // RFC 9204 3.2.3: what our encoder may have relied on stays as it was, unless it was nothing.
  const capacity = rememberable(remembered.qpackMaxTableCapacity)
  if (capacity > 0 && rememberable(real.qpackMaxTableCapacity) !== capacity) {
    const message = 'the table of QPACK is not as large as the early data was sent by'
    throw new Http3ConnectionFault('QPACK_DECODER_STREAM_ERROR', message)
  }
  const isLess =
    real.qpackBlockedStreams < remembered.qpackBlockedStreams ||
    real.maxFieldSectionSize < remembered.maxFieldSectionSize ||
    (remembered.enableConnectProtocol && !real.enableConnectProtocol) ||
    (remembered.h3Datagram && !real.h3Datagram)
  if (isLess) throw settingsFault('the settings are less than those that the early data was sent by')
}

/**
 * A limit as a ticket holds it, in 32 bits of which one value is taken: above 4 GB it is none, and all such
 * are the same.
 */
function rememberable(limit: number): number {
  return Math.min(limit, 0xffff_fffe)
}

/**
 * Our SETTINGS as the payload of their frame. `grease` is a reserved setting (RFC 9114 7.2.4.1): its N, and a
 * value.
 */
export function encodeHttp3Settings(
  settings: Http3Settings,
  grease?: readonly [n: number, value: number],
): Buffer {
  const pairs: [id: number, value: number][] = []
  if (settings.qpackMaxTableCapacity > 0)
    pairs.push([IDS.qpackMaxTableCapacity, settings.qpackMaxTableCapacity])
  if (settings.qpackBlockedStreams > 0) pairs.push([IDS.qpackBlockedStreams, settings.qpackBlockedStreams])
  if (settings.maxFieldSectionSize !== Number.POSITIVE_INFINITY) {
    pairs.push([IDS.maxFieldSectionSize, settings.maxFieldSectionSize])
  }
  if (settings.enableConnectProtocol) pairs.push([IDS.enableConnectProtocol, 1])
  if (settings.h3Datagram) pairs.push([IDS.h3Datagram, 1])
  if (settings.webTransport !== undefined) pairs.push(...webTransportPairs(settings.webTransport))
  if (grease !== undefined) pairs.push([0x1f * grease[0] + 0x21, grease[1]])
  const payload = Buffer.alloc(
    pairs.reduce((bytes, [id, value]) => bytes + varintBytes(id) + varintBytes(value), 0),
  )
  let at = 0
  for (const pair of pairs) for (const value of pair) at = encodeVarint(payload, at, value)
  return payload
}

function webTransportPairs({ drafts, maxSessions, limits }: WebTransportSettings): [number, number][] {
  const pairs = drafts.map((draft): [number, number] => [
    WEBTRANSPORT_SETTINGS[draft],
    hasCount(draft) ? maxSessions : 1,
  ])
  if (limits === undefined) return pairs
  return [
    ...pairs,
    [SESSION_LIMIT_SETTINGS.maxData, limits.maxData],
    [SESSION_LIMIT_SETTINGS.maxUnidirectional, limits.maxUnidirectional],
    [SESSION_LIMIT_SETTINGS.maxBidirectional, limits.maxBidirectional],
  ]
}

function settingsFault(message: string): Http3ConnectionFault {
  return new Http3ConnectionFault('H3_SETTINGS_ERROR', message)
}

/**
 * What is kept for the next connection to a peer: the engine's ticket (TLS session and transport parameters),
 * the SETTINGS that it goes with (RFC 9114 7.2.4.2), and an address-validation token (RFC 9000 8.1.3) where
 * the engine hands one out.
 */
export interface Http3Ticket {
  readonly ticket: Buffer
  readonly settings: Http3Settings
  readonly token: Buffer | undefined
}

const MAGIC = 'h3t1'
/** A TLS session of a server with a long chain has a few KB. */
const MAX_TICKET_BYTES = 65_536
const HEAD_BYTES = 4 + 4 * 4 + 2
/** A setting that was not said. */
const UNSAID = 0xffff_ffff

/** As bytes for the ticket store: secrets, like what is in it. */
export function encodeTicket({ ticket, settings, token }: Http3Ticket): Buffer {
  const tokenBytes = token?.length ?? 0
  const bytes = Buffer.alloc(HEAD_BYTES + 4 + tokenBytes + ticket.length)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(uint32(settings.qpackMaxTableCapacity), 4)
  bytes.writeUInt32BE(uint32(settings.qpackBlockedStreams), 8)
  bytes.writeUInt32BE(uint32(settings.maxFieldSectionSize), 12)
  bytes.writeUInt32BE((settings.enableConnectProtocol ? 1 : 0) | (settings.h3Datagram ? 2 : 0), 16)
  bytes.writeUInt16BE(0, 20)
  bytes.writeUInt32BE(tokenBytes, HEAD_BYTES)
  if (token !== undefined) token.copy(bytes, HEAD_BYTES + 4)
  ticket.copy(bytes, HEAD_BYTES + 4 + tokenBytes)
  return bytes
}

/** Undefined when these are not such bytes: a ticket that cannot be read is not used. */
export function decodeTicket(bytes: Buffer): Http3Ticket | undefined {
  if (bytes.length < HEAD_BYTES + 4 || bytes.length > MAX_TICKET_BYTES) return undefined
  if (bytes.toString('latin1', 0, 4) !== MAGIC || bytes.readUInt16BE(20) !== 0) return undefined
  const flags = bytes.readUInt32BE(16)
  const tokenBytes = bytes.readUInt32BE(HEAD_BYTES)
  const ticketAt = HEAD_BYTES + 4 + tokenBytes
  if (flags > 3 || ticketAt >= bytes.length) return undefined
  const maxFieldSectionSize = bytes.readUInt32BE(12)
  return {
    settings: {
      qpackMaxTableCapacity: bytes.readUInt32BE(4),
      qpackBlockedStreams: bytes.readUInt32BE(8),
      maxFieldSectionSize: maxFieldSectionSize === UNSAID ? Number.POSITIVE_INFINITY : maxFieldSectionSize,
      enableConnectProtocol: (flags & 1) !== 0,
      h3Datagram: (flags & 2) !== 0,
    },
    token: tokenBytes === 0 ? undefined : bytes.subarray(HEAD_BYTES + 4, ticketAt),
    ticket: bytes.subarray(ticketAt),
  }
}

/** The remembered value may be less than what was said, never more. */
function uint32(value: number): number {
  return value === Number.POSITIVE_INFINITY ? UNSAID : rememberable(value)
}
