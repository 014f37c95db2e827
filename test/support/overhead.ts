import { setTimeout as sleep } from 'node:timers/promises'
import { createTransport, type Transport, type TransportOptions } from '../../src/index.ts'
import { SelectionLog } from './selection-log.ts'

/** The bounds of the issue: what a request may take longer than it does over plain TCP. */
const FIRST_MS = 300
const SECOND_MS = 5
/**
 * A shared machine is late now and then: what counts is the median of a round, and a round may be repeated.
 */
const REPETITIONS = 5
const ROUNDS = 3

/** For tests that depend on tens of milliseconds: what fails three times is no accident. */
export const MACHINE_IS_SHARED = { retry: 2 } as const

export interface OverheadOptions {
  readonly url: string
  /** Of a new transport. The plain one gets the same, but for its protocols. */
  readonly options: TransportOptions | ((isSubject: boolean) => TransportOptions)
  /**
   * Brings a transport to where the first request counts. Done with the plain one, too, whose log is
   * undefined.
   */
  readonly before?: (transport: Transport, log: SelectionLog | undefined) => Promise<void>
  /** Looks at what happened, after both requests and `later` more. */
  readonly after?: (transport: Transport, log: SelectionLog) => Promise<void> | void
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
  let log = ''
  for (let round = 0; round < ROUNDS; round++) {
    const overheads: Overhead[] = []
    const plain: number[] = []
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      const baseline = await timesOf(options, undefined)
      plain.push(baseline.secondMs)
      const events = new SelectionLog()
      overheads.push(difference(await timesOf(options, events), baseline))
      log = events.text
    }
    const overhead = medians(overheads)
    // What plain TCP varies by from one time to the next is the machine's.
    const noiseMs = Math.max(...plain) - Math.min(...plain)
    if (overhead.firstMs <= FIRST_MS && overhead.secondMs <= SECOND_MS + noiseMs) return overhead
    const { firstMs, secondMs } = overhead
    seen.push(`first ${firstMs.toFixed(1)}, second ${secondMs.toFixed(1)} (noise ${noiseMs.toFixed(1)})`)
  }
  const bounds = `at most ${FIRST_MS}, and ${SECOND_MS} and the noise`
  throw new Error(`more than plain TCP, in ms: ${seen.join('; ')} (${bounds})\n${log}`)
}

/** `log` undefined: over plain TCP. */
async function timesOf(options: OverheadOptions, log: SelectionLog | undefined): Promise<Overhead> {
  const { url, before, after, later = 8 } = options
  const made = typeof options.options === 'function' ? options.options(log !== undefined) : options.options
  await using transport = createTransport(
    log === undefined
      ? { ...made, defaults: { ...made.defaults, protocols: ['h2', 'http/1.1'] } }
      : { ...made, observer: log.observer },
  )
  await before?.(transport, log)
  await sleep(1) // what was deferred until the end of the turn is no cost of the request
  const firstMs = await timeOf(transport, url)
  const secondMs = await timeOf(transport, url)
  const others: number[] = []
  for (let request = 0; request < later; request++) others.push(await timeOf(transport, url))
  if (log !== undefined) await after?.(transport, log)
  return { firstMs, secondMs, laterMs: others.length === 0 ? 0 : medianOf(others) }
}

function difference(times: Overhead, baseline: Overhead): Overhead {
  return {
    firstMs: times.firstMs - baseline.firstMs,
    secondMs: times.secondMs - baseline.secondMs,
    laterMs: times.laterMs - baseline.laterMs,
  }
}

function medians(overheads: readonly Overhead[]): Overhead {
  const median = (of: keyof Overhead): number => medianOf(overheads.map(each => each[of]))
  return { firstMs: median('firstMs'), secondMs: median('secondMs'), laterMs: median('laterMs') }
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
