import { beforeEach, describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../../src/base/events/connection.ts'
import { EarlyHandshakeWatch } from '../../../../src/connect/early-data/early-handshake.ts'
import type { EarlyHandshake, EarlySocket } from '../../../../src/connect/early-data/early-socket.ts'
import type { TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { FakeStreamSocket, turns } from '../../../support/fake-early-gate.ts'

const MADE: EarlyHandshake = {
  earlyData: 'accepted',
  isResumed: true,
  tlsVersion: 'TLSv1.3',
  certificate: undefined,
}

describe('EarlyHandshakeWatch', () => {
  let log: string[]
  let socket: FakeStreamSocket
  let early: { -readonly [K in keyof EarlySocket]: EarlySocket[K] }
  let handshake: HandshakeInfo
  let watch: EarlyHandshakeWatch
  beforeEach(() => {
    log = []
    socket = new FakeStreamSocket()
    socket.on('error', () => {}) // who uses it is notified of it
    early = {
      socket,
      phase: 'collecting',
      firstFlightBytes: undefined,
      onHandshake: undefined,
      onTicket: undefined,
    }
    handshake = {
      kind: 'early_data',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: undefined,
      timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
      attempts: [],
    }
  })
  const start = (readInfo?: () => TcpInfo | undefined): void => {
    watch = new EarlyHandshakeWatch({
      socket: early,
      handshake,
      limitMs: 7,
      readInfo,
      onComplete: ({ isResumed }) => log.push(`complete ${isResumed} ${handshake.kind}`),
      onFailed: (error, isGivenUp) => log.push(isGivenUp ? 'given up' : `failed ${String(codeOf(error))}`),
      purgeTickets: () => log.push('purge'),
    })
  }
  const complete = (made: Partial<EarlyHandshake> = {}): void => {
    early.phase = 'open'
    early.onHandshake?.({ ...MADE, ...made })
  }
  /** A connection whose first flight has not left, as the kernel tells it. */
  const STUCK = { sentDataSegments: 0 } as TcpInfo // as: nothing else of it is looked at
  const UNDER_WAY = { sentDataSegments: 1 } as TcpInfo // as: the same

  it('has the phase of its socket, with the limit that it was given', () => {
    start()
    expect([watch.phase, watch.limitMs, watch.outcome]).toEqual(['collecting', 7, 'unused'])
    early.phase = 'handshaking'
    expect(watch.phase).toBe('handshaking')
    watch.purgeTickets()
    expect(log).toEqual(['purge'])
  })

  it('corrects what is known of the handshake before anybody is notified, in the order in which they asked', () => {
    start()
    watch.onOpen(() => log.push(`first ${watch.outcome} ${handshake.earlyData}`))
    watch.onOpen(() => log.push('second'))
    complete()
    expect(log).toEqual(['complete true early_data', 'first accepted accepted', 'second'])
    expect(handshake.tlsVersion).toBe('TLSv1.3')
  })

  it.each([
    ['accepted', true, 'early_data', 'accepted'],
    ['rejected', true, 'resumed', 'rejected'],
    ['rejected', false, 'full', 'rejected'],
    ['none', true, 'resumed', 'unused'],
    ['none', false, 'full', 'unused'],
  ] as const)('reports for early data %s, resumed %s: %s, %s', (earlyData, isResumed, kind, outcome) => {
    start()
    complete({ earlyData, isResumed })
    expect([handshake.kind, handshake.earlyData, watch.outcome]).toEqual([kind, earlyData, outcome])
  })

  it('calls nobody whose handshake failed, and reports the failure once', async () => {
    start()
    watch.onOpen(() => log.push('open'))
    socket.destroy()
    await turns()
    watch.onOpen(() => log.push('late'))
    expect(log).toEqual(['given up'])
  })

  it('recognizes an end that nobody wanted: by its error, or by the tickets that went with it', async () => {
    start()
    socket.destroy(Object.assign(new Error('no'), { code: 'ECONNRESET' }))
    await turns()
    expect(log).toEqual(['failed ECONNRESET'])
    log.length = 0
    socket = new FakeStreamSocket()
    early = { ...early, socket }
    start()
    watch.purgeTickets()
    socket.destroy()
    await turns()
    expect(log).toEqual(['purge', 'failed undefined'])
  })

  it('reports nothing of a connection that ends later', async () => {
    start()
    complete()
    socket.destroy()
    await turns()
    expect(log).toEqual(['complete true early_data'])
  })

  it('does not call those who ask within a call, since they find it open', () => {
    start()
    watch.onOpen(() => watch.onOpen(() => log.push('inner')))
    complete()
    expect(log).toEqual(['complete true early_data'])
    expect(watch.phase).toBe('open')
  })

  it('ends a connection whose first flight cannot leave', async () => {
    start(() => STUCK)
    early.phase = 'handshaking'
    await turns(10)
    expect(log).toEqual(['failed EINPROGRESS'])
  })

  it('waits for the first flight before it looks, for some turns', async () => {
    let looks = 0
    start(() => {
      looks++
      return STUCK
    })
    await turns(3)
    expect([looks, log]).toEqual([0, []])
    early.phase = 'handshaking'
    await turns(3)
    expect(looks).toBe(1)
    expect(log).toEqual(['failed EINPROGRESS'])
  })

  it.each([
    ['that has left', () => UNDER_WAY],
    ['of which the kernel says nothing', () => undefined],
  ])('leaves a connection alone %s', async (_, readInfo) => {
    start(readInfo)
    early.phase = 'handshaking'
    await turns(12)
    expect(log).toEqual([])
    complete()
    expect(log).toEqual(['complete true early_data'])
  })

  it('does not look when the connect was none of Fast Open, nor when it is over', async () => {
    start()
    early.phase = 'handshaking'
    await turns(12)
    expect(log).toEqual([])
    start(() => STUCK)
    complete()
    await turns(12)
    expect(log).toEqual(['complete true early_data'])
  })

  it('gives up looking when nothing ever leaves', async () => {
    let looks = 0
    start(() => {
      looks++
      return STUCK
    })
    await turns(30)
    early.phase = 'handshaking'
    await turns(10)
    expect(looks).toBe(0)
  })
})

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
