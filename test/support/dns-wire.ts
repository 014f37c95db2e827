/**
 * DNS messages byte by byte (RFC 1035 section 4, RFC 9460 section 2.2), written without the library that
 * reads them.
 */

export const WIRE_TYPES = { A: 1, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, OPT: 41, SVCB: 64, HTTPS: 65 } as const
type WireType = keyof typeof WIRE_TYPES

export interface WireRecord {
  readonly name: string
  readonly type: WireType
  readonly ttl: number
  readonly rdata: Uint8Array
  /** Default: 1, the Internet. */
  readonly class?: number
  /** Written in place of the length that `rdata` has. */
  readonly length?: number
}

export interface WireReply {
  readonly rcode?: number
  readonly truncated?: boolean
  readonly answers?: readonly WireRecord[]
  readonly authorities?: readonly WireRecord[]
  readonly additionals?: readonly WireRecord[]
  /** In place of the query's. */
  readonly id?: number
  readonly question?: Buffer
}

/** Uncompressed. */
export function wireName(name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '')
  const parts = labels.map(label =>
    Buffer.concat([Buffer.from([Buffer.byteLength(label)]), Buffer.from(label)]),
  )
  return Buffer.concat([...parts, Buffer.from([0])])
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

function wireRecord({ name, type, ttl, rdata, class: klass = 1, length }: WireRecord): Buffer {
  const head = [wireName(name), uint16(WIRE_TYPES[type]), uint16(klass), uint32(ttl)]
  return Buffer.concat([...head, uint16(length ?? rdata.length), rdata])
}

/** Name, type and class as a query asked for them. */
export function questionOf(query: Buffer): Buffer {
  let at = 12
  while (query[at] !== 0) at += (query[at] ?? 0) + 1
  return query.subarray(12, at + 5)
}

export function wireReply(query: Buffer, reply: WireReply = {}): Buffer {
  const { answers = [], authorities = [], additionals = [] } = reply
  const flags = 0x8180 | (reply.truncated === true ? 0x0200 : 0) | (reply.rcode ?? 0)
  const counts = [1, answers.length, authorities.length, additionals.length]
  return Buffer.concat([
    uint16(reply.id ?? query.readUInt16BE(0)),
    uint16(flags),
    ...counts.map(uint16),
    reply.question ?? questionOf(query),
    ...[...answers, ...authorities, ...additionals].map(wireRecord),
  ])
}

/** `[key, value]`, in the order in which they are to be written. */
export type WireParam = readonly [key: number, value: Uint8Array]

export function serviceRdata(priority: number, target: string, params: readonly WireParam[] = []): Buffer {
  const written = params.flatMap(([key, value]) => [uint16(key), uint16(value.length), value])
  return Buffer.concat([uint16(priority), wireName(target), ...written])
}

export function alpn(...names: string[]): WireParam {
  return [1, Buffer.concat(names.map(name => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)])))]
}

export function mandatory(...keys: number[]): WireParam {
  return [0, Buffer.concat(keys.map(uint16))]
}

export function port(value: number): WireParam {
  return [3, uint16(value)]
}

export function ipv4(...addresses: string[]): WireParam {
  return [4, Buffer.concat(addresses.map(ipv4Bytes))]
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

export function https(name: string, rdata: Uint8Array, ttl = 300): WireRecord {
  return { name, type: 'HTTPS', ttl, rdata }
}

export function cname(name: string, target: string, ttl = 300): WireRecord {
  return { name, type: 'CNAME', ttl, rdata: wireName(target) }
}

export function a(name: string, address: string, ttl = 300): WireRecord {
  return { name, type: 'A', ttl, rdata: ipv4Bytes(address) }
}

export function aaaa(name: string, hex: string, ttl = 300): WireRecord {
  return { name, type: 'AAAA', ttl, rdata: Buffer.from(hex, 'hex') }
}

export function soa(name: string, ttl: number, minimum: number): WireRecord {
  const numbers = [1, 7200, 3600, 86_400, minimum].map(uint32)
  const rdata = Buffer.concat([wireName(`ns.${name}`), wireName(`admin.${name}`), ...numbers])
  return { name, type: 'SOA', ttl, rdata }
}
