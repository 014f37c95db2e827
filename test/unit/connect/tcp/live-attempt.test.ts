import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import type { TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { type AttemptSocket, lostCookieError } from '../../../../src/connect/tcp/attempt-socket.ts'
import { LiveAttempt, type LiveAttemptParts } from '../../../../src/connect/tcp/live-attempt.ts'
import type { DialTickets } from '../../../../src/connect/tls/dial-tickets.ts'
import type { TakenTicket } from '../../../../src/state/ticket-store.ts'
import { FakeStreamSocket } from '../../../support/fake-early-gate.ts'

const endpoint = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
const ticket = { session: Buffer.from('ticket') } as TakenTicket // as: nothing else of it is looked at
const ASKED_FOR = { use: true, because: 'not tried there yet' }
const LEFT_ALONE = { use: false, because: 'left alone for another 59 s' }
const PARTS: LiveAttemptParts = {
  endpoint,
  ticket: undefined,
  early: undefined,
  fastOpen: undefined,
  tickets: {} as DialTickets, // as: nobody takes any
  departure: undefined,
}
const USED = { isSynDataAcked: true, fastOpenFailure: 0, segmentBytes: 1_448 } as TcpInfo // as: what is looked at
const REFUSED = Object.assign(new Error('read ECONNREFUSED'), {
  code: 'ECONNREFUSED',
  errno: -111,
  syscall: 'read',
})

function attempt(parts: Partial<LiveAttemptParts> = {}, info?: TcpInfo, bytesRead = 0): LiveAttempt {
  const live = new LiveAttempt({ ...PARTS, ticket, fastOpen: ASKED_FOR, ...parts })
  const socket: Pick<AttemptSocket, 'fastOpenInfo' | 'bytesRead' | 'raw'> = {
    raw: new FakeStreamSocket(),
    bytesRead,
    fastOpenInfo: () => info,
  }
  live.attemptSocket = socket as AttemptSocket // as: no more of it is looked at
  return live
}

describe('LiveAttempt', () => {
  it('has no socket before it was given one', () => {
    const live = new LiveAttempt(PARTS)
    expect(() => live.attemptSocket).toThrow('without a socket')
  })

  it('has offered its ticket once its handshake has begun, if it has one', () => {
    const live = attempt()
    expect([live.hasOfferedTicket, live.handshakeAt, live.isPutOff]).toEqual([false, undefined, false])
    live.onHandshakeBegun(7, true)
    expect([live.hasOfferedTicket, live.handshakeAt, live.isPutOff]).toEqual([true, 7, true])
    const without = attempt({ ticket: undefined })
    without.onHandshakeBegun(7, false)
    expect(without.hasOfferedTicket).toBe(false)
  })

  it('has offered nothing where the cookie was gone, since the first flight never left', () => {
    const live = attempt()
    live.onHandshakeBegun(7, true)
    expect([live.onPutOffFailed(lostCookieError()), live.hasOfferedTicket]).toEqual(['no-cookie', false])
    // As Node tells it of a socket that it writes to by itself.
    const { EINPROGRESS } = constants.errno
    const unnamed = Object.assign(new Error('write Unknown system error -115'), { errno: -EINPROGRESS })
    const other = attempt()
    other.onHandshakeBegun(7, true)
    expect([other.onPutOffFailed(unnamed), other.hasOfferedTicket]).toEqual(['no-cookie', false])
  })

  it('blames Fast Open for what got no answer, and for nothing else', () => {
    const silent = attempt()
    silent.onHandshakeBegun(7, true)
    expect([silent.onPutOffFailed(REFUSED), silent.onPutOffFailed(undefined)]).toEqual(['stuck', 'stuck'])
    expect(silent.hasOfferedTicket).toBe(true)
    const answered = attempt({}, undefined, 7)
    answered.onHandshakeBegun(7, true)
    expect([answered.onPutOffFailed(new Error('alert')), answered.hasOfferedTicket]).toEqual([
      undefined,
      true,
    ])
  })

  it('reports what the kernel says of Fast Open, and nothing where it was not asked for', () => {
    expect(attempt({ fastOpen: undefined }, USED).report(undefined, 400)).toBeUndefined()
    expect(attempt({}, USED).report(undefined, 400)).toMatchObject({
      outcome: 'used',
      because: 'the SYN carried 400 bytes',
    })
    expect(attempt().report(undefined, 400)).toMatchObject({ because: 'the kernel did not use it' })
    expect([attempt({}, USED).outcome(), attempt().outcome()]).toEqual(['used', undefined])
  })

  it('reports why Fast Open was not used, or why the connect had to be repeated without it', () => {
    const live = attempt({ fastOpen: LEFT_ALONE }, USED)
    expect([live.usesFastOpen, live.outcome()]).toEqual([false, undefined])
    expect(live.report(undefined, undefined)).toMatchObject({
      outcome: 'fallback',
      because: LEFT_ALONE.because,
    })
    expect(live.report('stuck', undefined)?.because).toBe(
      'nothing came until the connect was made without it',
    )
    expect(live.report('no-cookie', undefined)?.because).toMatch(/^the kernel had no cookie/)
  })

  it('has no costs before its handshake, and no bytes without a descriptor', () => {
    const live = attempt()
    expect(live.costs()).toEqual({ cpuMs: undefined, bytes: undefined })
    live.onHandshakeBegun(7, false)
    expect(live.costs()).toEqual({ cpuMs: expect.any(Number), bytes: undefined })
  })
})
