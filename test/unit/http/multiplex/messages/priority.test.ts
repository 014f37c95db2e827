import { describe, expect, it } from 'vitest'
import { DEFAULT_PRIORITY, parsePriority } from '../../../../../src/http/multiplex/messages/priority.ts'

describe('parsePriority', () => {
  it.each<[string | undefined, number, boolean]>([
    [undefined, 3, false],
    ['', 3, false],
    ['  ', 3, false],
    ['u=0', 0, false],
    ['u=7', 7, false],
    ['i', 3, true],
    ['u=5, i', 5, true],
    ['i,u=1', 1, true],
    ['i \t, \t u=1 ', 1, true],
    ['i=?1', 3, true],
    ['i=?0', 3, false],
    // The last one of a key counts (RFC 9651 4.2.2).
    ['u=1, u=2', 2, false],
    ['i, i=?0', 3, false],
    // Out of range or of another type: as if it were not there (RFC 9218 4).
    ['u=8', 3, false],
    ['u=-1', 3, false],
    ['u=10, i', 3, true],
    ['u=1.0', 3, false],
    ['u="1"', 3, false],
    ['u', 3, false],
    ['u=(1)', 3, false],
    ['i=1', 3, false],
    ['i=yes', 3, false],
    // Unknown members and parameters do not count, whatever is in them.
    ['x=1, u=2', 2, false],
    ['x="a, u=7, \\" i", u=2', 2, false],
    ['x=("u=7, i" a;b=(1) ), u=2', 3, false],
    ['x=("u=7, i" a;b=1 ), u=2', 2, false],
    ['x=:aGk=:, u=2', 2, false],
    ['*x._-1=tok/en:1, u=2', 2, false],
    ['u=2;a;b="c, i";d=1, i;e', 2, true],
    ['u=2; a=?1', 2, false],
    ['x=@1659578233, u=2', 2, false],
    // Malformed: nothing of it counts.
    ['u=1,', 3, false],
    [',u=1', 3, false],
    ['u=1 i', 3, false],
    ['u=1,,i', 3, false],
    ['u=', 3, false],
    ['u=1;', 3, false],
    ['u=1;A', 3, false],
    ['U=1', 3, false],
    ['1=1, u=1', 3, false],
    ['u=1, x="', 3, false],
    ['u=1, x="\\', 3, false],
    ['u=1, x=(', 3, false],
    ['u=1, x=(a', 3, false],
    ['u=1\x00', 3, false],
    ['u=1, x=\xe9', 3, false],
    ['u =1', 3, false],
  ])('reads %j', (value, urgency, incremental) => {
    expect(parsePriority(value)).toEqual({ urgency, incremental })
  })

  it('ignores a value of more than 256 characters', () => {
    expect(parsePriority(`u=1${' '.repeat(253)}`).urgency).toBe(1)
    expect(parsePriority(`u=1${' '.repeat(254)}`)).toBe(DEFAULT_PRIORITY)
  })
})
