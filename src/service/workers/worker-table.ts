/** Why a worker is started. */
export type StartCause = 'start' | 'died' | 'hung' | 'memory'

/**
 * One process.
 *
 * starting  was spawned and is not ready yet. Valid transitions: ready, killed, gone
 * ready     takes connections and reports itself. Valid transitions: draining, killed, gone
 * draining  takes none any more, and has until `killAt`. Valid transitions: killed, gone
 * killed    was sent SIGKILL, and its end is still to come. Valid transitions: gone
 *
 * Gone is what is not in the table.
 */
type Phase =
  | { readonly state: 'starting'; readonly since: number }
  | {
      readonly state: 'ready'
      readonly since: number
      readonly heardAt: number
      readonly memoryBytes: number
    }
  | { readonly state: 'draining'; readonly since: number; readonly killAt: number }
  | { readonly state: 'killed'; readonly since: number }

interface Worker {
  readonly id: number
  readonly slot: number
  readonly startedAt: number
  phase: Phase
}

/** A place that is to have one worker, with its own share of the listening sockets. */
interface Slot {
  readonly index: number
  /** Who holds it; undefined: nobody does, and `startAt` says when that changes. */
  holder: number | undefined
  /** Who takes over as soon as it is ready: the holder has outgrown its bound. */
  successor: number | undefined
  startAt: number
  cause: StartCause
  /** Ends in a row that came soon after the start. */
  failures: number
}

export type WorkerAction =
  | { readonly type: 'start'; readonly id: number; readonly slot: number; readonly cause: StartCause }
  | { readonly type: 'drain'; readonly id: number }
  | { readonly type: 'kill'; readonly id: number; readonly because: string }

export interface WorkerTableOptions {
  readonly slots: number
  /** Without a heartbeat for so long a worker hangs. */
  readonly hangTimeoutMs: number
  /** Resident memory with which a worker is replaced; Infinity: never. */
  readonly maxMemoryBytes: number
  /** 0: as long as it takes. */
  readonly drainTimeoutMs: number
  /** How often next() is called at the least. */
  readonly tickMs: number
}

export interface WorkerSnapshot {
  readonly id: number
  readonly slot: number
  readonly state: Phase['state']
  readonly since: number
}

/** From spawn to ready, on a machine that is busy. */
const START_TIMEOUT_MS = 30_000
/** Who ran so long and ends then is replaced as if it were the first. */
const STABLE_MS = 30_000
const BASE_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 10_000

/**
 * Which processes there are and which there should be: one worker for each slot, replaced at once when it
 * ends, hangs or outgrows its bound, later and later where that happens soon after its start. Pure: the
 * driver does what next() says.
 */
export class WorkerTable {
  #options: WorkerTableOptions
  readonly #slots: Slot[] = []
  readonly #workers = new Map<number, Worker>()
  #lastId = 0
  #lastTickAt: number
  #isEnding = false
  /** What is due whatever the clock says. */
  #due: WorkerAction[] = []

  constructor(options: WorkerTableOptions, now: number) {
    this.#options = options
    this.#lastTickAt = now
    for (let index = 0; index < options.slots; index++)
      this.#slots.push({
        index,
        holder: undefined,
        successor: undefined,
        startAt: now,
        cause: 'start',
        failures: 0,
      })
  }

  /** Other bounds, from now on; the number of slots stays. */
  configure(options: Omit<WorkerTableOptions, 'slots' | 'tickMs'>): void {
    this.#options = { ...this.#options, ...options }
  }

  /** What is to be done now. */
  next(now: number): readonly WorkerAction[] {
    this.#forgiveOwnLateness(now)
    const actions = this.#due
    this.#due = []
    for (const worker of this.#workers.values()) this.#judge(worker, now, actions)
    if (!this.#isEnding) for (const slot of this.#slots) this.#fill(slot, now, actions)
    return actions
  }

  /** It listens. False: nobody waits for it any more. */
  onReady(id: number, now: number): boolean {
    const worker = this.#workers.get(id)
    if (worker?.phase.state !== 'starting') return false
    worker.phase = { state: 'ready', since: now, heardAt: now, memoryBytes: 0 }
    const slot = this.#slotOf(worker)
    if (slot.successor !== id) return true
    const before = slot.holder === undefined ? undefined : this.#workers.get(slot.holder)
    slot.holder = id
    slot.successor = undefined
    if (before === undefined) return true
    this.#backOff(slot, before, now)
    this.#drain(before, now)
    return true
  }

  onHeartbeat(id: number, now: number, memoryBytes: number): void {
    const worker = this.#workers.get(id)
    if (worker?.phase.state !== 'ready') return
    worker.phase = { ...worker.phase, heardAt: now, memoryBytes }
  }

  /** The process has ended, whoever wanted it. */
  onExited(id: number, now: number): void {
    const worker = this.#workers.get(id)
    if (worker === undefined) return
    this.#workers.delete(id)
    if (worker.phase.state !== 'killed') this.#vacate(worker, now, 'died')
  }

  /** It is not to go on, since it is not what the others are: it drains, and another takes its place. */
  replace(id: number, now: number): void {
    const worker = this.#workers.get(id)
    if (worker?.phase.state !== 'ready') return
    this.#drain(worker, now)
    this.#vacate(worker, now, 'died')
  }

  /** All drain, and nobody is started any more. */
  end(now: number): void {
    this.#isEnding = true
    for (const slot of this.#slots) {
      slot.holder = undefined
      slot.successor = undefined
    }
    for (const worker of this.#workers.values()) {
      if (worker.phase.state === 'ready') this.#drain(worker, now)
      else if (worker.phase.state === 'starting') this.#kill(worker, now, 'the service ends', this.#due)
    }
  }

  get isEmpty(): boolean {
    return this.#workers.size === 0
  }

  /** It drains or was killed, so that its end is no surprise. */
  isLeaving(id: number): boolean {
    const state = this.#workers.get(id)?.phase.state
    return state === 'draining' || state === 'killed'
  }

  /** Those that take connections now. */
  get ready(): readonly number[] {
    return [...this.#workers.values()].filter(({ phase }) => phase.state === 'ready').map(({ id }) => id)
  }

  snapshot(): readonly WorkerSnapshot[] {
    return [...this.#workers.values()].map(({ id, slot, phase: { state, since } }) => ({
      id,
      slot,
      state,
      since,
    }))
  }

  /** Throws when the table contradicts itself; for tests. */
  assertConsistent(): void {
    for (const slot of this.#slots) {
      for (const id of [slot.holder, slot.successor]) {
        const worker = id === undefined ? undefined : this.#workers.get(id)
        if (id === undefined) continue
        if (worker?.slot !== slot.index) throw new Error(`slot ${slot.index} names ${id}, which is not in it`)
        if (worker.phase.state === 'draining' || worker.phase.state === 'killed')
          throw new Error(`slot ${slot.index} is held by ${id}, which is ${worker.phase.state}`)
      }
      if (slot.successor !== undefined && slot.holder === undefined)
        throw new Error(`slot ${slot.index} has a successor of nobody`)
    }
    for (const { id, slot, phase } of this.#workers.values()) {
      const { holder, successor } = this.#slots[slot] as Slot // slots are never removed
      const isNamed = holder === id || successor === id
      if (isNamed !== (phase.state === 'starting' || phase.state === 'ready') && !this.#isEnding)
        throw new Error(`${id} is ${phase.state}, and its slot has ${holder} and ${successor}`)
    }
  }

  /**
   * A supervisor that was stopped itself, with the whole machine perhaps, has received no heartbeat either:
   * that is not held against the workers.
   */
  #forgiveOwnLateness(now: number): void {
    const lateMs = now - this.#lastTickAt - this.#options.tickMs
    this.#lastTickAt = now
    if (lateMs < this.#options.tickMs) return
    for (const worker of this.#workers.values()) {
      const { phase } = worker
      if (phase.state === 'ready') worker.phase = { ...phase, heardAt: Math.min(now, phase.heardAt + lateMs) }
      else if (phase.state === 'starting')
        worker.phase = { ...phase, since: Math.min(now, phase.since + lateMs) }
    }
  }

  #judge(worker: Worker, now: number, actions: WorkerAction[]): void {
    const { hangTimeoutMs, maxMemoryBytes } = this.#options
    const { phase } = worker
    switch (phase.state) {
      case 'starting':
        if (now - phase.since < START_TIMEOUT_MS) return
        this.#kill(worker, now, `it was not ready within ${START_TIMEOUT_MS}ms`, actions)
        return this.#vacate(worker, now, 'hung')
      case 'ready':
        if (now - phase.heardAt >= hangTimeoutMs) {
          this.#kill(worker, now, `no heartbeat for ${hangTimeoutMs}ms (workers.hangTimeout)`, actions)
          return this.#vacate(worker, now, 'hung')
        }
        if (phase.memoryBytes > maxMemoryBytes) this.#succeed(worker, now, actions)
        return
      case 'draining':
        if (now >= phase.killAt) this.#kill(worker, now, 'its drain took too long', actions)
        return
      case 'killed':
    }
  }

  /** Another begins beside it, and takes over when it is ready. */
  #succeed(worker: Worker, now: number, actions: WorkerAction[]): void {
    const slot = this.#slotOf(worker)
    if (this.#isEnding || slot.holder !== worker.id || slot.successor !== undefined || now < slot.startAt)
      return
    slot.successor = this.#start(slot, 'memory', now, actions)
  }

  #fill(slot: Slot, now: number, actions: WorkerAction[]): void {
    if (slot.holder !== undefined || now < slot.startAt) return
    slot.holder = this.#start(slot, slot.cause, now, actions)
  }

  #start(slot: Slot, cause: StartCause, now: number, actions: WorkerAction[]): number {
    const id = ++this.#lastId
    this.#workers.set(id, { id, slot: slot.index, startedAt: now, phase: { state: 'starting', since: now } })
    actions.push({ type: 'start', id, slot: slot.index, cause })
    return id
  }

  #drain(worker: Worker, now: number): void {
    const { drainTimeoutMs } = this.#options
    // The worker closes by itself what is left then; who does not even do that is ended a little later.
    const killAt = drainTimeoutMs === 0 ? Number.POSITIVE_INFINITY : now + drainTimeoutMs + LAST_MS
    worker.phase = { state: 'draining', since: now, killAt }
    this.#due.push({ type: 'drain', id: worker.id })
  }

  #kill(worker: Worker, now: number, because: string, actions: WorkerAction[]): void {
    worker.phase = { state: 'killed', since: now }
    actions.push({ type: 'kill', id: worker.id, because })
  }

  /** Its slot is to have another one, at once if it ran for a while. */
  #vacate(worker: Worker, now: number, cause: StartCause): void {
    const slot = this.#slotOf(worker)
    if (slot.holder !== worker.id && slot.successor !== worker.id) return
    slot.cause = cause
    this.#backOff(slot, worker, now)
    if (slot.successor === worker.id) slot.successor = undefined
    else {
      slot.holder = slot.successor
      slot.successor = undefined
    }
  }

  /** The first end in a row is followed by a start at once, further ones later and later. */
  #backOff(slot: Slot, ended: Worker, now: number): void {
    slot.failures = now - ended.startedAt >= STABLE_MS ? 0 : slot.failures + 1
    const delayMs = BASE_BACKOFF_MS * 2 ** (slot.failures - 2)
    slot.startAt = slot.failures <= 1 ? now : now + Math.min(MAX_BACKOFF_MS, delayMs)
  }

  #slotOf(worker: Worker): Slot {
    return this.#slots[worker.slot] as Slot // slots are never removed
  }
}

/** Beyond the drain timeout. */
const LAST_MS = 2_000
