import { describe, expect, it } from 'vitest'
import { handOver, takeInherited } from '../../../../src/service/workers/inherited-sockets.ts'

const NOTHING = {
  listening: [],
  foreign: [],
  quic: [],
  admin: undefined,
  state: undefined,
  ready: undefined,
}

describe('inherited sockets', () => {
  it('reach a successor as they were handed over, and leave its environment', () => {
    const used = [{ socket: 1, pid: 77 }]
    const quic = [
      { fds: [30, 31], mark: 5, used },
      { fds: [40], mark: 6, used: [] },
    ]
    const { environment, descriptors, ready } = handOver(
      { PATH: '/bin', WATCHDOG_PID: '7' },
      { listening: [20, 21], foreign: [21], quic, admin: 22, state: '/run/state' },
    )
    expect({ descriptors, ready }).toEqual({ descriptors: [20, 21, 22, 30, 31, 40], ready: 3 })
    const taken: Record<string, string | undefined> = { ...environment }
    expect(takeInherited(taken, 100)).toEqual({
      listening: [4, 5],
      foreign: [5],
      quic: [
        { fds: [7, 8], mark: 5, used },
        { fds: [9], mark: 6, used: [] },
      ],
      admin: 6,
      state: '/run/state',
      ready: 3,
    })
    expect(taken).toEqual({ PATH: '/bin', WATCHDOG_PID: undefined })
    const plain = handOver({}, { listening: [20], foreign: [], quic: [], admin: undefined, state: undefined })
    expect(takeInherited({ ...plain.environment }, 1)).toEqual({ ...NOTHING, listening: [4], ready: 3 })
  })

  it('come from systemd to the process that it names, and to no other', () => {
    const given = { LISTEN_FDS: '2', LISTEN_PID: '100', LISTEN_FDNAMES: 'a:b' }
    expect(takeInherited({ ...given }, 101)).toEqual(NOTHING)
    const environment: Record<string, string | undefined> = { ...given }
    expect(takeInherited(environment, 100)).toEqual({ ...NOTHING, listening: [3, 4], foreign: [3, 4] })
    expect(environment).toEqual({})
  })

  it('are none where the environment is invalid', () => {
    for (const value of ['', 'x', '3,', '-1', '3;4', '1e9'])
      expect(takeInherited({ MIDDLEMILE_LISTEN_FDS: value }, 1)).toEqual(NOTHING)
    for (const value of [
      '',
      '{',
      '7',
      '[null]',
      '[{"fds":[],"mark":1,"used":[]}]',
      '[{"fds":["3"],"mark":1}]',
    ])
      expect(takeInherited({ MIDDLEMILE_QUIC_SOCKETS: value }, 1)).toEqual(NOTHING)
    for (const value of ['x', '-1', '1000000', '1.5'])
      expect(takeInherited({ LISTEN_PID: '1', LISTEN_FDS: value }, 1)).toEqual(NOTHING)
  })
})
