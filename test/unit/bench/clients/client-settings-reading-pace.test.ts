import { describe, expect, it } from 'vitest'
import { ReadingPace } from '../../../../src/bench/clients/client-settings.ts'

describe('a reader with a pace', () => {
  it('pauses until it would have read as much at that pace', () => {
    const pace = new ReadingPace(1_000)
    expect(pace.onBytes(100, 5_000)).toBe(100)
    expect(pace.onBytes(100, 5_100)).toBe(100)
    expect(pace.onBytes(50, 5_400)).toBe(0)
  })
})
