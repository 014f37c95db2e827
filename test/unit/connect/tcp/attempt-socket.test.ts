import { once } from 'node:events'
import { createSecureContext } from 'node:tls'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type SocketCalls, socketCalls } from '../../../../src/connect/native/socket-calls.ts'
import type { TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import {
  type AttemptOptions,
  AttemptSocket,
  isCookieLost,
  isLostCookieError,
  lostCookieError,
} from '../../../../src/connect/tcp/attempt-socket.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
} from '../../../../src/testing/certificates.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'
import { type LoopbackServer, startLoopbackServer } from '../../../support/loopback-server.ts'
import { requireNative } from '../../../support/require-native.ts'
import { freePort } from '../../../support/tcp-port.ts'
import { until } from '../../../support/until.ts'

const missing = requireNative()

/**
 * The calls of this machine, whose kernel says of every connect what a test wants it to say, and uses no Fast
 * Open.
 */
function tellingCalls(info: Partial<TcpInfo>, changes: Partial<SocketCalls> = {}): SocketCalls {
  const loaded = socketCalls()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return { ...loaded.calls, set: () => 0, tcpInfo: () => info as TcpInfo, ...changes } // as: what is looked at
}

const ESTABLISHED = { state: 1, sentDataSegments: 0 }
const SYN_WITH_DATA = { state: 2, sentDataSegments: 1 }
/** A SYN without data has left: on loopback it is answered before anybody looks. */
const WITHOUT_DATA = [
  { state: 2, sentDataSegments: 0 },
  { state: 1, sentDataSegments: 0 },
]

let authority: CertificateAuthority
let server: LoopbackServer
const sockets: AttemptSocket[] = []
beforeAll(async () => {
  authority = await createCertificateAuthority()
})
beforeEach(async () => {
  server = await startLoopbackServer({ tls: await authority.issue({ names: ['localhost'] }) })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server[Symbol.asyncDispose]()
})

/** An attempt, and what it reports. */
function attempt(
  fastOpen: SocketCalls | undefined,
  changes: Partial<AttemptOptions> = {},
  port = server.port,
) {
  const log: string[] = []
  const errors: unknown[] = []
  const socket = new AttemptSocket(
    {
      endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
      keepAliveDelayMs: 0,
      fastOpen,
      secure: {
        context: createSecureContext({ ca: authority.cert }),
        serverName: 'localhost',
        alpnProtocols: ['http/1.1'],
        rejectUnauthorized: true,
        session: undefined,
        keylog: undefined,
      },
      ...changes,
    },
    {
      onConnected: () => log.push('connected'),
      onDeferred: () => log.push('deferred'),
      onSecured: () => log.push('secured'),
      onFailed: error => {
        log.push('failed')
        errors.push(error)
      },
    },
  )
  sockets.push(socket)
  return { socket, log, errors, until: (word: string) => until(() => log.includes(word), word) }
}

describe.skipIf(missing !== undefined)(`AttemptSocket ${missing ?? ''}`, () => {
  it('reports a connect as established where the kernel says so', async () => {
    const made = attempt(tellingCalls(ESTABLISHED))
    await made.until('secured')
    expect(made.log).toEqual(['connected', 'secured'])
    expect(made.socket.firstFlightBytes).toBeUndefined()
    expect(made.socket.fastOpenInfo()).toEqual(ESTABLISHED)
    expect(made.socket.negotiated()).toMatchObject({ tlsVersion: 'TLSv1.3', isResumed: false })
  })

  it('fails by a defect in one of its events, which is reported', async () => {
    const heard = collectFaults()
    const settings = { apply: fail } as unknown as AttemptOptions['settings'] // as: what is called when it is connected
    const made = attempt(tellingCalls(ESTABLISHED), { settings })
    await made.until('failed')
    expect(made.errors[0]).toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT })
    expect(heard()).toEqual([`an event of a dial: ${String(DEFECT)}`])
    expect(made.socket.socket.destroyed).toBe(true)
  })

  it('reports one that was deferred, and how large its ClientHello was', async () => {
    const made = attempt(tellingCalls(SYN_WITH_DATA))
    await made.until('secured')
    expect(made.log).toEqual(['deferred', 'secured'])
    expect(made.socket.firstFlightBytes).toBeGreaterThan(200)
    expect(made.socket.firstFlightBytes).toBeLessThan(made.socket.bytesWritten)
  })

  it.each(WITHOUT_DATA)('fails at once when nothing has left with the SYN: %j', async later => {
    let looks = 0
    const calls = tellingCalls({}, { tcpInfo: () => (looks++ === 0 ? SYN_WITH_DATA : later) as TcpInfo })
    const made = attempt(calls)
    await made.until('failed')
    expect(made.log[0]).toBe('deferred')
    expect(isLostCookieError(made.errors[0])).toBe(true)
    expect(made.socket.firstFlightBytes).toBeGreaterThan(200)
  })

  it('stops looking when nobody waits for it any more', async () => {
    let looks = 0
    const calls = tellingCalls({}, { tcpInfo: () => (looks++, SYN_WITH_DATA) as TcpInfo })
    const made = attempt(calls)
    await once(made.socket.raw, 'connect')
    made.socket.destroy()
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    expect([looks, made.log]).toEqual([1, ['deferred']])
  })

  it('connects as always where there is no descriptor, or the option is not taken', async () => {
    for (const calls of [
      tellingCalls(SYN_WITH_DATA, { openStream: () => ({ errno: 24 }) }),
      tellingCalls(SYN_WITH_DATA, { set: () => 95 }),
    ]) {
      const made = attempt(calls)
      await made.until('secured')
      expect(made.log).toEqual(['connected', 'secured'])
      expect(made.socket.fastOpenInfo()).toBeUndefined()
    }
  })

  it('reports once that it was refused, with Fast Open and without', async () => {
    const closed = await freePort()
    for (const calls of [tellingCalls(ESTABLISHED), undefined]) {
      const made = attempt(calls, {}, closed)
      await made.until('failed')
      await until(() => made.socket.raw.closed, 'it is closed')
      expect(made.errors[0]).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', port: closed })
    }
  })

  it('leaves TLS to the code that takes it over, and has read nothing', async () => {
    const made = attempt(tellingCalls(SYN_WITH_DATA), { secure: 'later' })
    await made.until('deferred')
    const socket = made.socket.handOver(undefined)
    expect(socket).toBe(made.socket.raw)
    expect([made.socket.bytesWritten, made.socket.bytesRead, socket.isPaused()]).toEqual([0, 0, false])
    socket.destroy()
    await until(() => socket.closed, 'it is closed')
    expect(made.log).toEqual(['deferred'])
  })

  it('notifies nobody after it was given up, and closes what it had opened', async () => {
    const made = attempt(tellingCalls(ESTABLISHED))
    made.socket.destroy()
    await until(() => made.socket.raw.closed, 'it is closed')
    expect(made.log).toEqual([])
    expect(made.socket.fastOpenInfo()).toBeUndefined()
  })
})

describe('isCookieLost', () => {
  it('is true when no data has left, in whatever state the socket is', () => {
    for (const info of WITHOUT_DATA) expect(isCookieLost(info as TcpInfo)).toBe(true)
    expect(isCookieLost(SYN_WITH_DATA as TcpInfo)).toBe(false)
    expect(isCookieLost({ state: 1, sentDataSegments: 1 } as TcpInfo)).toBe(false)
    expect(isCookieLost(undefined)).toBe(false)
  })
})

describe('isLostCookieError', () => {
  it('recognizes its own error, and no other', () => {
    expect(isLostCookieError(lostCookieError())).toBe(true)
    for (const other of [
      undefined,
      null,
      'EINPROGRESS',
      {},
      new Error('x'),
      Object.assign(new Error('x'), { errno: -111 }),
    ]) {
      expect(isLostCookieError(other)).toBe(false)
    }
  })
})
