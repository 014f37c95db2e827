import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { LanePreparation, type LaneSet } from '../../../../src/origin/lanes/lane.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

function setUp(parts: { live?: () => number; onTrialReady?: (lane: LaneName) => void } = {}) {
  const told: string[] = []
  const lane = {
    name: 'h3',
    pool: {
      get live(): number {
        return parts.live?.() ?? 1
      },
      preconnect: () => Promise.resolve(),
    },
  }
  const lanes = { named: () => lane } as unknown as LaneSet // what is used of one
  const preparation = new LanePreparation(lanes, {
    onTrialReady: parts.onTrialReady ?? (name => void told.push(`${name} is ready`)),
    onTrialUnavailable: (name, because) => void told.push(`${name} is not: ${because}`),
  })
  return { preparation, told }
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('the connections for a trial', () => {
  it('are open, or the limit leaves no more', async () => {
    const { preparation, told } = setUp()
    preparation.makeForTrial('h3', 1)
    await settled()
    const other = setUp({ live: () => 0 })
    other.preparation.makeForTrial('h3', 1)
    await settled()
    expect([...told, ...other.told]).toEqual([
      'h3 is ready',
      'h3 is not: pool.maxConnections leaves no connection for it',
    ])
  })

  it.each([
    ['of the pool', { live: fail }],
    ['of who waits for them', { onTrialReady: fail }],
  ])('a defect %s ends the trial, and is reported', async (_whose, parts) => {
    const heard = collectFaults()
    const { preparation, told } = setUp(parts)
    preparation.makeForTrial('h3', 1)
    await settled()
    expect(heard()).toEqual([`preparing a trial: ${String(DEFECT)}`])
    expect(told).toEqual([`h3 is not: preparing a trial failed: ${DEFECT.message}`])
  })
})
