import { parseAddress } from '../addresses.ts'
import { boundedTtlSeconds, type HttpsAnswer } from './dns-message.ts'
import { isDnsName, normalName } from './dns-name.ts'

/** One way to reach a service: an HTTPS record in ServiceMode (RFC 9460 section 2.4.3). */
export interface ServiceRecord {
  /** 1 to 65535; lower ones come first. */
  readonly priority: number
  /** Where its addresses are. The certificate must cover the origin's own name all the same (section 9.3). */
  readonly target: string
  /** Protocols by their ALPN names, with http/1.1 where it was not excluded. */
  readonly alpn: readonly string[]
  /** Undefined: the origin's own. */
  readonly port: number | undefined
  /** For as long as the target's own addresses are not known (section 7.3). */
  readonly addressHints: readonly string[]
  /** Between a second and a day. */
  readonly ttlSeconds: number
}

/**
 * What the data of one record says. `alias`: look there instead; `.`: the service does not
 * exist.
 */
type ParsedServiceRecord =
  | { readonly kind: 'alias'; readonly target: string }
  | { readonly kind: 'service'; readonly record: ServiceRecord }
  | { readonly kind: 'incompatible'; readonly because: string }
  | { readonly kind: 'malformed'; readonly because: string }

/**
 * What a set of records says. `services` has at least one, by priority; `incompatible`: there are records,
 * but none that we can use; `malformed`: one of them cannot be read, so that none counts.
 */
type ServiceRecordSet =
  | { readonly kind: 'alias'; readonly target: string; readonly ttlSeconds: number }
  | {
      readonly kind: 'services'
      readonly records: readonly ServiceRecord[]
      /** Why others are not among them. */
      readonly skipped: readonly string[]
      readonly ttlSeconds: number
    }
  | { readonly kind: 'incompatible'; readonly because: string; readonly ttlSeconds: number }
  | { readonly kind: 'malformed'; readonly because: string }

/** Reads the data of one HTTPS record that stands at `owner` (section 2.2). Never throws. */
export function parseServiceRecord(
  rdata: Uint8Array,
  owner: string,
  ttlSeconds: number,
): ParsedServiceRecord {
  if (rdata.length < 3) return malformed('it is too short')
  const priority = (rdata[0] ?? 0) * 256 + (rdata[1] ?? 0)
  const name = readTarget(rdata, 2)
  if (typeof name === 'string') return malformed(name)
  const { target, end } = name
  // 2.4.2: parameters of an alias are ignored, whatever they are.
  if (priority === 0) {
    if (target === undefined) return { kind: 'incompatible', because: 'its target is no name of a host' }
    return { kind: 'alias', target }
  }
  const params = readServiceParams(rdata, end)
  if (typeof params === 'string') return malformed(params)
  const { incompatible, ...usable } = params
  if (incompatible !== undefined) return { kind: 'incompatible', because: incompatible }
  if (target === undefined) return { kind: 'incompatible', because: 'its target is no name of a host' }
  // 2.5.2: in ServiceMode the root stands for the record's own name.
  const effective = target === '.' ? normalName(owner) : target
  const record = { priority, target: effective, ...usable, ttlSeconds: boundedTtlSeconds(ttlSeconds) }
  return { kind: 'service', record }
}

/**
 * Reads the records of one name, of which there is at least one. `random` (0 to 1) puts those of equal
 * priority into an order of their own, so that clients spread (2.4.1).
 */
export function readServiceRecords(answers: readonly HttpsAnswer[], random: () => number): ServiceRecordSet {
  const ttlSeconds = boundedTtlSeconds(...answers.map(answer => answer.ttlSeconds))
  const aliases: string[] = []
  const records: ServiceRecord[] = []
  const skipped: string[] = []
  for (const { rdata, name } of answers) {
    const parsed = parseServiceRecord(rdata, name, ttlSeconds)
    // 2.2: "If any RRs are malformed, the client MUST reject the entire RRSet".
    if (parsed.kind === 'malformed') return parsed
    if (parsed.kind === 'alias') aliases.push(parsed.target)
    else if (parsed.kind === 'service') records.push(parsed.record)
    else skipped.push(parsed.because)
  }
  // 2.4.1: beside an alias, ServiceMode is ignored; of several aliases one is taken at random.
  const alias = shuffled(aliases, random)[0]
  if (alias !== undefined) return { kind: 'alias', target: alias, ttlSeconds }
  if (records.length === 0) return { kind: 'incompatible', because: skipped.join('; '), ttlSeconds }
  // The sort is stable: what the shuffle did stays within a priority.
  const ordered = shuffled(records, random).sort((one, other) => one.priority - other.priority)
  return { kind: 'services', records: ordered, skipped, ttlSeconds }
}

function malformed(because: string): ParsedServiceRecord {
  return { kind: 'malformed', because }
}

/**
 * An uncompressed name (2.2), 255 bytes at most with labels of up to 63. `target` undefined: no host can be
 * called that.
 */
function readTarget(rdata: Uint8Array, start: number): { target: string | undefined; end: number } | string {
  const labels: string[] = []
  for (let at = start; ; ) {
    const length = rdata[at]
    if (length === undefined) return 'it ends within its target name'
    // The two highest bits would be a compression pointer.
    if (length > 63) return 'a label of its target name is too long, or compressed'
    const end = at + 1 + length
    if (end - start > 255) return 'its target name is longer than 255 bytes'
    if (length === 0) return { target: targetName(labels), end }
    if (end > rdata.length) return 'it ends within its target name'
    labels.push(String.fromCharCode(...rdata.subarray(at + 1, end)))
    at = end
  }
}

function targetName(labels: readonly string[]): string | undefined {
  if (labels.length === 0) return '.'
  if (labels.some(label => label.includes('.'))) return undefined
  const name = normalName(labels.join('.'))
  return isDnsName(name) ? name : undefined
}

/** Fisher and Yates, as Knuth has it (TAOCP 3.4.2 P). */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items]
  for (let left = result.length; left > 1; left--) {
    const pick = Math.min(left - 1, Math.floor(random() * left))
    const last = result[left - 1] as T // as: left is at most the length
    result[left - 1] = result[pick] as T // as: pick is below left
    result[pick] = last
  }
  return result
}

/** The parameters of a record in ServiceMode that are made use of (RFC 9460 section 14.3.2). */
interface ServiceParams {
  /** With http/1.1, which every HTTPS service speaks unless it says otherwise (7.1.2, 9). */
  readonly alpn: readonly string[]
  readonly port: number | undefined
  /** IPv4 first, as their keys are ordered. */
  readonly addressHints: readonly string[]
  /**
   * Why the record is of no use, though there is nothing wrong with it: a key that we do not know is
   * mandatory.
   */
  readonly incompatible: string | undefined
}

const MANDATORY = 0
const ALPN = 1
const NO_DEFAULT_ALPN = 2
const PORT = 3
const IPV4_HINT = 4
const ECH = 5
const IPV6_HINT = 6
const KEY_NAMES: readonly string[] = [
  'mandatory',
  'alpn',
  'no-default-alpn',
  'port',
  'ipv4hint',
  'ech',
  'ipv6hint',
]
/** `ech` is not among them: whoever demands it cannot be served without Encrypted Client Hello. */
const SUPPORTED: ReadonlySet<number> = new Set([ALPN, NO_DEFAULT_ALPN, PORT, IPV4_HINT, IPV6_HINT])

/**
 * Reads the parameters from `at` to the end. A text says why they are malformed (2.2, 2.4.3). Never throws.
 */
function readServiceParams(rdata: Uint8Array, at: number): ServiceParams | string {
  const params = splitParams(rdata, at)
  if (typeof params === 'string') return params
  for (const [key, value] of params) {
    const fault = valueFault(key, value)
    if (fault !== undefined) return `${keyName(key)}: ${fault}`
  }
  const mandatory = readMandatory(params)
  if (typeof mandatory === 'string') return mandatory
  const alpn = readAlpn(params.get(ALPN))
  const hasDefault = !params.has(NO_DEFAULT_ALPN)
  // 7.1.1: it MUST come with alpn, else the record would name no protocol at all.
  if (!hasDefault && alpn.length === 0) return 'no-default-alpn without alpn'
  const port = params.get(PORT)
  return {
    alpn: hasDefault && !alpn.includes('http/1.1') ? [...alpn, 'http/1.1'] : alpn,
    port: port === undefined ? undefined : readUint16(port, 0),
    addressHints: [...readHints(4, params.get(IPV4_HINT)), ...readHints(16, params.get(IPV6_HINT))],
    incompatible: incompatibility(mandatory, port),
  }
}

/**
 * Key, length, value, one behind the other, keys strictly ascending: which also means that none comes twice.
 */
function splitParams(rdata: Uint8Array, start: number): Map<number, Uint8Array> | string {
  const params = new Map<number, Uint8Array>()
  let last = -1
  for (let at = start; at < rdata.length; ) {
    if (at + 4 > rdata.length) return 'it ends within the head of a parameter'
    const key = readUint16(rdata, at)
    const end = at + 4 + readUint16(rdata, at + 2)
    if (end > rdata.length) return `it ends within the value of ${keyName(key)}`
    if (key <= last) return `${keyName(key)} stands behind ${keyName(last)}`
    params.set(key, rdata.subarray(at + 4, end))
    last = key
    at = end
  }
  return params
}

function valueFault(key: number, value: Uint8Array): string | undefined {
  const { length } = value
  switch (key) {
    case MANDATORY:
      return length > 0 && length % 2 === 0 ? undefined : `no list of keys in ${length} bytes`
    case ALPN:
      return alpnFault(value)
    case NO_DEFAULT_ALPN:
      return length === 0 ? undefined : 'it has a value'
    case PORT:
      return length === 2 ? undefined : `no port in ${length} bytes`
    case IPV4_HINT:
      return length > 0 && length % 4 === 0 ? undefined : `no list of addresses in ${length} bytes`
    case IPV6_HINT:
      return length > 0 && length % 16 === 0 ? undefined : `no list of addresses in ${length} bytes`
    case ECH:
      // A list with its length in front (RFC 9849 section 4). What is in it is for those who use it.
      return length >= 4 && readUint16(value, 0) === length - 2 ? undefined : 'no list of configurations'
    default:
      return undefined // keys that we do not know are ignored (2.2)
  }
}

function alpnFault(value: Uint8Array): string | undefined {
  if (value.length === 0) return 'it names no protocol'
  let at = 0
  while (at < value.length) {
    const length = value[at] ?? 0
    if (length === 0) return 'an empty protocol name'
    at += 1 + length
  }
  return at === value.length ? undefined : 'it ends within a protocol name'
}

function readAlpn(value: Uint8Array = new Uint8Array()): string[] {
  const names: string[] = []
  for (let at = 0; at < value.length; ) {
    const end = at + 1 + (value[at] ?? 0)
    // Each byte one character: names are bytes (RFC 7301 3.1), and those that we look for are ASCII.
    names.push(String.fromCharCode(...value.subarray(at + 1, end)))
    at = end
  }
  return names
}

/** The keys, or why the list is malformed (section 8). */
function readMandatory(params: ReadonlyMap<number, Uint8Array>): number[] | string {
  const value = params.get(MANDATORY)
  const keys: number[] = []
  if (value === undefined) return keys
  for (let at = 0; at < value.length; at += 2) {
    const key = readUint16(value, at)
    if (key === MANDATORY) return 'mandatory: it names itself'
    if (key <= (keys.at(-1) ?? -1)) return 'mandatory: its keys are not in order'
    if (!params.has(key)) return `mandatory: ${keyName(key)} is missing`
    keys.push(key)
  }
  return keys
}

function incompatibility(mandatory: readonly number[], port: Uint8Array | undefined): string | undefined {
  const unknown = mandatory.filter(key => !SUPPORTED.has(key))
  if (unknown.length > 0) return `it demands ${unknown.map(keyName).slice(0, 8).join(', ')}`
  return port !== undefined && readUint16(port, 0) === 0 ? 'its port is 0' : undefined
}

function readHints(size: 4 | 16, value: Uint8Array = new Uint8Array()): string[] {
  const hints: string[] = []
  for (let at = 0; at < value.length; at += size) {
    const bytes = value.subarray(at, at + size)
    hints.push(size === 4 ? bytes.join('.') : ipv6Text(bytes))
  }
  return hints
}

/** As the rest of the house writes it (RFC 5952, by way of the URL parser). */
function ipv6Text(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push(readUint16(bytes, at).toString(16))
  return parseAddress(groups.join(':')).address
}

function keyName(key: number): string {
  return KEY_NAMES[key] ?? `key${key}`
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
}
