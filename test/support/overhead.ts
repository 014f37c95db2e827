import { setTimeout as sleep } from 'node:timers/promises'
import type { Transport } from '../../src/index.ts'

/** The bounds of the issue: what a request may take longer than it does over plain TCP. */
const FIRST_MS = 300
const SECOND_MS = 5
/** A shared machine is late now and then: what counts is the median of a round, and a round may be repeated. */
const REPETITIONS = 5
const ROUNDS = 3

export interface OverheadOptions {
  readonly url: string
  /** A new one, which is closed after its requests. */
  readonly plain: () => Transport
  /** A new one in the situation that is looked at. */
  readonly subject: () => Transport
  /** Brings a transport to where the first request counts. Done with the plain one, too. */
  readonly before?: (transport: Transport, isSubject: boolean) => Promise<void>
  /** Looks at what happened, after both requests of the subject and `later` more. */
  readonly after?: (transport: Transport) => Promise<void>
  /** Requests behind the first two, one after the other. Default 8. */
  readonly later?: number
}

/** In ms, against plain TCP; each a median over the repetitions. */
export interface Overhead {
  readonly firstMs: number
  readonly secondMs: number
  /** Of the requests behind these. */
  readonly laterMs: number
}

/** Throws when a request fails, and when the costs are above the bounds in every round. */
export async function overheadOf(options: OverheadOptions): Promise<Overhead> {
  const seen: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const overhead = await roundOf(options)
    if (overhead.firstMs <= FIRST_MS && overhead.secondMs <= SECOND_MS) return overhead
    seen.push(`first ${overhead.firstMs.toFixed(1)}, second ${overhead.secondMs.toFixed(1)}`)
  }
  throw new Error(`more than plain TCP, in ms: ${seen.join('; ')} (at most ${FIRST_MS} and ${SECOND_MS})`)
}

async function roundOf(options: OverheadOptions): Promise<Overhead> {
  const { plain, subject, after } = options
  const all: Overhead[] = []
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const baseline = await timesOf(plain(), false, options)
    const times = await timesOf(subject(), true, options, after)
    all.push({
      firstMs: times.firstMs - baseline.firstMs,
      secondMs: times.secondMs - baseline.secondMs,
      laterMs: times.laterMs - baseline.laterMs,
    })
  }
  const median = (of: keyof Overhead): number => medianOf(all.map(each => each[of]))
  return { firstMs: median('firstMs'), secondMs: median('secondMs'), laterMs: median('laterMs') }
}

async function timesOf(
  made: Transport,
  isSubject: boolean,
  { url, before, later = 8 }: OverheadOptions,
  after?: (transport: Transport) => Promise<void>,
): Promise<Overhead> {
  await using transport = made
  await before?.(transport, isSubject)
  await sleep(1) // what was put off until the end of the turn is no cost of the request
  const firstMs = await timeOf(transport, url)
  const secondMs = await timeOf(transport, url)
  const others: number[] = []
  for (let request = 0; request < later; request++) others.push(await timeOf(transport, url))
  await after?.(transport)
  return { firstMs, secondMs, laterMs: others.length === 0 ? 0 : medianOf(others) }
}

/** One request from its call to its last byte. */
export async function timeOf(transport: Transport, url: string): Promise<number> {
  const startedAt = performance.now()
  const response = await transport.request(url)
  await response.dump()
  const took = performance.now() - startedAt
  if (response.status !== 200) throw new Error(`${url} was answered with ${response.status}`)
  return took
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
