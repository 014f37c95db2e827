import { describe, expect, it } from 'vitest'
import { cpuMsOf, parseProcessTimes, sumOfTrees } from '../../../src/bench/local-origin.ts'

const STAT =
  '42 (a (very) odd name) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 0 0 18446744073709551615 0 0 0 0 0'

describe('the CPU time of a process', () => {
  it('is read behind a name with anything in it, and includes children that ended', () => {
    expect(parseProcessTimes(STAT)).toEqual({ pid: 42, parent: 7, cpuMs: (5 + 6 + 7 + 8) * 10 })
  })

  it('is counted once for each process of a tree, however the trees are listed', () => {
    const all = [
      { pid: 5, parent: 4, cpuMs: 1_000 },
      { pid: 4, parent: 3, cpuMs: 100 },
      { pid: 3, parent: 2, cpuMs: 10 },
      { pid: 2, parent: 1, cpuMs: 1 },
    ]
    expect(sumOfTrees(all, [3])).toBe(1_110)
    expect(sumOfTrees(all, [3, 4])).toBe(1_110)
    expect(sumOfTrees(all, [9])).toBe(0)
  })

  it('leaves out the tree of the process that counts, where it is a part of another tree', () => {
    const all = [
      { pid: 6, parent: 3, cpuMs: 10_000 },
      { pid: 5, parent: 4, cpuMs: 1_000 },
      { pid: 4, parent: 3, cpuMs: 100 },
      { pid: 3, parent: 2, cpuMs: 10 },
    ]
    expect(sumOfTrees(all, [3], 4)).toBe(10_010)
    expect(sumOfTrees(all, [3], 5)).toBe(10_110)
    // An origin in the measuring process itself is what is asked for.
    expect(sumOfTrees(all, [4], 4)).toBe(1_100)
  })

  it.runIf(process.platform === 'linux')('grows while the process works', () => {
    const before = cpuMsOf([process.pid])
    const until = process.cpuUsage().user + 50_000 // 50 ms of it
    while (process.cpuUsage().user < until);
    expect(cpuMsOf([process.pid]) - before).toBeGreaterThanOrEqual(40)
  })
})
