import { describe, expect, it } from 'vitest'
import { countDrops } from '../../../../src/bench/impair/udp-relay.ts'

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  318: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11915 2 0000000000000000 12
  319: 0100007F:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11916 2 0000000000000000 5
  320: 0200007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11917 2 0000000000000000 3
`

describe('countDrops', () => {
  it('adds the drops of the sockets on those ports', () => {
    expect(countDrops(TABLE, new Set([8080]))).toBe(15)
    expect(countDrops(TABLE, new Set([8080, 8081]))).toBe(20)
    expect(countDrops(TABLE, new Set([53]))).toBe(0)
    expect(countDrops('', new Set([53]))).toBe(0)
  })
})
