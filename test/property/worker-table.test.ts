import { expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { WorkerTable } from '../../src/service/workers/worker-table.ts'

const TICK_MS = 100
const SLOTS = 3

it('a random life of workers never leaves a slot empty longer than its backoff, nor a process unknown', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const table = new WorkerTable(
      { slots: SLOTS, hangTimeoutMs: 2_000, maxMemoryBytes: 100, drainTimeoutMs: 1_000, tickMs: TICK_MS },
      0,
    )
    const alive = new Map<number, 'starting' | 'ready' | 'silent'>()
    let now = 0
    const act = (): void => {
      for (const action of table.next(now)) {
        if (action.type === 'start') alive.set(action.id, 'starting')
        // A process that was killed takes a moment to end.
        else if (action.type === 'kill' && random() < 0.5) {
          alive.delete(action.id)
          table.onExited(action.id, now)
        }
      }
      table.assertConsistent()
    }
    for (let step = 0; step < 400; step++) {
      now += random() < 0.02 ? 20_000 : TICK_MS
      for (const [id, state] of alive) {
        const draw = random()
        if (draw < 0.02) {
          alive.delete(id)
          table.onExited(id, now)
        } else if (draw < 0.03) alive.set(id, 'silent')
        else if (state === 'starting' && draw < 0.4) {
          if (table.onReady(id, now)) alive.set(id, 'ready')
        } else if (state === 'ready') table.onHeartbeat(id, now, draw > 0.98 ? 200 : 1)
      }
      if (random() < 0.01) table.replace([...alive.keys()][0] ?? 0, now)
      act()
    }
    // Left in peace, all of them come back.
    for (let step = 0; step < 600; step++) {
      now += TICK_MS
      for (const [id, state] of alive) {
        if (state === 'starting' && table.onReady(id, now)) alive.set(id, 'ready')
        if (state === 'ready') table.onHeartbeat(id, now, 1)
        if (state === 'silent' && step > 300) {
          alive.delete(id)
          table.onExited(id, now)
        }
      }
      act()
    }
    expect(table.ready, `seed ${seed}`).toHaveLength(SLOTS)
  }
})
