import { describe, expect, it } from 'vitest'
import { planAccept } from '../../../src/ingress/accept-gate.ts'

const plan = (changes: Partial<Parameters<typeof planAccept>[0]> = {}, limit = 256) =>
  planAccept(
    {
      listeners: 1,
      maxConnections: undefined,
      defaultMaxConnections: 16_384,
      maxTotalConnections: 1_024,
      ...changes,
    },
    limit,
  )

describe('the room of listeners', () => {
  it('is the share of clients where nobody has said anything, and each listener has its part', () => {
    expect(plan()).toEqual({
      limit: 256,
      room: { maxConnections: 128, maxDescriptors: 224 },
      clients: 128,
      origins: 64,
    })
    expect(plan({ listeners: 3 })?.room.maxConnections).toBe(42)
    expect(plan({ listeners: 1_000 })?.room.maxConnections).toBe(1)
  })

  it('leaves a number that was written down as it is: the descriptors in use say when to stop', () => {
    expect(plan({ maxConnections: 10_000 })).toMatchObject({
      room: { maxConnections: Number.POSITIVE_INFINITY, maxDescriptors: 224 },
      clients: undefined,
    })
  })

  it('leaves the defaults as they are where there are plenty', () => {
    expect(plan({}, 1_048_576)).toMatchObject({
      room: { maxConnections: Number.POSITIVE_INFINITY },
      clients: undefined,
      origins: undefined,
    })
  })
})
