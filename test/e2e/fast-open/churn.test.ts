import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { TransportError } from '../../../src/base/errors.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_TIMEOUTS } from '../../../src/base/options/options.ts'
import { DEFAULT_SOCKET_OPTIONS } from '../../../src/base/options/socket-options.ts'
import { Dialer } from '../../../src/connect/tcp/dial.ts'
import type { DialRequest } from '../../../src/connect/tcp/dial-request.ts'
import { TicketStore } from '../../../src/state/ticket-store.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until } from '../../support/until.ts'
import { volume } from '../../support/volume.ts'

/**
 * Thousands of connects with Fast Open, half of them refused. A process of its own: what is counted is what
 * they leave.
 */

const missing = requireFastOpenNamespace() ?? requireBinary('nginx')
const WARM_UP = volume(1_000, 2_000)
const CONNECTS = volume(3_000, 10_000)
const AT_ONCE = 50
const MB = 1_048_576

const descriptors = (): number => readdirSync('/proc/self/fd').length
const timers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length

let collect: () => void
beforeAll(() => {
  setFlagsFromString('--expose-gc')
  collect = runInNewContext('gc') as () => void // as: the flag above makes it one
})

/** What it holds when it holds no more than it must. */
function settledMemory(): number {
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage.rss()
}

describe.skipIf(missing !== undefined)(`${CONNECTS} connects with Fast Open ${missing ?? ''}`, () => {
  it('leave no descriptor, no timer and no memory, with half of them refused', {
    timeout: 400_000,
  }, async () => {
    using namespace = enterFastOpenNamespace(3)
    const authority = await createCertificateAuthority()
    await using nginx = await startNginx({ authority, tlsListen: 'fastopen=512' })
    const closed = await freePort()
    const dialer = new Dialer({ clock: systemClock, tickets: new TicketStore() })
    const tls = { ca: authority.cert, groups: 'X25519:P-256' }
    const requestTo = (port: number, onFastOpen: DialRequest['onFastOpen']): DialRequest => ({
      origin: parseOrigin(`https://localhost:${port}`),
      attempts: [
        { endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' }, because: 'the only one' },
      ],
      alpnProtocols: ['http/1.1'],
      tls,
      timeouts: DEFAULT_TIMEOUTS,
      socket: DEFAULT_SOCKET_OPTIONS,
      fastOpen: { kind: 'wanted' },
      dnsMs: 0,
      ...(onFastOpen === undefined ? {} : { onFastOpen }),
    })
    const dial = (request: DialRequest) => dialer.dial(request, new AbortController().signal)
    const made = { connected: 0, refused: 0, used: 0 }
    const open = requestTo(nginx.tlsPort, (_endpoint, { outcome }) => {
      if (outcome === 'used') made.used++
    })
    const refusing = requestTo(closed, undefined)

    const connect = async (): Promise<void> => {
      const { socket } = await dial(open)
      made.connected++
      const over = once(socket, 'close')
      socket.destroy()
      await over
    }
    const beRefused = async (): Promise<void> => {
      const error: unknown = await dial(refusing).catch((reason: unknown) => reason)
      if (error instanceof TransportError && error.code === 'MM_CONNECT_REFUSED') made.refused++
      else throw error
    }
    const run = async (count: number): Promise<void> => {
      let left = count
      const worker = async (): Promise<void> => {
        while (left-- > 0) await (left % 2 === 0 ? connect() : beRefused())
      }
      await Promise.all(Array.from({ length: AT_ONCE }, worker))
    }

    await connect() // a cookie
    const before = { descriptors: descriptors(), timers: timers() }
    await run(WARM_UP)
    const warm = settledMemory()
    Object.assign(made, { connected: 0, refused: 0, used: 0 })
    await run(CONNECTS)
    const grownMb = (settledMemory() - warm) / MB

    expect(made).toEqual({ connected: CONNECTS / 2, refused: CONNECTS / 2, used: CONNECTS / 2 })
    await until(() => descriptors() <= before.descriptors, 'no descriptor is left')
    expect(timers()).toBeLessThanOrEqual(before.timers)
    expect(grownMb).toBeLessThan(15)
    expect(namespace.counters().TCPFastOpenPassive).toBeGreaterThanOrEqual(CONNECTS / 2)
  })
})
