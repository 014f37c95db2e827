import { getEventListeners } from 'node:events'
import { beforeAll, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { TestDialer } from '../../support/dial-to.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { until } from '../../support/until.ts'

let authority: CertificateAuthority
let good: IssuedCertificate

beforeAll(async () => {
  authority = await createCertificateAuthority()
  good = await authority.issue({ names: ['origin.test'] })
})

/** What the event loop holds of sockets and timers of this process. */
function resources(): number {
  return process.getActiveResourcesInfo().filter(name => /TCPSocketWrap|TLSWrap|TCPConnectWrap/.test(name))
    .length
}

describe('a dial that is given up', () => {
  it('before it began connects to nothing', async () => {
    await using server = await startLoopbackServer()
    const error = await new TestDialer().failure(`http://origin.test:${server.port}`, {
      signal: AbortSignal.abort(),
    })
    expect(error.code).toBe('MM_ABORTED')
    expect(server.accepted()).toBe(0)
  })

  it('while TCP connects to several addresses closes them all', async () => {
    await using v4 = await startBlackHole('127.0.0.1')
    await using _v6 = await startBlackHole('::1', v4.port)
    const before = resources()
    const controller = new AbortController()
    const dialer = new TestDialer()
    const dialing = dialer.failure(`https://origin.test:${v4.port}`, {
      addresses: ['127.0.0.1', '::1'],
      signal: controller.signal,
      timeouts: { attemptDelayMs: 20 },
    })
    setTimeout(() => controller.abort(), 80)
    expect((await dialing).code).toBe('MM_ABORTED')
    expect(dialer.outcomes()).toEqual([`127.0.0.1:${v4.port} cancelled`, `[::1]:${v4.port} cancelled`])
    await until(() => resources() <= before, 'the sockets are closed')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('during the TLS handshake closes the connection', async () => {
    await using server = await startLoopbackServer()
    const controller = new AbortController()
    const dialing = new TestDialer().failure(`https://origin.test:${server.port}`, {
      signal: controller.signal,
    })
    await until(() => server.open() === 1, 'TCP stands')
    controller.abort()
    expect((await dialing).code).toBe('MM_ABORTED')
    await until(() => server.open() === 0, 'the connection is closed')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('ends with the reason of the signal when that is one of ours', async () => {
    await using server = await startLoopbackServer()
    const controller = new AbortController()
    const dialing = new TestDialer().failure(`https://origin.test:${server.port}`, {
      signal: controller.signal,
    })
    const reason = new TransportError('MM_TRANSPORT_CLOSED', 'closing')
    controller.abort(reason)
    expect(await dialing).toBe(reason)
  })

  it('is not affected any more after it was done', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const controller = new AbortController()
    const { socket } = await new TestDialer().dial(`https://origin.test:${server.port}`, {
      tls: { ca: authority.cert },
      signal: controller.signal,
    })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    controller.abort()
    expect(socket.destroyed).toBe(false)
    socket.destroy()
  })

  it('300 times, at any moment, leaves nothing open on either side', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    const tls = { ca: authority.cert }
    const url = `https://origin.test:${server.port}`
    const before = resources()
    const endings = { aborted: 0, connected: 0 }
    const dialOnce = async (moment: number): Promise<void> => {
      const controller = new AbortController()
      const dialing = dialer.dial(url, { tls, signal: controller.signal, addresses: ['::1', '127.0.0.1'] })
      if (moment < 2) controller.abort()
      else if (moment < 4) setImmediate(() => controller.abort())
      else setTimeout(() => controller.abort(), moment)
      try {
        const { socket } = await dialing
        socket.destroy()
        endings.connected++
      } catch (error) {
        expect(error).toMatchObject({ code: 'MM_ABORTED' })
        endings.aborted++
      }
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 10 }, (_, index) => dialOnce((round + index) % 14)))
    }
    expect(endings.aborted + endings.connected).toBe(300)
    expect(endings.aborted).toBeGreaterThan(50)
    await until(() => server.open() === 0, 'the server has no connection left')
    await until(() => resources() <= before, 'we have no socket left')
  })
})
