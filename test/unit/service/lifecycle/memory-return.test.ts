import { describe, expect, it } from 'vitest'
import { MemoryReturn } from '../../../../src/service/lifecycle/memory-return.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const MIB = 1_048_576

function start(trim: (() => void) | undefined, maxUnusedBytes = 8 * MIB) {
  const clock = new FakeClock()
  const now = { residentBytes: 100 * MIB, heapBytes: 50 * MIB, bufferBytes: 0 }
  const done: string[] = []
  let looks = 0
  const memory = new MemoryReturn({
    clock,
    options: () => ({ maxUnusedBytes }),
    heldBytes: () => 0,
    onReturned: bytes => done.push(`returned ${bytes / MIB}`),
    calls: {
      usage: () => {
        looks++
        return { ...now }
      },
      utilization: () => 0,
      collect: () => {
        done.push('collect')
        now.bufferBytes = 0
      },
      trim: () =>
        trim &&
        (() => {
          trim()
          now.residentBytes = 100 * MIB
        }),
    },
  })
  return { clock, now, done, memory, looks: () => looks }
}

describe('memory that slow readers left behind', () => {
  it('is collected, and its pages are returned and counted', () => {
    const { clock, now, done } = start(() => {})
    clock.advance(2_000)
    now.residentBytes = 150 * MIB
    now.bufferBytes = 50 * MIB
    clock.advance(4_000)
    expect(done).toEqual(['collect'])
    clock.advance(10_000)
    expect(done).toEqual(['collect', 'returned 50'])
  })

  it('stays where there is no such call, and nobody checks any more', () => {
    const { clock, now, done, looks } = start(undefined)
    clock.advance(2_000)
    now.residentBytes = 150 * MIB
    clock.advance(4_000)
    const before = looks()
    clock.advance(100_000)
    expect({ done, looks: looks() }).toEqual({ done: [], looks: before })
  })

  it('is not checked any more after close', () => {
    const { clock, memory, looks } = start(() => {})
    clock.advance(2_000)
    memory.close()
    clock.advance(100_000)
    expect(looks()).toBe(1)
  })
})
