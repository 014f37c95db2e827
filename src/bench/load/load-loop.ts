import { seededRandom } from '../../base/seeded-random.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import type { ConnectionsAt } from '../results/scenario-result.ts'
import { type Arrivals, arrivalsOf } from './arrivals.ts'
import type { BenchClient, HandshakeCounts, RequestEnd, RequestWatch } from './bench-client.ts'
import { type DrawRequest, type LoadJob, type RequestKind, requestDraw } from './load-job.ts'
import { type LoadReport, LoadTally, MAX_OBJECTS } from './load-tally.ts'

export interface LoadSurroundings {
  readonly clock: Clock
  /** How many origins the client was made with. */
  readonly origins: number
  /** Of the client's process, since it began. */
  cpuMs(): number
  rssMiB(): number
  /**
   * A warm-up has ended: what is counted elsewhere is read now, and the measurement begins when this
   * resolves.
   */
  onWarm?(): Promise<void>
}

/** How often it is looked how many connections are open. */
const LOOK_MS = 10

/**
 * [D] Warm-up and measurement of one job through a client. Rejects never: what goes wrong with requests is in
 * the report.
 */
export async function driveLoad(
  job: LoadJob,
  client: DrivenClient,
  surroundings: LoadSurroundings,
): Promise<LoadReport> {
  const { clock } = surroundings
  const random = seededRandom(job.seed)
  const draw = requestDraw(job.requests, surroundings.origins, random)
  const deadlineAt = clock.now() + job.deadlineSeconds * 1000

  const drive = async (limits: LoadJob['measure']) => {
    const startedAt = clock.now()
    const tally = new LoadTally(startedAt, job.isCountOnly)
    const arrivals = arrivalsOf(job.arrival, limits, startedAt, random)
    const loop = new LoadLoop({ client, arrivals, draw, tally, clock })
    const deadline = clock.setTimer(deadlineAt - startedAt, () => loop.abandon())
    loop.start()
    await loop.ended
    deadline.cancel()
    return { tally, arrivals, loop }
  }

  const warmUp = await drive(job.warmUp)
  const isTooLate = warmUp.loop.stoppedBecause === DEADLINE_CAME
  if (!isTooLate && job.warmUp.requests > 0 && job.warmUp.seconds > 0) await surroundings.onWarm?.()
  const connections = new ConnectionWatch(client, clock, job.isCountOnly)
  const atStart = client.facts()
  const cpuBefore = surroundings.cpuMs()
  const { tally, arrivals, loop } = await drive(isTooLate ? { requests: 0, seconds: 0 } : job.measure)
  const cpuMs = surroundings.cpuMs() - cpuBefore
  const seen = connections.stop()
  const report = tally.report()
  const { opened, decisions } = client.facts()
  return {
    ...report,
    firstFailure: report.firstFailure ?? warmUp.tally.firstFailure,
    cpuMs,
    rssMiB: surroundings.rssMiB(),
    late: arrivals.late,
    opened,
    usable: opened && (atStart.open ?? 0) + sumOf(opened) - (atStart.opened ? sumOf(atStart.opened) : 0),
    connections: seen,
    warmUp: warmUp.tally.warmUp,
    decisions,
    stoppedBecause: isTooLate ? `${DEADLINE_CAME} in the warm-up` : loop.stoppedBecause,
  }
}

function sumOf({ full, resumed, earlyData, cleartext }: HandshakeCounts): number {
  return full + resumed + earlyData + cleartext
}

/** Looks at the number of open connections, and keeps when it was seen to be another one. */
class ConnectionWatch {
  readonly #client: DrivenClient
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #seen: ConnectionsAt[] = []
  readonly #isCountOnly: boolean
  #isStopped = false

  /** `isCountOnly`: it looks at the start and at the end, since each look costs the client. */
  constructor(client: DrivenClient, clock: Clock, isCountOnly = false) {
    this.#client = client
    this.#clock = clock
    this.#isCountOnly = isCountOnly
    this.#startedAt = clock.now()
    this.#look()
  }

  stop(): readonly ConnectionsAt[] {
    if (!this.#isStopped) this.#look()
    this.#isStopped = true
    return this.#seen
  }

  #look(): void {
    if (this.#isStopped) return
    const { open } = this.#client.facts()
    if (this.#seen.length >= MAX_OBJECTS) return
    if (open !== undefined && this.#seen.at(-1)?.open !== open)
      this.#seen.push({ atMs: this.#clock.now() - this.#startedAt, open })
    if (!this.#isCountOnly) this.#clock.setTimer(LOOK_MS, () => this.#look())
  }
}

/** A client that the loop can drive. */
export interface DrivenClient extends BenchClient {
  /** After an end: the place of that request is free when this resolves. Left out, or undefined: at once. */
  whenFree?(): Promise<void> | undefined
}

interface LoadLoopOptions {
  readonly client: DrivenClient
  readonly arrivals: Arrivals
  readonly draw: DrawRequest
  readonly tally: LoadTally
  readonly clock: Clock
}

/** Why it ended before its time. */
export const TOO_MUCH_FAILED = 'more than 20 % of its requests failed'
export const DEADLINE_CAME = 'its deadline came'

/** [D] Begins requests when they are due, and counts how they end. */
export class LoadLoop {
  /** When all that was begun has ended. */
  readonly ended: Promise<void>
  stoppedBecause: string | undefined
  readonly #options: LoadLoopOptions
  readonly #underWay = new Set<OneRequest>()
  #settling = 0
  #timer: Timer | undefined
  #isPumping = false
  #hasEnded = false
  #onEnded: () => void = () => {}

  constructor(options: LoadLoopOptions) {
    this.#options = options
    this.ended = new Promise(resolve => {
      this.#onEnded = resolve
    })
  }

  start(): void {
    this.#pump(this.#options.clock.now())
  }

  /** What has not ended has failed. */
  abandon(): void {
    if (this.#hasEnded) return
    this.stoppedBecause ??= DEADLINE_CAME
    this.#failUnbegun()
    const error = Object.assign(new Error('not ended before the deadline'), { code: 'deadline' })
    for (const one of this.#underWay) one.onEnd({ status: 0, bytes: 0, error })
    this.#finish()
  }

  /**
   * An end may be reported from within send(): the loop that is running goes on then, and none begins on top
   * of it.
   */
  #pump(now: number): void {
    if (this.#isPumping || this.#hasEnded) return
    this.#isPumping = true
    const { arrivals, clock } = this.#options
    for (; ; now = clock.now()) {
      const dueAt = arrivals.next(now)
      if (dueAt === undefined) break
      this.#begin(dueAt)
    }
    this.#isPumping = false
    this.#timer?.cancel()
    const nextAt = arrivals.nextAt()
    if (nextAt !== undefined) {
      this.#timer = clock.setTimer(nextAt - now, () => this.#pump(clock.now()))
    } else if (this.#underWay.size === 0 && this.#settling === 0) {
      this.#finish()
    }
  }

  #begin(dueAt: number): void {
    const { client, draw, clock, tally } = this.#options
    const { request, origin } = draw()
    const headClock = tally.isCountOnly ? undefined : clock
    const one = new OneRequest(request, dueAt, headClock, this.#onRequestEnd)
    this.#underWay.add(one)
    client.send(request, origin, one)
  }

  readonly #onRequestEnd = (one: OneRequest, end: RequestEnd): void => {
    if (!this.#underWay.delete(one) || this.#hasEnded) return
    const { client, tally, clock } = this.#options
    one.endedAt = clock.now()
    tally.record(one.request, one, end)
    if (this.stoppedBecause === undefined && tally.isFailing) {
      this.stoppedBecause = TOO_MUCH_FAILED
      this.#failUnbegun()
    }
    const free = client.whenFree?.()
    if (free === undefined) {
      this.#onFree(one.endedAt)
      return
    }
    this.#settling++
    void free.then(() => {
      this.#settling--
      this.#onFree(this.#options.clock.now())
    })
  }

  /** What is due by now has failed, and no more begins. */
  #failUnbegun(): void {
    const { arrivals, tally, clock } = this.#options
    let unbegun = 0
    // Nobody may have asked since it was due. The loop that is running has.
    while (!this.#isPumping && arrivals.next(clock.now()) !== undefined) unbegun++
    tally.recordUnbegun(unbegun + arrivals.waiting)
    arrivals.stop()
  }

  #onFree(now: number): void {
    this.#options.arrivals.onEnd(now)
    this.#pump(now)
  }

  #finish(): void {
    this.#hasEnded = true
    this.#timer?.cancel()
    this.#onEnded()
  }
}

class OneRequest implements RequestWatch {
  readonly request: RequestKind
  readonly dueAt: number
  headAt: number | undefined
  endedAt = Number.NaN
  readonly #headClock: Clock | undefined
  readonly #onEnded: (one: OneRequest, end: RequestEnd) => void

  constructor(
    request: RequestKind,
    dueAt: number,
    headClock: Clock | undefined,
    onEnded: (one: OneRequest, end: RequestEnd) => void,
  ) {
    this.request = request
    this.dueAt = dueAt
    this.#headClock = headClock
    this.#onEnded = onEnded
  }

  /** A request that was sent again has a second head: the last one counts, as it is the one that was read. */
  onHead(): void {
    this.headAt = this.#headClock?.now()
  }

  onEnd(end: RequestEnd): void {
    this.#onEnded(this, end)
  }
}
