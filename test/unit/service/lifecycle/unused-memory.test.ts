import { describe, expect, it } from 'vitest'
import {
  type MemorySample,
  type MemoryStep,
  UnusedMemory,
} from '../../../../src/service/lifecycle/unused-memory.ts'

const MIB = 1_048_576
const OPTIONS = { maxUnusedBytes: 64 * MIB }

/** In MiB: of 100 resident ones 40 are neither heap nor buffers. */
function sample(changes: Partial<MemorySample> = {}): MemorySample {
  return {
    residentBytes: 100 * MIB,
    heapBytes: 55 * MIB,
    bufferBytes: 5 * MIB,
    heldBytes: 0,
    isIdle: true,
    ...changes,
  }
}

function steps(unused: UnusedMemory, count: number, changes: Partial<MemorySample>): MemoryStep[] {
  return Array.from({ length: count }, () => unused.next(sample(changes), OPTIONS))
}

function afterFirstLook(): UnusedMemory {
  const unused = new UnusedMemory()
  unused.next(sample(), OPTIONS)
  return unused
}

describe('pages that were freed', () => {
  it('are returned once there are more than allowed for two checks', () => {
    expect(steps(afterFirstLook(), 2, { residentBytes: 165 * MIB })).toEqual(['none', 'trim'])
  })

  it('are kept up to the bound, and from one check to the next', () => {
    const unused = afterFirstLook()
    expect(steps(unused, 50, { residentBytes: 164 * MIB })).not.toContain('trim')
    unused.next(sample({ residentBytes: 165 * MIB }), OPTIONS)
    unused.next(sample(), OPTIONS)
    expect(unused.next(sample({ residentBytes: 165 * MIB }), OPTIONS)).toBe('none')
  })

  it('are returned later where there is no idle moment', () => {
    const answers = steps(afterFirstLook(), 30, { residentBytes: 165 * MIB, isIdle: false })
    expect(answers.indexOf('trim')).toBe(29)
  })

  it('that cannot be returned, as they are in use, are not tried again until there are more', () => {
    const unused = afterFirstLook()
    expect(steps(unused, 50, { residentBytes: 165 * MIB }).filter(step => step === 'trim')).toHaveLength(1)
    expect(steps(unused, 2, { residentBytes: 230 * MIB })).toEqual(['none', 'trim'])
  })

  it('are counted above the minimum', () => {
    const unused = new UnusedMemory()
    expect(steps(unused, 5, { residentBytes: 300 * MIB })).not.toContain('trim')
    unused.next(sample(), OPTIONS)
    expect(steps(unused, 2, { residentBytes: 300 * MIB })).toEqual(['none', 'trim'])
  })
})

describe('buffers that nobody uses', () => {
  const LEFT = { residentBytes: 170 * MIB, bufferBytes: 75 * MIB }

  it('are collected in an idle moment', () => {
    expect(steps(afterFirstLook(), 3, LEFT)).toEqual(['none', 'collect', 'none'])
  })

  it('are left to the collector of V8 while there is traffic', () => {
    expect(steps(afterFirstLook(), 100, { ...LEFT, isIdle: false })).not.toContain('collect')
  })

  it('do not include those that slow readers hold', () => {
    const unused = afterFirstLook()
    expect(steps(unused, 100, { ...LEFT, heldBytes: 10 * MIB })).not.toContain('collect')
    expect(steps(unused, 2, LEFT)).toEqual(['none', 'collect'])
  })

  it('are collected before their pages are returned', () => {
    const unused = afterFirstLook()
    expect(steps(unused, 2, LEFT)).toEqual(['none', 'collect'])
    expect(steps(unused, 2, { residentBytes: 170 * MIB })).toEqual(['none', 'trim'])
  })
})

it('unused memory is kept whole with a bound of 0', () => {
  const unused = new UnusedMemory()
  const keep = { maxUnusedBytes: 0 }
  unused.next(sample(), keep)
  for (let i = 0; i < 50; i++) expect(unused.next(sample({ residentBytes: 900 * MIB }), keep)).toBe('none')
})
