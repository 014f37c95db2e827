import type { HttpsAnswer } from './dns-message.ts'
import { isDnsName, normalName } from './dns-name.ts'
import { boundedTtlSeconds } from './dns-ttl.ts'
import { readServiceParams } from './service-params.ts'

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
export type ParsedServiceRecord =
  | { readonly kind: 'alias'; readonly target: string }
  | { readonly kind: 'service'; readonly record: ServiceRecord }
  | { readonly kind: 'incompatible'; readonly because: string }
  | { readonly kind: 'malformed'; readonly because: string }

/**
 * What a set of records says. `services` has at least one, by priority; `incompatible`: there are records,
 * but none that we can use; `malformed`: one of them cannot be read, so that none counts.
 */
export type ServiceRecordSet =
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
