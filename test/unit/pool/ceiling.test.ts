import { describe, expect, it } from 'vitest'
import { PoolScript } from '../../support/pool-script.ts'

describe('a ceiling', () => {
  it('is what others leave of maxConnections, asked anew for each dial', () => {
    let left = 1
    const pool = new PoolScript({ maxConnections: 4, expectedCapacity: 1, ceiling: () => left })
    expect(pool.acquire('a', 'b', 'c')).toEqual(['connect #1'])
    left = 2
    expect(pool.connected(1)).toEqual(['lease #1 to a', 'connect #2'])
    left = 9
    expect(pool.acquire('d', 'e', 'f')).toEqual(['connect #3', 'connect #4'])
    pool.state.assertConsistent()
  })

  it('closes nothing when it comes down', () => {
    let left = 2
    const pool = new PoolScript({ maxConnections: 4, expectedCapacity: 1, ceiling: () => left })
    pool.acquire('a', 'b')
    pool.connected(1)
    pool.connected(2)
    left = 1
    expect(pool.acquire('c')).toEqual([])
    pool.state.assertConsistent()
    expect(pool.streamClosed(1)).toEqual(['lease #1 to c (reused)'])
  })
})
