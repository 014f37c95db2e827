import { describe, expect, it } from 'vitest'
import { withServiceDefaults } from '../../../../src/service/lifecycle/service-defaults.ts'

describe('the defaults of a service', () => {
  it('shed requests that waited in vain, and set stalled readers aside', () => {
    expect(withServiceDefaults({}).defaults?.pool).toEqual({
      queueTargetMs: 500,
      maxStalledConnections: 1024,
    })
    const options = { defaults: { tfo: 'on', pool: { maxWaiters: 9 } }, limits: { maxOrigins: 3 } } as const
    expect(withServiceDefaults(options)).toEqual({
      defaults: { tfo: 'on', pool: { queueTargetMs: 500, maxStalledConnections: 1024, maxWaiters: 9 } },
      limits: { maxOrigins: 3 },
    })
  })

  it.each([0, 100])('leave %d ms as they are configured', queueTargetMs => {
    const pool = { queueTargetMs, maxStalledConnections: 0 }
    expect(withServiceDefaults({ defaults: { pool } }).defaults?.pool).toEqual(pool)
  })
})
