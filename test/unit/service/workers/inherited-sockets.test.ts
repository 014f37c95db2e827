import { describe, expect, it } from 'vitest'
import { handOver, takeInherited } from '../../../../src/service/workers/inherited-sockets.ts'

const NOTHING = { listening: [], admin: undefined, ready: undefined }

describe('inherited sockets', () => {
  it('come to a successor as they were handed over, and leave its environment', () => {
    const { environment, descriptors, ready } = handOver({ PATH: '/bin', WATCHDOG_PID: '7' }, [20, 21], 22)
    expect({ descriptors, ready }).toEqual({ descriptors: [20, 21, 22], ready: 3 })
    const taken: Record<string, string | undefined> = { ...environment }
    expect(takeInherited(taken, 100)).toEqual({ listening: [4, 5], admin: 6, ready: 3 })
    expect(taken).toEqual({ PATH: '/bin', WATCHDOG_PID: undefined })
    expect(takeInherited({ ...handOver({}, [20], undefined).environment }, 1)).toEqual({
      listening: [4],
      admin: undefined,
      ready: 3,
    })
  })

  it('come from systemd to the process that it means, and to no other', () => {
    const given = { LISTEN_FDS: '2', LISTEN_PID: '100', LISTEN_FDNAMES: 'a:b' }
    expect(takeInherited({ ...given }, 101)).toEqual(NOTHING)
    const environment: Record<string, string | undefined> = { ...given }
    expect(takeInherited(environment, 100)).toEqual({ ...NOTHING, listening: [3, 4] })
    expect(environment).toEqual({})
  })

  it('are none where the environment says nothing that makes sense', () => {
    for (const value of ['', 'x', '3,', '-1', '3;4', '1e9'])
      expect(takeInherited({ MIDDLEMILE_LISTEN_FDS: value }, 1)).toEqual(NOTHING)
    for (const value of ['x', '-1', '1000000', '1.5'])
      expect(takeInherited({ LISTEN_PID: '1', LISTEN_FDS: value }, 1)).toEqual(NOTHING)
  })
})
