import { describe, expect, it } from 'vitest'
import { MisdirectedOrigins } from '../../../../src/origin/coalescing/coalescing.ts'

const HOUR_MS = 3_600_000

describe('origins that answered 421', () => {
  it('are remembered for an hour from the last time', () => {
    const origins = new MisdirectedOrigins()
    expect(origins.leftMs('https://a', 0)).toBe(0)
    origins.add('https://a', 0)
    origins.add('https://a', 1000)
    expect(origins.leftMs('https://a', 1000)).toBe(HOUR_MS)
    expect(origins.leftMs('https://a', HOUR_MS + 999)).toBe(1)
    expect(origins.leftMs('https://a', HOUR_MS + 1000)).toBe(0)
  })

  it('are 1024 at the most, and the one that was reported first makes room', () => {
    const origins = new MisdirectedOrigins()
    for (let at = 0; at <= 1024; at += 1) origins.add(`https://${at}`, at)
    expect(origins.leftMs('https://0', 1024)).toBe(0)
    expect(origins.leftMs('https://1', 1024)).toBeGreaterThan(0)
    expect(origins.leftMs('https://1024', 1024)).toBe(HOUR_MS)
  })
})
