import { beforeEach, describe, expect, it } from 'vitest'
import type { Connection, HandshakeInfo } from '../../../../src/base/events/connection.ts'
import type { EarlyDataOutcome } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { ReadPort } from '../../../../src/base/socket/read-port.ts'
import type { EarlyHandshaking } from '../../../../src/connect/tcp/dial-request.ts'
import { connectTcp } from '../../../../src/origin/connecting/tcp-connect.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler, RecordingListener } from '../../../contract/recorder.ts'
import { FakeEarlyGate, FakeStreamSocket, turns } from '../../../support/fake-early-gate.ts'

class FakeHandshaking extends FakeEarlyGate implements EarlyHandshaking {
  limitMs = 5_000
  outcome: EarlyDataOutcome = 'accepted'
  readonly #log: string[]

  constructor(log: string[]) {
    super()
    this.#log = log
  }

  purgeTickets(): void {
    this.#log.push('purge')
  }
}

describe.each(['http/1.1', 'h2'] as const)('a connection over TCP by %s', protocol => {
  let log: string[]
  let clock: FakeClock
  let early: FakeHandshaking
  let socket: FakeStreamSocket
  let record: OriginRecord
  let handshake: HandshakeInfo
  let listener: RecordingListener
  beforeEach(() => {
    log = []
    clock = new FakeClock()
    early = new FakeHandshaking(log)
    socket = new FakeStreamSocket()
    record = new OriginRecord({ host: 'shop.test', port: 443 })
    listener = new RecordingListener(log)
    handshake = {
      kind: 'early_data',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: 'TLSv1.3',
      timings: { dnsMs: 1, connectMs: 2, tlsMs: 3 },
      attempts: [],
    }
  })
  const connect = (isEarly = true): Connection => {
    const origin = parseOrigin('https://shop.test')
    return connectTcp({
      dialed: {
        socket,
        tcp: socket,
        readPort: ReadPort.over(socket),
        endpoint: { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' },
        alpnProtocol: protocol,
        handshake,
        offeredTicket: true,
        early: isEarly ? early : undefined,
      },
      listener,
      settings: new SettingsBook({ defaults: {} }).settingsFor(origin),
      record,
      clock,
      chosen: protocol,
      onAltSvc: () => {},
      onOrigins: () => {},
      onDefence: limit => void log.push(`defence ${limit}`),
      onEarlyData: (told, outcome) => void log.push(`${told === connection ? 'it' : 'another'} ${outcome}`),
    })
  }
  let connection: Connection

  it('updates the record at once where no handshake follows', () => {
    connection = connect(false)
    expect(record.protocol?.value).toBe(protocol)
    expect(early.asked).toBe(0)
    expect(log).toEqual([])
  })

  it('updates the record when its handshake is complete, and reports early data before held requests leave', async () => {
    connection = connect()
    expect(record.protocol).toBeUndefined()
    connection.open(requestOf({ method: 'POST' }), new RecordingHandler(log))
    let writtenBefore = ''
    const push = log.push.bind(log)
    log.push = (...lines) => {
      if (lines[0]?.startsWith('it') === true) writtenBefore = socket.text
      return push(...lines)
    }
    early.open()
    await turns()
    expect(log).toContain('it accepted')
    expect(writtenBefore).not.toContain('POST')
    expect(record.protocol?.value).toBe(protocol)
    clock.advance(5_001) // the limit of the handshake is no more
    expect(log.filter(line => line.startsWith('purge'))).toEqual([])
  })

  it('ends at the limit of the handshake, and its tickets with it, before any request is sent again', async () => {
    connection = connect()
    const handler = new RecordingHandler(log)
    connection.open(requestOf({ mayBeEarly: true }), handler)
    await turns()
    clock.advance(4_999)
    expect(log).toEqual(['request-start'])
    clock.advance(1)
    expect(log).toEqual([
      'request-start',
      'purge',
      'draining timeout',
      'stream-failed',
      'closed timeout',
      'response-error MM_CONNECTION_CLOSED unknown',
    ])
    early.open() // too late for the record and for everybody
  })

  it('has no limit where that is 0', () => {
    early.limitMs = 0
    connection = connect()
    clock.advance(3_600_000)
    expect(log.includes('purge')).toBe(protocol === 'h2') // which waits for SETTINGS
  })

  it('loses its tickets when it breaks before it has served', async () => {
    connection = connect()
    socket.destroy(new Error('handshake failure'))
    await listener.closed
    expect(log).toEqual(['purge', 'closed network-error'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('keeps its tickets when it is closed on purpose', async () => {
    connection = connect()
    connection.close('idle-timeout')
    expect(log).toEqual(['closed idle-timeout'])
    clock.advance(60_000)
    expect(clock.pendingTimers()).toBe(0)
  })
})
