import { readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { echoWithFastOpen, startFastOpenEcho } from '../../support/fast-open-echo.ts'
import {
  enterFastOpenNamespace,
  type FastOpenNamespace,
  requireFastOpenNamespace,
} from '../../support/fast-open-namespace.ts'
import { runTool } from '../../support/run-tool.ts'
import { addedTo, type TcpCounters } from '../../support/tcp-counters.ts'

const EOPNOTSUPP = 95
const here = (): string => readlinkSync('/proc/thread-self/ns/net')
const sysctl = (): string => readFileSync('/proc/sys/net/ipv4/tcp_fastopen', 'latin1').trim()

async function added(namespace: FastOpenNamespace, work: () => Promise<unknown>): Promise<TcpCounters> {
  const before = namespace.counters()
  await work()
  return addedTo(before, namespace.counters())
}

describe('a network namespace of the test process', () => {
  const missing = requireFastOpenNamespace()

  it('has a sysctl of its own, which children inherit, and is left again', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const before = { namespace: here(), sysctl: sysctl() }
    {
      using namespace = enterFastOpenNamespace(3)
      expect(here()).not.toBe(before.namespace)
      expect(readlinkSync(namespace.path)).toBe(here())
      expect(sysctl()).toBe('3')
      namespace.setFastOpen(0)
      const child = await runTool('cat', ['/proc/sys/net/ipv4/tcp_fastopen'])
      expect(child.output.trim()).toBe('0')
      const { output } = await runTool('ip', ['-br', 'link'])
      expect(output.trim().split('\n')).toHaveLength(1)
      expect(output).toMatch(/^lo /)
    }
    expect({ namespace: here(), sysctl: sysctl() }).toEqual(before)
  })

  it('is a network apart: what listens inside is not reached from outside', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const namespace = enterFastOpenNamespace(3)
    await using echo = await startFastOpenEcho()
    await echoWithFastOpen(echo.port, 'inside')
    namespace[Symbol.dispose]()
    const error = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
      const socket = connect(echo.port, '127.0.0.1')
      socket.once('error', resolve).once('connect', () => {
        socket.destroy()
        resolve(undefined)
      })
    })
    expect(error?.code).toBe('ECONNREFUSED')
  })

  it('counts the cookie, the data in the SYN, and the cookie again after a flush', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using namespace = enterFastOpenNamespace(3)
    await using echo = await startFastOpenEcho()
    const run = () => echoWithFastOpen(echo.port, 'hello')
    const none = await added(namespace, async () => {})
    expect(Object.values(none).every(count => count === 0)).toBe(true)

    expect(await added(namespace, run)).toEqual({ ...none, TCPFastOpenCookieReqd: 1 })
    expect(await added(namespace, run)).toEqual({ ...none, TCPFastOpenActive: 1, TCPFastOpenPassive: 1 })
    const { errno, info } = await run()
    expect({ errno, isTaken: info?.isSynDataAcked, failure: info?.fastOpenFailure }).toEqual({
      errno: 0,
      isTaken: true,
      failure: 0,
    })
    namespace.flushCookies()
    expect(await added(namespace, run)).toEqual({ ...none, TCPFastOpenCookieReqd: 1 })
  })

  it('without the bit of servers takes no data with the SYN, without that of clients lets nobody ask', async ctx => {
    ctx.skip(missing !== undefined, missing)
    using namespace = enterFastOpenNamespace(3)
    await using echo = await startFastOpenEcho()
    await echoWithFastOpen(echo.port, 'for the cookie')
    namespace.setFastOpen(1)
    const stale = await echoWithFastOpen(echo.port, 'data that is sent twice')
    expect({ isTaken: stale.info?.isSynDataAcked, failure: stale.info?.fastOpenFailure }).toEqual({
      isTaken: false,
      failure: 2,
    })
    expect(namespace.counters()).toMatchObject({ TCPFastOpenActiveFail: 1, TCPFastOpenPassive: 0 })
    namespace.setFastOpen(2)
    expect((await echoWithFastOpen(echo.port, 'plainly')).errno).toBe(EOPNOTSUPP)
  })
})
