import { seededRandom } from '../../base/seeded-random.ts'
import type { Clock } from '../../entry/events.ts'
import type { ConnectionsAt } from '../results/subject-detail.ts'
import { arrivalsOf } from './arrivals.ts'
import { requestDraw } from './draw-request.ts'
import type { LoadJob } from './load-job.ts'
import { DEADLINE_CAME, type DrivenClient, LoadLoop } from './load-loop.ts'
import { type HandshakeCounts, type LoadReport, MAX_OBJECTS } from './load-report.ts'
import { LoadTally } from './load-tally.ts'

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
  const connections = new ConnectionWatch(client, clock)
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
  #isStopped = false

  constructor(client: DrivenClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
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
    this.#clock.setTimer(LOOK_MS, () => this.#look())
  }
}
