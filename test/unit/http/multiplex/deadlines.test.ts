import { describe, expect, it } from 'vitest'
import { Deadlines } from '../../../../src/http/multiplex/deadlines.ts'

describe('Deadlines', () => {
  it('returns each overdue deadline once', () => {
    const deadlines = new Deadlines(['settings', 'drain'])
    expect([deadlines.nextAt, deadlines.takeOverdue(1e12)]).toEqual([Infinity, undefined])
    deadlines.expect('settings', 0, 100)
    deadlines.expect('drain', 0, 50)
    expect([deadlines.nextAt, deadlines.takeOverdue(49)]).toEqual([50, undefined])
    expect([deadlines.takeOverdue(50), deadlines.takeOverdue(50), deadlines.nextAt]).toEqual([
      'drain',
      undefined,
      100,
    ])
    deadlines.met('settings')
    expect(deadlines.takeOverdue(1e12)).toBeUndefined()
    deadlines.expect('settings', 0, 0)
    expect(deadlines.nextAt).toBe(Infinity)
  })
})
