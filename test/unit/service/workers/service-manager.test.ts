import { describe, expect, it } from 'vitest'
import { ServiceManager } from '../../../../src/service/workers/service-manager.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function setUp(environment: Record<string, string> = {}) {
  const sent: string[] = []
  const clock = new FakeClock()
  const manager = new ServiceManager(environment, message => sent.push(message) > 0, clock)
  return { sent, clock, manager }
}

describe('the notification of systemd', () => {
  it('names each step of the life of a service', () => {
    const { sent, manager } = setUp()
    manager.ready()
    manager.reloading()
    manager.ready()
    manager.stopping()
    manager.replacedBy(77)
    expect(sent.map(message => message.replace(/USEC=\d+/, 'USEC=N'))).toEqual([
      'READY=1',
      'RELOADING=1\nMONOTONIC_USEC=N',
      'READY=1',
      'STOPPING=1',
      'MAINPID=77',
    ])
  })

  it('proves liveness within half of the time that the watchdog allows, until another process is the main one', () => {
    const { sent, clock, manager } = setUp({ WATCHDOG_USEC: '2000000', WATCHDOG_PID: String(process.pid) })
    manager.ready()
    clock.advance(3_000)
    expect(sent.filter(message => message === 'WATCHDOG=1')).toHaveLength(4)
    manager.replacedBy(77)
    sent.length = 0
    clock.advance(10_000)
    expect(sent).toEqual([])
  })

  it.for([
    [{}],
    [{ WATCHDOG_USEC: 'x' }],
    [{ WATCHDOG_USEC: '0' }],
    [{ WATCHDOG_USEC: '2000000', WATCHDOG_PID: '1' }],
  ] as const)('proves no liveness where the watchdog does not ask for it: %j', ([environment]) => {
    const { sent, clock, manager } = setUp({ ...environment })
    manager.ready()
    clock.advance(10_000)
    expect(sent).toEqual(['READY=1'])
  })
})
