import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { POLITE_LIMITS } from '../../bench/politeness.ts'
import {
  type Conditions,
  hostOf,
  type LossBursts,
  otherSubjects,
  type PathConditions,
  portOf,
  protocolSubjects,
  type UrlPlan,
  type UrlSubject,
} from '../../bench/url-plan.ts'
import { parseOrigin } from '../../index.ts'
import { connectionOptions } from '../connection-options.ts'
import { countOption, headerOption, isToken, positiveOption, usageError } from '../parse-options.ts'

/** Options that put relays on the path; spread into the command's own. */
const CONDITION_OPTIONS = {
  'delay-ms': { type: 'string' },
  'jitter-ms': { type: 'string' },
  loss: { type: 'string' },
  'burst-loss': { type: 'string' },
  'rate-limit': { type: 'string' },
  reorder: { type: 'string' },
} as const

type ConditionValues = { [Name in keyof typeof CONDITION_OPTIONS]?: string | undefined }

/** What they come to, the same in both directions. Undefined: none of them was given. */
export function conditionsOption(values: ConditionValues): PathConditions | undefined {
  const delayMs = millisecondsOption('delay-ms', values['delay-ms'])
  const jitterMs = millisecondsOption('jitter-ms', values['jitter-ms'])
  const lossRate = shareOption('loss', values.loss)
  const bursts = burstsOption(values['burst-loss'])
  const bytesPerSecond = rateOption(values['rate-limit'])
  const reorderRate = shareOption('reorder', values.reorder)
  // What is held back comes after two delays more, or after those with less jitter.
  if ((reorderRate ?? 0) > 0 && (delayMs ?? 0) === 0 && (jitterMs ?? 0) === 0)
    throw usageError('--reorder goes with --delay-ms or --jitter-ms: without them nobody can overtake')
  const conditions: Conditions = {
    ...(delayMs !== undefined && { delayMs }),
    ...(jitterMs !== undefined && { jitterMs }),
    ...(lossRate !== undefined && { lossRate }),
    ...(bursts !== undefined && { bursts }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(reorderRate !== undefined && { reorderRate }),
  }
  return Object.keys(conditions).length === 0 ? undefined : { toServer: conditions, toClient: conditions }
}

function millisecondsOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 60_000) return value
  throw usageError(`--${name} must be 0 to 60000 ms, not ${JSON.stringify(text)}`)
}

/** `1%` or `0.01`. */
function shareOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const share = shareOf(text)
  if (share !== undefined) return share
  throw usageError(
    isAmbiguous(text)
      ? `--${name} ${text}: ${percentQuestion(text)}`
      : `--${name} must be a share such as 1% or 0.01, not ${JSON.stringify(text)}`,
  )
}

function shareOf(text: string): number | undefined {
  const [, figure, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%)?$/.exec(text) ?? []
  if (figure === undefined) return undefined
  const share = Number(figure) / (percent === undefined ? 1 : 100)
  return share <= 1 && !isAmbiguous(text) ? share : undefined
}

/** Tools disagree on a bare 1: a percent, as with tc-netem(8), or all of them. */
function isAmbiguous(text: string): boolean {
  return /^\d+(?:\.\d+)?$/.test(text) && Number(text) >= 1 && Number(text) <= 100
}

function percentQuestion(text: string): string {
  const share = Number(text) / 100
  return `${text} % or ${share}? Write ${text}% or ${share}${Number(text) === 1 ? ', and 100% for all of them' : ''}`
}

/** `ENTER,LEAVE` or `ENTER,LEAVE,LOSS`. */
function burstsOption(text: string | undefined): LossBursts | undefined {
  if (text === undefined) return undefined
  const words = text.split(',')
  const ambiguous = words.find(isAmbiguous)
  if (ambiguous !== undefined) throw usageError(`--burst-loss ${text}: ${percentQuestion(ambiguous)}`)
  const shares = words.map(shareOf)
  const [enterRate, leaveRate, lossRate] = shares
  if (enterRate !== undefined && leaveRate !== undefined && shares.length <= 3 && !shares.includes(undefined))
    return { enterRate, leaveRate, ...(lossRate !== undefined && { lossRate }) }
  throw usageError(
    `--burst-loss must be ENTER,LEAVE[,LOSS] as shares, such as 0.5%,25%, not ${JSON.stringify(text)}`,
  )
}

/** Megabits per second. */
function rateOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, figure] = /^(\d+(?:\.\d+)?)(?:mbit)?$/i.exec(text) ?? []
  const megabits = Number(figure)
  if (megabits > 0) return megabits * 125_000
  throw usageError(`--rate-limit must be megabits per second, such as 10, not ${JSON.stringify(text)}`)
}

/** Every client process has it in memory. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

/** `--data`: text, or `@FILE`. */
async function readBenchBody(data: string | undefined): Promise<Uint8Array | undefined> {
  if (data === undefined) return undefined
  if (!data.startsWith('@')) return Buffer.from(data, 'utf8')
  const file = data.slice(1)
  try {
    const { size } = await stat(file)
    if (size > MAX_BODY_BYTES) throw new Error(`${size} bytes; the limit is ${MAX_BODY_BYTES}`)
    return await readFile(file)
  } catch (error) {
    throw usageError(`--data: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export const BENCH_OPTIONS = {
  protocols: { type: 'string' },
  with: { type: 'string' },
  method: { type: 'string' },
  header: { type: 'string', multiple: true },
  data: { type: 'string' },
  'expect-status': { type: 'string' },
  rate: { type: 'string' },
  concurrency: { type: 'string' },
  burst: { type: 'string' },
  'pause-ms': { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  requests: { type: 'string' },
  'warm-up': { type: 'string' },
  cold: { type: 'boolean' },
  resumed: { type: 'boolean' },
  'early-data': { type: 'boolean' },
  ...CONDITION_OPTIONS,
  seed: { type: 'string' },
  ca: { type: 'string' },
  resolve: { type: 'string', multiple: true },
  yes: { type: 'boolean' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  html: { type: 'string' },
  compare: { type: 'boolean' },
} as const

type Text = string | undefined

export interface PlanValues extends ConditionValues {
  protocols?: Text
  with?: Text
  method?: Text
  header?: string[] | undefined
  data?: Text
  'expect-status'?: Text
  rate?: Text
  concurrency?: Text
  burst?: Text
  'pause-ms'?: Text
  rounds?: Text
  seconds?: Text
  requests?: Text
  'warm-up'?: Text
  cold?: boolean | undefined
  resumed?: boolean | undefined
  'early-data'?: boolean | undefined
  seed?: Text
  ca?: Text
  resolve?: string[] | undefined
  quick?: boolean | undefined
  yes?: boolean | undefined
}

/** Of an interval for a median there have to be six. */
const ROUNDS = 6
const SECONDS = 3
const WARM_UP_SECONDS = 1
/** Does it work? Its figures mean little. */
const QUICK = { rounds: 1, seconds: 0.5, warmUpSeconds: 0.2 }
const CONCURRENCY = 8
/** Cold requests of a client that chooses may have two connections each. */
const COLD_IN_FLIGHT = 4
const MAX_IN_FLIGHT = 256

/**
 * What was late, since all that may be under way hung for a while, an origin elsewhere gets at no more than
 * this times the rate. Once the rate: none would ever catch up, and waiting for that is in the latency.
 */
const CATCH_UP = 2

/** Every run ends: no measurement is longer than an hour. */
const MAX_SECONDS = 3_600
/** More than one process can send, per second and at a time. */
const MAX_RATE = 100_000
const MAX_AT_ONCE = 100_000
/** Requests of one measurement at a rate. */
const MAX_DUE = 20_000_000

/** Any other answer than a final one is no end of a request. */
const MAX_STATUS = 599
/** What a client makes of the body. */
const FRAMING: readonly string[] = ['content-length', 'transfer-encoding']

/** What the options and the URL come to. Throws a usage error. */
export async function planOf(url: URL, values: PlanValues, isLocal: boolean): Promise<UrlPlan> {
  const isEarly = values['early-data'] === true
  const isResumed = isEarly || values.resumed === true
  const isCold = isResumed || values.cold === true
  const requests = countOption('requests', values.requests)
  const warmUpSeconds = values['warm-up'] === '0' ? 0 : secondsOption('warm-up', values['warm-up'])
  const { defaults, resolve } = connectionOptions({ ca: values.ca, resolve: values.resolve })
  checkResolve(resolve ?? {}, url)
  const ca = defaults.tls?.ca
  const plan: UrlPlan = {
    url,
    subjects: subjectsOption(values, url).map(isLocal || values.yes === true ? subject => subject : polite),
    request: await requestOption(values, url),
    arrival: arrivalOption(values, isLocal, { isCold, isResumed }),
    warmUp: {
      requests: Number.POSITIVE_INFINITY,
      seconds: warmUpSeconds ?? (values.quick === true ? QUICK.warmUpSeconds : WARM_UP_SECONDS),
    },
    measure: {
      requests: requests ?? Number.POSITIVE_INFINITY,
      seconds: secondsOption('seconds', values.seconds) ?? (values.quick === true ? QUICK.seconds : SECONDS),
    },
    rounds: countOption('rounds', values.rounds) ?? (values.quick === true ? QUICK.rounds : ROUNDS),
    seed: countOption('seed', values.seed, 0) ?? 1,
    isCold,
    isResumed,
    isEarly,
    ca: typeof ca === 'string' ? ca : undefined,
    resolve: resolve ?? {},
    conditions: conditionsOption(values),
  }
  checkDue(plan)
  return plan
}

/** Those that are due and cannot begin wait in memory. */
function checkDue({ arrival, warmUp, measure }: UrlPlan): void {
  if (arrival.kind !== 'open') return
  const due = Math.min(measure.requests, arrival.perSecond * Math.max(warmUp.seconds, measure.seconds))
  if (due > MAX_DUE) throw usageError(`--rate for --seconds or --warm-up makes more than ${MAX_DUE} requests`)
}

/** Refuses what parseOrigin refuses, and a password that would stand in reports. */
export function urlOption(text: string): URL {
  parseOrigin(text)
  const url = new URL(text)
  if (url.username !== '' || url.password !== '')
    throw usageError(
      'the URL must not have a user or a password: they would stand in the report; see --header',
    )
  url.hash = ''
  return url
}

/**
 * What would take as many connections as it likes takes no more than the limit. Of HTTP/2 and HTTP/3 that is
 * one.
 */
function polite(subject: UrlSubject): UrlSubject {
  const { protocol, connections } = subject
  if (connections > 0 || protocol === 'h2' || protocol === 'h3') return subject
  return { ...subject, connections: POLITE_LIMITS.connections }
}

function secondsOption(name: string, text: string | undefined): number | undefined {
  return mostOption(name, MAX_SECONDS, positiveOption(name, text))
}

function mostOption(name: string, most: number, value: number | undefined): number | undefined {
  if (value === undefined || value <= most) return value
  throw usageError(`--${name} must be at most ${most}`)
}

/**
 * An entry for another host or port may be for an alternative of the origin, but one of them has to be for
 * the URL.
 */
function checkResolve(resolve: UrlPlan['resolve'], url: URL): void {
  const name = `${hostOf(url)}:${portOf(url)}`
  const entries = Object.entries(resolve)
  if (entries.length > 0 && resolve[name] === undefined)
    throw usageError(`--resolve: nothing is asked of ${entries[0]?.[0]}; the URL is at ${name}`)
  const [strange] = entries.filter(([, address]) => isIP(address) === 0)
  if (strange !== undefined)
    throw usageError(`--resolve must be HOST:PORT:ADDR with an IP address, not ${JSON.stringify(strange[1])}`)
}

function subjectsOption(values: PlanValues, url: URL): readonly UrlSubject[] {
  const usual = url.protocol === 'https:' ? 'http/1.1x6,h2,h3,auto' : 'http/1.1x6'
  try {
    return [
      ...protocolSubjects(values.protocols ?? usual),
      ...(values.with === undefined ? [] : otherSubjects(values.with)),
    ]
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--protocols, --with: ${error.message}`)
    throw error
  }
}

async function requestOption(values: PlanValues, url: URL): Promise<UrlPlan['request']> {
  const body = await readBenchBody(values.data)
  const expectedStatus = mostOption(
    'expect-status',
    MAX_STATUS,
    countOption('expect-status', values['expect-status'], 200),
  )
  const method = values.method ?? (body === undefined ? 'GET' : 'POST')
  if (!isToken(method) || method === 'CONNECT')
    throw usageError(`--method must be a method such as GET, and not CONNECT; not ${JSON.stringify(method)}`)
  const headers = (values.header ?? []).map(headerOption)
  const framing = headers.find(([name]) => FRAMING.includes(name))
  if (framing !== undefined) throw usageError(`--header: ${framing[0]} is for the client to say; see --data`)
  return {
    label: url.pathname,
    method,
    path: `${url.pathname}${url.search}`,
    headers: headers.flat(),
    ...(body !== undefined && { body }),
    ...(expectedStatus !== undefined && { expectedStatus }),
  }
}

function arrivalOption(
  values: PlanValues,
  isLocal: boolean,
  { isCold, isResumed }: Pick<UrlPlan, 'isCold' | 'isResumed'>,
): UrlPlan['arrival'] {
  const perSecond = mostOption('rate', MAX_RATE, positiveOption('rate', values.rate))
  const concurrency = mostOption('concurrency', MAX_AT_ONCE, countOption('concurrency', values.concurrency))
  const burst = mostOption('burst', MAX_AT_ONCE, countOption('burst', values.burst))
  const pauseMs = countOption('pause-ms', values['pause-ms'], 0)
  if (burst === undefined && pauseMs !== undefined) throw usageError('--pause-ms goes with --burst')
  if (burst !== undefined) {
    if (perSecond !== undefined || concurrency !== undefined)
      throw usageError('--burst goes with neither --rate nor --concurrency')
    return { kind: 'bursts', requests: burst, pauseMs: pauseMs ?? 0 }
  }
  // One that waits for the ticket of the one before is slow by itself.
  if (perSecond === undefined && (isLocal || isResumed || concurrency !== undefined)) {
    return { kind: 'closed', concurrency: concurrency ?? (isCold ? 1 : CONCURRENCY) }
  }
  const rate = perSecond ?? POLITE_LIMITS.requestsPerSecond
  return {
    kind: 'open',
    perSecond: rate,
    spacing: 'poisson',
    maxInFlight:
      concurrency ?? (isLocal ? MAX_IN_FLIGHT : isCold ? COLD_IN_FLIGHT : POLITE_LIMITS.connections),
    ...(!isLocal && values.yes !== true && { catchUpPerSecond: CATCH_UP * rate }),
  }
}
