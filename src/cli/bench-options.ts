import { POLITE_LIMITS } from '../bench/politeness.ts'
import { otherSubjects, protocolSubjects, type UrlSubject } from '../bench/subjects.ts'
import type { UrlPlan } from '../bench/url-plan.ts'
import { parseOrigin } from '../index.ts'
import { readBenchBody } from './bench-body.ts'
import { CONDITION_OPTIONS, type ConditionValues, conditionsOption } from './bench-conditions.ts'
import { connectionOptions } from './connection-options.ts'
import { headerOption } from './header-option.ts'
import { countOption, positiveOption } from './parse-options.ts'
import { usageError } from './usage-error.ts'

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

/** Every run ends: no measurement is longer than an hour. */
const MAX_SECONDS = 3_600

/** What the options and the URL come to. Throws a usage error. */
export async function planOf(url: URL, values: PlanValues, isLocal: boolean): Promise<UrlPlan> {
  const isEarly = values['early-data'] === true
  const isResumed = isEarly || values.resumed === true
  const isCold = isResumed || values.cold === true
  const requests = countOption('requests', values.requests)
  const warmUpSeconds = values['warm-up'] === '0' ? 0 : secondsOption('warm-up', values['warm-up'])
  const { defaults, resolve } = connectionOptions({ ca: values.ca, resolve: values.resolve })
  const ca = defaults.tls?.ca
  return {
    url,
    subjects: subjectsOption(values, url).map(isLocal || values.yes === true ? subject => subject : polite),
    request: await requestOption(values, url),
    arrival: arrivalOption(values, isLocal, isCold),
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

/** What would take as many connections as it likes takes no more than the limit. Of HTTP/2 and HTTP/3 that is one. */
function polite(subject: UrlSubject): UrlSubject {
  const { protocol, connections } = subject
  if (connections > 0 || protocol === 'h2' || protocol === 'h3') return subject
  return { ...subject, connections: POLITE_LIMITS.connections }
}

function secondsOption(name: string, text: string | undefined): number | undefined {
  const seconds = positiveOption(name, text)
  if (seconds === undefined || seconds <= MAX_SECONDS) return seconds
  throw usageError(`--${name} must be at most ${MAX_SECONDS}`)
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
  const expectedStatus = countOption('expect-status', values['expect-status'], 100)
  return {
    label: url.pathname,
    method: values.method ?? (body === undefined ? 'GET' : 'POST'),
    path: `${url.pathname}${url.search}`,
    headers: (values.header ?? []).flatMap(headerOption),
    ...(body !== undefined && { body }),
    ...(expectedStatus !== undefined && { expectedStatus }),
  }
}

function arrivalOption(values: PlanValues, isLocal: boolean, isCold: boolean): UrlPlan['arrival'] {
  const perSecond = positiveOption('rate', values.rate)
  const concurrency = countOption('concurrency', values.concurrency)
  const burst = countOption('burst', values.burst)
  const pauseMs = countOption('pause-ms', values['pause-ms'], 0)
  if (burst === undefined && pauseMs !== undefined) throw usageError('--pause-ms goes with --burst')
  if (burst !== undefined) {
    if (perSecond !== undefined || concurrency !== undefined)
      throw usageError('--burst goes with neither --rate nor --concurrency')
    return { kind: 'bursts', requests: burst, pauseMs: pauseMs ?? 0 }
  }
  if (perSecond === undefined && (isLocal || concurrency !== undefined)) {
    return { kind: 'closed', concurrency: concurrency ?? (isCold ? 1 : CONCURRENCY) }
  }
  return {
    kind: 'open',
    perSecond: perSecond ?? POLITE_LIMITS.requestsPerSecond,
    spacing: 'poisson',
    maxInFlight:
      concurrency ?? (isLocal ? MAX_IN_FLIGHT : isCold ? COLD_IN_FLIGHT : POLITE_LIMITS.connections),
  }
}
