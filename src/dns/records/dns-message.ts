import type * as DnsPacket from 'dns-packet'
import type { Answer, DecodedPacket, RecordType } from 'dns-packet'
import { lazyModule } from '../../base/package-require.ts'
import { frameMessage } from './dns-framing.ts'
import { normalName } from './dns-name.ts'

/** Loaded by the first query: origins that are IP addresses have none. */
const dnsPacket = lazyModule(require => require('dns-packet') as typeof DnsPacket) // what it exports

/** What can be asked for. dns-packet knows HTTPS (RFC 9460 14.1) by its number only. */
export type DnsType = 'A' | 'AAAA' | 'HTTPS'

export interface DnsQuestion {
  /** Normal, as normalName makes it, and one that isDnsName accepts. */
  readonly name: string
  readonly type: DnsType
}

/** A question as it was sent: what an answer is held against. */
export interface DnsQuery extends DnsQuestion {
  readonly id: number
  readonly bytes: Buffer
  /** It says that we take datagrams longer than 512 bytes. */
  readonly hasEdns: boolean
}

/** One record of an answer. Names are normal. */
export type DnsAnswer =
  | {
      readonly type: 'A' | 'AAAA'
      readonly name: string
      readonly ttlSeconds: number
      readonly address: string
    }
  | { readonly type: 'CNAME'; readonly name: string; readonly ttlSeconds: number; readonly target: string }
  | HttpsAnswer

export interface HttpsAnswer {
  readonly type: 'HTTPS'
  readonly name: string
  readonly ttlSeconds: number
  readonly rdata: Uint8Array
}

/** What a server says: records, or that there are none. */
export interface DnsReply {
  /** False: the name does not exist (NXDOMAIN), or what its CNAME points to does not. */
  readonly doesExist: boolean
  /** Of the types that can be asked for, and CNAME; others are left out. */
  readonly answers: readonly DnsAnswer[]
  /**
   * How long it may be believed that there is nothing (RFC 2308 section 5). Undefined: the server does not
   * say.
   */
  readonly negativeTtlSeconds: number | undefined
}

/**
 * What bytes are to a query. `foreign`: no answer to it at all; `truncated`: the answer did not fit (ask over
 * TCP); `refused`: the server cannot or will not answer; `malformed`: an answer that cannot be read.
 */
export type ReadReply =
  | { readonly kind: 'reply'; readonly reply: DnsReply }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'refused'; readonly rcode: number; readonly because: string }
  | { readonly kind: 'malformed'; readonly because: string }
  | { readonly kind: 'foreign' }

/**
 * A datagram of that size is not fragmented on any way that matters (DNS flag day 2020: IPv6's 1280 bytes
 * without the heads).
 */
const UDP_PAYLOAD_BYTES = 1232
const HEADER_BYTES = 12
/** Type and class behind the name of a question. */
const QUESTION_TAIL_BYTES = 4
const MAX_TTL = 2 ** 31 - 1

const HTTPS_TYPE = 'UNKNOWN_65'
const TYPE_NAMES: Readonly<Record<DnsType, string>> = { A: 'A', AAAA: 'AAAA', HTTPS: HTTPS_TYPE }

export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
}
const RCODE_TEXT: readonly string[] = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

/**
 * A query for a recursive server. `id`: 16 bits that nobody can guess. `hasEdns` false: for servers that
 * cannot make sense of EDNS(0).
 */
export function encodeQuery({ name, type }: DnsQuestion, id: number, hasEdns = true): DnsQuery {
  const { encode, RECURSION_DESIRED } = dnsPacket()
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: TYPE_NAMES[type] as RecordType }], // as: its types lack names of unknown types
    additionals: hasEdns ? [EDNS] : [],
  })
  return { name, type, id, bytes, hasEdns }
}

const EDNS: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}

/** Reads what came back for a query. Never throws. */
export function readReply(message: Uint8Array, query: DnsQuery): ReadReply {
  if (message.length < HEADER_BYTES) return { kind: 'foreign' }
  const head = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const flags = head.readUInt16BE(2)
  const isResponse = (flags & 0x8000) !== 0 && (flags & 0x7800) === 0 // QR, and opcode QUERY
  if (head.readUInt16BE(0) !== query.id || !isResponse) return { kind: 'foreign' }
  const rcode = flags & 0x000f
  // Servers from before EDNS may send the header alone, without the question, with an error in it.
  const isBareError = head.readUInt16BE(4) === 0 && rcode !== RCODE.noError && rcode !== RCODE.nameError
  if (isBareError) return refused(rcode)
  if (!hasQuestionOf(head, query)) return { kind: 'foreign' }
  if ((flags & 0x0200) !== 0) return { kind: 'truncated' }
  if (rcode !== RCODE.noError && rcode !== RCODE.nameError) return refused(rcode)

  const framed = frameMessage(message)
  if ('fault' in framed) return { kind: 'malformed', because: framed.fault }
  if (framed.extendedRcode !== 0) return refused(framed.extendedRcode * 16 + rcode)
  let packet: DecodedPacket
  try {
    packet = dnsPacket().decode(framed.bytes)
  } catch (error) {
    return { kind: 'malformed', because: error instanceof Error ? error.message : String(error) }
  }
  const answers = (packet.answers ?? []).flatMap(readAnswer)
  const negativeTtlSeconds = negativeTtl(packet.authorities ?? [])
  return { kind: 'reply', reply: { doesExist: rcode === RCODE.noError, answers, negativeTtlSeconds } }
}

function refused(rcode: number): ReadReply {
  return { kind: 'refused', rcode, because: `it answers ${RCODE_TEXT[rcode] ?? `with code ${rcode}`}` }
}

/**
 * The question is repeated byte by byte but for the case of letters; nothing stands before it that it could
 * be compressed with.
 */
function hasQuestionOf(head: Buffer, { bytes, name }: DnsQuery): boolean {
  const nameLength = name.length + 2
  const end = HEADER_BYTES + nameLength + QUESTION_TAIL_BYTES
  if (head.readUInt16BE(4) !== 1 || head.length < end) return false
  for (let at = HEADER_BYTES; at < end; at++) {
    const sent = bytes[at] ?? 0
    const got = head[at] ?? 0
    // A type or class is no letter, even if it looks like one: HTTPS is 65.
    const isName = at < HEADER_BYTES + nameLength
    if (got !== sent && !(isName && isLetter(sent) && (got | 0x20) === (sent | 0x20))) return false
  }
  return true
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function readAnswer(answer: Answer): DnsAnswer[] {
  if (answer.type === 'OPT' || !isInternet(answer)) return []
  const name = normalName(answer.name)
  const ttlSeconds = readTtl(answer.ttl)
  if (answer.type === 'A' || answer.type === 'AAAA') {
    return [{ type: answer.type, name, ttlSeconds, address: answer.data }]
  }
  if (answer.type === 'CNAME') return [{ type: 'CNAME', name, ttlSeconds, target: normalName(answer.data) }]
  const type: string = answer.type // what its types say is not all that comes
  return type === HTTPS_TYPE && answer.data instanceof Uint8Array
    ? [{ type: 'HTTPS', name, ttlSeconds, rdata: answer.data }]
    : []
}

/** dns-packet takes a bit off the class, which multicast DNS has there; elsewhere that is another class. */
function isInternet({ class: className, flush }: Exclude<Answer, { type: 'OPT' }>): boolean {
  return className === 'IN' && flush !== true
}

/** With the highest bit set it means 0 (RFC 2181 section 8). */
function readTtl(ttl: number | undefined): number {
  return ttl === undefined || ttl > MAX_TTL ? 0 : ttl
}

function negativeTtl(authorities: readonly Answer[]): number | undefined {
  for (const record of authorities) {
    if (record.type === 'SOA' && isInternet(record)) {
      return Math.min(readTtl(record.ttl), readTtl(record.data.minimum))
    }
  }
  return undefined
}

/** An answer that may not be kept at all is kept so long: else each connection would ask again. */
const MIN_TTL_SECONDS = 1
/** Nothing is believed for longer without asking again. */
const MAX_TTL_SECONDS = 86_400

/**
 * How long an answer is kept, in seconds: the shortest of the times to live along its way, between a second
 * and a day.
 */
export function boundedTtlSeconds(...ttlSeconds: readonly number[]): number {
  return Math.max(MIN_TTL_SECONDS, Math.min(MAX_TTL_SECONDS, ...ttlSeconds))
}
