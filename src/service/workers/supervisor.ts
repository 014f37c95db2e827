import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { availableParallelism, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { guarded, guardedListener, reportFault } from '../../base/guard.ts'
import { systemClock, type Timer } from '../../entry/events.ts'
import { TransportError } from '../../index.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings, WorkersSettings } from '../config/service-settings.ts'
import type { FleetShares } from '../fleet/fleet-shares.ts'
import { SummedMetrics } from '../metrics/summed-metrics.ts'
import { Channel } from './channel.ts'
import { HostShares } from './host-shares.ts'
import { Http3Quarantine, isNativeCrash } from './http3-quarantine.ts'
import type { ListeningDescriptors } from './listening-descriptors.ts'
import type { AskSupervisor, AskWorker, ConfigText, ToSupervisor, ToWorker } from './messages.ts'
import type { ClaimedSocket } from './quic-sockets.ts'
import { WorkerNews } from './worker-news.ts'
import { type StartCause, type WorkerAction, WorkerTable } from './worker-table.ts'

/** How often the table is looked at: what hangs is found so much later at the most. */
const TICK_MS = 100
/** Where the standard streams and the channel of Node end. */
const FIRST_DESCRIPTOR = 4
const PROGRAM = new URL('./worker-process.js', import.meta.url)

/** A service of which so many workers end before the first is ready does not start. */
const MAX_EARLY_ENDS = 5
/** What a worker may fail with at its start; anything else is a defect. */
const KNOWN_FAILURES = ['MM_CONFIG_INVALID', 'MM_LISTEN_FAILED', 'MM_INVALID_ARGUMENT'] as const

/** A worker as the supervisor has it. */
interface WorkerProcess {
  readonly id: number
  readonly slot: number
  readonly child: ChildProcess
  readonly channel: WorkerChannel
  readonly config: ConfigText
  readonly startedAt: number
  http3: readonly string[]
  isHeapFull: boolean
  failure: ToSupervisor['failed'] | undefined
}

type WorkerChannel = Channel<ToWorker, ToSupervisor, AskWorker, AskSupervisor>

/** One ready worker, to whom questions go. */
export interface ReadyWorker {
  readonly id: number
  /** What it is called in logs and labels: a replacement has the name of who was there before. */
  readonly name: string
  readonly pid: number
  readonly channel: WorkerChannel
}

/**
 * Starts workers, watches them, and replaces those that end: the driver of a WorkerTable. It takes no
 * connection itself, and nothing that a worker does or does not do ends or stops it.
 */
export class Supervisor {
  readonly #logger: Logger
  readonly #sockets: ListeningDescriptors
  readonly #table: WorkerTable
  readonly #processes = new Map<number, WorkerProcess>()
  readonly #quarantine = new Http3Quarantine()
  readonly #news: WorkerNews
  /** What workers share of the ceilings of protected origins. */
  readonly shares: HostShares
  /** With whom the host shares them. */
  readonly fleet: FleetShares | undefined
  readonly metrics = new SummedMetrics()
  readonly count: number
  #config: ConfigText
  #settings: ServiceSettings
  #admin: ListenAddress | undefined
  readonly #stateDirectory: string | undefined
  #withheld: readonly string[] = []
  readonly #ticketSecret = randomBytes(32).toString('hex')
  #unsteered: string | undefined
  #timer: Timer | undefined
  /** Since the start, by cause: those of the beginning among them. */
  readonly starts = new Map<StartCause, number>()
  #onChange: () => void = () => {}
  /** Every worker has been ready once. */
  #hasStarted = false
  #earlyEnds = 0
  /** A worker has said why it cannot start, or several have ended without a word. */
  #failure: ToSupervisor['failed'] | undefined

  constructor(parts: {
    logger: Logger
    sockets: ListeningDescriptors
    config: ConfigText
    settings: ServiceSettings
    fleet: FleetShares | undefined
    /** See SharedState. */
    stateDirectory: string | undefined
  }) {
    this.#logger = parts.logger
    this.#sockets = parts.sockets
    this.#config = parts.config
    this.#settings = parts.settings
    this.fleet = parts.fleet
    this.#stateDirectory = parts.stateDirectory
    this.shares = new HostShares({
      tell: (worker, of) => this.#processes.get(worker)?.channel.send('sharesChanged', { of }),
      clock: systemClock,
      fleet: parts.fleet,
    })
    this.#news = new WorkerNews({
      tell: (except, news) => {
        for (const { id, channel } of this.#processes.values())
          if (id !== except) channel.send('originNews', news)
      },
      clock: systemClock,
    })
    const { workers, shutdown } = parts.settings
    this.count = workerCount(workers)
    this.#table = new WorkerTable(
      {
        slots: this.count,
        hangTimeoutMs: workers.hangTimeoutMs,
        maxMemoryBytes: workers.maxMemoryBytes ?? defaultMaxMemory(this.count),
        drainTimeoutMs: shutdown.drainTimeoutMs,
        tickMs: TICK_MS,
      },
      systemClock.now(),
    )
  }

  /**
   * `admin`: where the admin server is, to which workers lead nobody. Resolves when every worker is ready.
   * Rejects when one says why it cannot start; all are ended then.
   */
  async start(admin: ListenAddress | undefined): Promise<void> {
    this.#admin = admin
    this.#tick()
    await this.#until(() => this.#failure !== undefined || this.#table.ready.length === this.count)
    this.#hasStarted = this.#failure === undefined
    if (this.#failure === undefined) return
    const { code, message } = this.#failure
    this.killAll()
    throw new TransportError(KNOWN_FAILURES.find(known => known === code) ?? 'MM_INTERNAL', message)
  }

  get ready(): readonly ReadyWorker[] {
    return this.#table.ready.flatMap(id => {
      const worker = this.#processes.get(id)
      if (worker === undefined) return []
      const { slot, child, channel } = worker
      return [{ id, name: String(slot + 1), pid: child.pid ?? 0, channel }]
    })
  }

  /** What workers are started with. */
  get settings(): ServiceSettings {
    return this.#settings
  }

  /** Every process that is there, with its state. */
  snapshot() {
    return this.#table.snapshot().map(({ id, slot, state, since }) => ({
      worker: String(slot + 1),
      pid: this.#processes.get(id)?.child.pid ?? 0,
      state,
      sinceMs: Math.round(systemClock.now() - since),
    }))
  }

  /** What workers are started with from now on. Those that did not take it are replaced. */
  setConfig(config: ConfigText, settings: ServiceSettings, taken: readonly number[]): void {
    this.#config = config
    this.#settings = settings
    this.#table.configure({
      hangTimeoutMs: this.#settings.workers.hangTimeoutMs,
      maxMemoryBytes: this.#settings.workers.maxMemoryBytes ?? defaultMaxMemory(this.count),
      drainTimeoutMs: this.#settings.shutdown.drainTimeoutMs,
    })
    for (const id of this.#table.ready) if (!taken.includes(id)) this.#table.replace(id, systemClock.now())
    this.#takenBy = new Set(taken)
    this.#act()
  }

  /** Workers whose configuration is the present one though they were started with another. */
  #takenBy = new Set<number>()

  /** Those that drain still write lines. */
  reopenLogs(): void {
    for (const { channel } of this.#processes.values()) channel.send('reopenLogs', {})
  }

  /** All workers drain; resolves when the last has ended. */
  async drain(): Promise<void> {
    this.#table.end(systemClock.now())
    this.#act()
    await this.#until(() => this.#table.isEmpty)
    this.#timer?.cancel()
  }

  /** Ends all of them at once. */
  killAll(): void {
    this.#timer?.cancel()
    for (const { child } of this.#processes.values()) child.kill('SIGKILL')
  }

  async #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return
    await new Promise<void>(resolve => {
      const before = this.#onChange
      this.#onChange = () => {
        before()
        if (!isSo()) return
        this.#onChange = before
        resolve()
      }
    })
  }

  #tick(): void {
    guarded('the supervision of workers', () => {
      this.#act()
      this.#announceQuarantine()
      this.shares.announce()
    })
    this.#timer = systemClock.setTimer(TICK_MS, () => this.#tick())
  }

  #act(): void {
    for (const action of this.#table.next(systemClock.now())) this.#do(action)
    const because = this.#sockets.steer(this.#table.ready)
    if (because === this.#unsteered) return
    this.#unsteered = because
    if (because !== undefined)
      this.#logger.error(
        `HTTP/3: the kernel does not steer datagrams to workers by connection id: ${because}`,
      )
  }

  #do(action: WorkerAction): void {
    switch (action.type) {
      case 'start':
        this.starts.set(action.cause, (this.starts.get(action.cause) ?? 0) + 1)
        return this.#spawn(action.id, action.slot)
      case 'drain':
        this.#processes.get(action.id)?.channel.send('drain', {})
        return
      case 'kill': {
        const worker = this.#processes.get(action.id)
        if (worker === undefined) return
        this.#logger.error(
          `worker ${worker.slot + 1} (process ${worker.child.pid}) is ended: ${action.because}`,
        )
        worker.child.kill('SIGKILL')
      }
    }
  }

  #spawn(id: number, slot: number): void {
    const tcp = this.#sockets.of(slot, this.count)
    let next = FIRST_DESCRIPTOR
    let child: ChildProcess
    let claimed: (ClaimedSocket | undefined)[]
    try {
      claimed = this.#sockets.claim(id)
      child = spawn(process.execPath, [...process.execArgv, fileURLToPath(PROGRAM)], {
        stdio: [
          'ignore',
          'inherit',
          'inherit',
          'ipc',
          ...tcp.flat(),
          ...claimed.flatMap(one => one?.fd ?? []),
        ],
        env: { ...process.env, MIDDLEMILE_WORKER: String(slot + 1) },
      })
    } catch (error) {
      // No descriptor or no process left: it is tried again, later and later.
      reportFault('starting a worker', error)
      this.#sockets.release(id)
      this.#table.onExited(id, systemClock.now())
      return
    }
    const config = this.#config
    const channel: WorkerChannel = new Channel(child)
    const worker: WorkerProcess = {
      id,
      slot,
      child,
      channel,
      config,
      startedAt: systemClock.now(),
      http3: [],
      isHeapFull: false,
      failure: undefined,
    }
    this.#processes.set(id, worker)
    channel.receive('ready', () => this.#onReady(worker))
    channel.receive('heartbeat', ({ memoryBytes, http3, isHeapFull }) => {
      worker.http3 = http3
      worker.isHeapFull = isHeapFull
      this.#table.onHeartbeat(id, systemClock.now(), memoryBytes)
    })
    channel.receive('failed', failure => {
      worker.failure = failure
      this.#failure ??= failure
      this.#logger.error(`worker ${slot + 1} cannot start: ${failure.code} ${failure.message}`)
      this.#onChange()
    })
    channel.answer('shares', requests => {
      // What it had asked may come behind its end, after which it has nothing.
      if (!this.#processes.has(id)) throw new Error('the worker has ended')
      return this.shares.answer(id, requests)
    })
    channel.receive('originNews', news => this.#news.onNews(id, news))
    channel.receive('metrics', ({ metrics }) => this.metrics.onShown(id, metrics))
    let isGone = false
    const onGone = (code: number | null, signal: string | null): void => {
      if (!isGone) this.#onGone(worker, code, signal)
      isGone = true
    }
    const onError = (error: Error): void => {
      reportFault('a worker', error)
      if (child.pid === undefined) onGone(null, null)
    }
    child.on(
      'error',
      guardedListener('a worker', onError, () => {}),
    )
    child.on(
      'exit',
      guardedListener('the end of a worker', onGone, () => {}),
    )
    const sockets = tcp.map(group => ({ tcp: group.map(() => next++) }))
    channel.send('start', {
      ...config,
      sockets: sockets.map((group, index) => {
        const one = claimed[index]
        if (one === undefined) return group
        return { ...group, quic: { descriptor: next++, mark: one.mark, socket: one.socket } }
      }),
      ticketSecret: this.#ticketSecret,
      supervisorAdmin: this.#admin,
      stateDirectory: this.#stateDirectory,
      ejections: this.#news.ejections(),
      withoutHttp3: this.#withheld,
    })
  }

  #onReady(worker: WorkerProcess): void {
    const now = systemClock.now()
    if (!this.#table.onReady(worker.id, now)) return
    const tookMs = Math.round(now - worker.startedAt)
    this.#logger.info(`worker ${worker.slot + 1} is ready after ${tookMs}ms: process ${worker.child.pid}`)
    // A reload came while it started.
    if (worker.config !== this.#config && !this.#takenBy.has(worker.id)) this.#table.replace(worker.id, now)
    this.#act()
    this.#onChange()
  }

  #onGone(worker: WorkerProcess, code: number | null, signal: string | null): void {
    const { id, slot, child, channel } = worker
    const isExpected = this.#table.isLeaving(id)
    this.#processes.delete(id)
    this.shares.onEnded(id)
    this.#news.onEnded(id)
    this.#takenBy.delete(id)
    channel.close()
    this.#sockets.release(id)
    this.metrics.onEnded(id)
    const now = systemClock.now()
    const how = signal === null ? `code ${code}` : signal
    if (isExpected) this.#logger.info(`worker ${slot + 1} (process ${child.pid}) has ended`)
    else
      this.#logger.error(
        `worker ${slot + 1} (process ${child.pid}) ended by ${how}: another one takes its place`,
      )
    if (!isExpected && isNativeCrash(signal) && !worker.isHeapFull && worker.http3.length > 0) {
      this.#quarantine.add(worker.http3, now)
      this.#logger.error(
        `native code may have ended it: no HTTP/3 for now to ${worker.http3.join(', ')}, to which it had connections`,
      )
    }
    if (!isExpected && !this.#hasStarted && ++this.#earlyEnds >= MAX_EARLY_ENDS)
      this.#failure ??= { code: 'MM_INTERNAL', message: `workers end before they are ready, by ${how}` }
    this.#table.onExited(id, now)
    this.#announceQuarantine()
    this.#act()
    this.#onChange()
  }

  #announceQuarantine(): void {
    const withheld = this.#quarantine.at(systemClock.now())
    if (withheld.join(' ') === this.#withheld.join(' ')) return
    for (const origin of this.#withheld)
      if (!withheld.includes(origin)) this.#logger.info(`HTTP/3 to ${origin} is spoken again`)
    this.#withheld = withheld
    for (const { channel } of this.ready) channel.send('quarantine', { withoutHttp3: withheld })
  }
}

/** How many there are to be. */
export function workerCount({ count }: WorkersSettings): number {
  if (count === 'off') return 1
  return count === 'auto' ? availableParallelism() : count
}

/** What a service may have of the memory of the machine, or of its container. */
const MEMORY_SHARE = 0.8

function defaultMaxMemory(workers: number): number {
  const limit = process.constrainedMemory() ?? 0
  const total = totalmem()
  return ((limit > 0 && limit < total ? limit : total) * MEMORY_SHARE) / workers
}
