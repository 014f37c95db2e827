import { describe, expect, it } from 'vitest'
import { type WorkerAction, WorkerTable } from '../../../../src/service/workers/worker-table.ts'

const TICK_MS = 100
const OPTIONS = {
  slots: 2,
  hangTimeoutMs: 3_000,
  maxMemoryBytes: 1_000,
  drainTimeoutMs: 5_000,
  tickMs: TICK_MS,
}

/** A table whose workers, once started, are ready and beat until the test says otherwise. */
class World {
  now = 0
  readonly table: WorkerTable
  readonly log: string[] = []
  readonly silent = new Set<number>()
  memoryBytes = new Map<number, number>()
  readonly alive = new Set<number>()
  readyDelayMs = 300
  readonly #readyAt = new Map<number, number>()

  constructor(options = OPTIONS) {
    this.table = new WorkerTable(options, 0)
    this.act()
  }

  act(): void {
    for (const action of this.table.next(this.now)) this.#do(action)
    this.table.assertConsistent()
  }

  #do(action: WorkerAction): void {
    const { type, id } = action
    if (type === 'start') {
      this.alive.add(id)
      this.#readyAt.set(id, this.now + this.readyDelayMs)
      this.log.push(`${this.now} start ${id} in ${action.slot}: ${action.cause}`)
    } else if (type === 'drain') {
      this.log.push(`${this.now} drain ${id}`)
    } else {
      this.log.push(`${this.now} kill ${id}`)
      this.end(id)
    }
  }

  end(id: number): void {
    this.alive.delete(id)
    this.table.onExited(id, this.now)
    this.table.assertConsistent()
  }

  run(durationMs: number): void {
    const until = this.now + durationMs
    while (this.now < until) {
      this.now += TICK_MS
      for (const id of this.alive) {
        if (this.silent.has(id)) continue
        const readyAt = this.#readyAt.get(id) ?? 0
        if (readyAt > this.now) continue
        if (readyAt > this.now - TICK_MS) this.table.onReady(id, this.now)
        this.table.onHeartbeat(id, this.now, this.memoryBytes.get(id) ?? 1)
      }
      this.act()
    }
  }

  since(time: number): string[] {
    return this.log.filter(line => Number(line.split(' ')[0]) >= time)
  }
}

describe('a table of workers', () => {
  it('has one worker for each slot', () => {
    const world = new World()
    world.run(1_000)
    expect(world.log).toEqual(['0 start 1 in 0: start', '0 start 2 in 1: start'])
    expect(world.table.ready).toEqual([1, 2])
  })

  it('replaces one that ended at once, in its own slot', () => {
    const world = new World()
    world.run(40_000)
    world.end(2)
    world.act()
    expect(world.since(40_000)).toEqual(['40000 start 3 in 1: died'])
    world.run(400)
    expect(world.table.ready).toEqual([1, 3])
  })

  it('kills and replaces one that gives no heartbeat', () => {
    const world = new World()
    world.run(40_000)
    world.silent.add(1)
    world.run(4_000)
    expect(world.since(40_000)).toEqual(['43000 kill 1', '43000 start 3 in 0: hung'])
  })

  it('blames no worker for silence when it was stopped itself', () => {
    const world = new World()
    world.run(40_000)
    world.now += 60_000 // the machine was suspended
    world.act()
    world.run(1_000)
    expect(world.since(40_000)).toEqual([])
  })

  it('kills one that never becomes ready', () => {
    const world = new World()
    world.silent.add(1)
    world.run(31_000)
    expect(world.since(1)).toEqual(['30000 kill 1', '30000 start 3 in 0: hung'])
  })

  it('starts one that ends soon after each start later and later', () => {
    const world = new World()
    world.readyDelayMs = 1_000_000
    const starts: number[] = []
    for (let count = 0; count < 12; count++) {
      const latest = Math.max(...world.alive)
      world.end(latest)
      const before = world.log.length
      while (world.log.length === before) world.run(TICK_MS)
      starts.push(world.now)
    }
    const gaps = starts.map((at, index) => at - (starts[index - 1] ?? 0))
    expect(gaps).toEqual([100, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000, 10000])
  })

  it('starts a successor for one that outgrows its bound, and drains that when it is ready', () => {
    const world = new World()
    world.run(40_000)
    world.memoryBytes.set(1, 1_001)
    world.run(1_000)
    expect(world.since(40_000)).toEqual(['40100 start 3 in 0: memory', '40400 drain 1'])
    expect(world.table.ready).toEqual([2, 3])
    world.run(7_000)
    expect(world.since(41_000)).toEqual(['47400 kill 1'])
  })

  it('keeps one that outgrows its bound while its successors do not become ready', () => {
    const world = new World()
    world.run(40_000)
    world.memoryBytes.set(1, 1_001)
    world.run(100)
    world.end(3)
    world.act()
    expect(world.table.ready).toEqual([1, 2])
    world.run(1_000)
    expect(world.since(40_000)).toEqual([
      '40100 start 3 in 0: memory',
      '40100 start 4 in 0: memory',
      '40400 drain 1',
    ])
  })

  it('does not replace workers in a circle when the bound is below what every worker needs', () => {
    const world = new World({ ...OPTIONS, slots: 1 })
    for (let id = 1; id < 100; id++) world.memoryBytes.set(id, 2_000)
    world.run(60_000)
    expect(world.log.filter(line => line.includes('start')).length).toBeLessThan(16)
  })

  it('drains all at its end, and starts no further one', () => {
    const world = new World()
    world.run(1_000)
    world.table.end(world.now)
    world.act()
    world.end(1)
    world.run(8_000)
    expect(world.since(1_000)).toEqual(['1000 drain 1', '1000 drain 2', '8000 kill 2'])
    expect(world.table.isEmpty).toBe(true)
  })

  it('waits forever for a drain without a timeout', () => {
    const world = new World({ ...OPTIONS, drainTimeoutMs: 0 })
    world.run(1_000)
    world.table.end(world.now)
    world.run(1_000_000)
    expect(world.since(1_000)).toEqual(['1100 drain 1', '1100 drain 2'])
  })
})
