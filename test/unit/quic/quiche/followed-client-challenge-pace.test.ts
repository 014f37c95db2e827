import { describe, expect, it } from 'vitest'
import { ChallengePace } from '../../../../src/quic/quiche/followed-client.ts'

const HERE = { host: '192.0.2.1', port: 1000 }

describe('challenges to an address that is not validated', () => {
  it('are repeated every half second, as long as packets come from there', () => {
    const pace = new ChallengePace()
    expect([0, 499, 500, 501, 999, 1_000, 5_000].filter(at => pace.onDatagram(HERE, at))).toEqual([
      500, 1_000, 5_000,
    ])
  })

  it('begin anew with each address', () => {
    const pace = new ChallengePace()
    pace.onDatagram(HERE, 0)
    expect(pace.onDatagram({ ...HERE, port: 1001 }, 600)).toBe(false)
    expect(pace.onDatagram({ ...HERE, port: 1001 }, 1_100)).toBe(true)
    expect(pace.onDatagram({ ...HERE, host: '192.0.2.2' }, 1_700)).toBe(false)
  })
})
