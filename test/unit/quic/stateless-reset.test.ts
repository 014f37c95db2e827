import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { resetToken, statelessReset } from '../../../src/quic/stateless-reset.ts'

const key = Buffer.alloc(32, 7)

describe('a stateless reset', () => {
  it('has a token that follows from the key and the connection id alone', () => {
    const id = randomBytes(16)
    expect(resetToken(key, id)).toEqual(resetToken(Buffer.from(key), Buffer.from(id)))
    expect(resetToken(key, id)).toHaveLength(16)
    expect(resetToken(key, randomBytes(16))).not.toEqual(resetToken(key, id))
    expect(resetToken(Buffer.alloc(32, 8), id)).not.toEqual(resetToken(key, id))
  })

  it('looks like a packet with a short header and ends with the token', () => {
    const token = resetToken(key, randomBytes(16))
    for (let round = 0; round < 100; round += 1) {
      const reset = statelessReset(1200, token)
      expect((reset?.[0] ?? 0) & 0xc0).toBe(0x40)
      expect(reset?.subarray(-16)).toEqual(token)
    }
  })

  it('is shorter than the packet that it answers, and does not answer one that is too short', () => {
    const token = resetToken(key, randomBytes(16))
    for (let bytes = 0; bytes < 100; bytes += 1) {
      const reset = statelessReset(bytes, token)
      if (bytes < 22) expect(reset).toBeUndefined()
      else expect(reset?.length).toBe(Math.min(bytes - 1, 42))
    }
  })
})
