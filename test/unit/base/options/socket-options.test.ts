import { describe, expect, it } from 'vitest'
import {
  checkSocketOptions,
  DEFAULT_SOCKET_OPTIONS,
  DSCP_NAMES,
  dscpOf,
  SOCKET_RANGES,
  type SocketOptions,
} from '../../../../src/base/options/socket-options.ts'

const fault = (options: Partial<SocketOptions>): string | undefined => {
  try {
    checkSocketOptions({ ...DEFAULT_SOCKET_OPTIONS, ...options })
    return undefined
  } catch (error) {
    expect(error).toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    return (error as Error).message
  }
}

describe('the socket options', () => {
  it('are valid by default, and returned unchanged', () => {
    expect(checkSocketOptions(DEFAULT_SOCKET_OPTIONS)).toBe(DEFAULT_SOCKET_OPTIONS)
  })

  it('all have a range, but for the names', () => {
    expect([...Object.keys(SOCKET_RANGES), 'congestionControl', 'dscp'].sort()).toEqual(
      Object.keys(DEFAULT_SOCKET_OPTIONS).sort(),
    )
  })

  describe.each(Object.entries(SOCKET_RANGES))('include %s, which', (name, { min, max, orZero = false }) => {
    it('may be at either end of its range', () => {
      expect([fault({ [name]: min }), fault({ [name]: max })]).toEqual([undefined, undefined])
    })

    it.each([min - 1, max + 1, min + 0.5, Number.NaN, '1', null])(
      'may not be %j, and the error names it with its range',
      value => {
        expect(fault({ [name]: value })).toBe(
          `socket.${name} must be ${orZero ? '0 or ' : ''}a whole number from ${min} to ${max}, not ${String(value)}`,
        )
      },
    )

    it('may be left to the system', () => {
      expect(fault({ [name]: 0 })).toBeUndefined()
    })
  })

  it.each([1, 500, 999])(
    'refuse a pause between retransmissions of %i ms, which the kernel would refuse',
    ms => {
      expect(fault({ retransmitMaxMs: ms })).toBe(
        `socket.retransmitMaxMs must be 0 or a whole number from 1000 to 120000, not ${ms}`,
      )
    },
  )

  it.each(['', 'cubic', 'bbr', 'bbr2', 'tcp-prague', 'a'.repeat(15)])('may name %j', name => {
    expect(fault({ congestionControl: name })).toBeUndefined()
  })

  it.each(['Cubic', 'a b', 'a'.repeat(16), 'cubic\0', 'reno\n', 'ü', undefined, 1])(
    'may not name %j',
    name => {
      expect(fault({ congestionControl: name as string })).toContain(
        'socket.congestionControl must be a name such as cubic',
      )
    },
  )

  it.each([0, 46, 63, 'EF', 'AF41', 'CS1', 'LE'] as const)('may mark packets with %j', dscp => {
    expect(fault({ dscp })).toBeUndefined()
  })

  it.each([-1, 64, 1.5, 'ef', 'AF44', 'toString', null])('may not mark packets with %j', dscp => {
    expect(fault({ dscp: dscp as number })).toContain('socket.dscp must be from 0 to 63, or one of CS0, LE')
  })

  it('have the marks of the RFCs by name', () => {
    // RFC 2597 6: AFxy is 8x + 2y; RFC 2474 4.2.2: CSx is 8x.
    for (const [name, value] of Object.entries(DSCP_NAMES)) {
      const [, kind, x, y] = /^(AF|CS)(\d)(\d?)$/.exec(name) ?? []
      if (kind !== undefined) expect(value).toBe(8 * Number(x) + 2 * Number(y))
    }
    expect([dscpOf('EF'), dscpOf('LE'), dscpOf(7)]).toEqual([46, 1, 7])
  })
})
