import { describe, expect, it } from 'vitest'
import type { ConnectionListener } from '../../../src/connection.ts'
import type { Resolver } from '../../../src/endpoint.ts'
import { TicketStore } from '../../../src/memory/ticket-store.ts'
import { parseOrigin } from '../../../src/origin.ts'
import type { Protocol } from '../../../src/protocol.ts'
import { OriginRecord } from '../../../src/select/origin-record.ts'
import type { Dialer } from '../../../src/tcp/dial.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { Http3Dialer } from '../../../src/transport/http3-dialer.ts'
import { OriginConnector } from '../../../src/transport/origin-connector.ts'
import { SettingsBook } from '../../../src/transport/origin-settings.ts'

const RESOLVER: Resolver = {
  resolve: () => Promise.resolve({ addresses: [{ address: '192.0.2.1', family: 4 }], source: 'literal' }),
}

/** A connector on a machine without a QUIC engine; TCP dials go nowhere. */
function setUp(protocols: readonly Protocol[], url = 'https://shop.test') {
  const clock = new FakeClock()
  const origin = parseOrigin(url)
  let loads = 0
  const http3Dialer = new Http3Dialer({
    clock,
    tickets: new TicketStore(),
    loadEngine: () => {
      loads++
      return { unavailable: 'there is no build for mars' }
    },
  })
  const dialed: string[] = []
  const dialer = {
    dial: ({ alpnProtocols }: { alpnProtocols: readonly string[] }) => {
      dialed.push(alpnProtocols.join())
      return Promise.reject(new Error('nobody is there'))
    },
  } as unknown as Dialer // what a connector asks of one
  const connector = new OriginConnector({
    origin,
    settings: new SettingsBook({ defaults: { protocols } }).settingsFor(origin),
    record: new OriginRecord(),
    resolver: RESOLVER,
    dialer,
    http3Dialer,
    clock,
    onDefence: () => {},
    wantsEarlyData: () => false,
    onEarlyData: () => {},
  })
  const connect = () => connector.connect({} as ConnectionListener, new AbortController().signal)
  return { connector, connect, dialed, loads: () => loads }
}

describe('OriginConnector', () => {
  it.each<[readonly Protocol[], string]>([
    [['h2', 'http/1.1'], 'h2,http/1.1'],
    [['h3', 'h2', 'http/1.1'], 'h2,http/1.1'],
  ])('dials over TCP without a thought of QUIC: %j', async (protocols, offered) => {
    const { connect, dialed, loads } = setUp(protocols)
    await expect(connect()).rejects.toThrow('nobody is there')
    expect([dialed, loads()]).toEqual([[offered], 0])
  })

  it('loads no engine to explain an origin that may not speak HTTP/3, or cannot', () => {
    const none = { addresses: [], source: 'none' }
    for (const { connector, loads } of [setUp(['h2']), setUp(['h3', 'h2'], 'http://shop.test')]) {
      connector.plan(none, 'explain')
      expect(loads()).toBe(0)
    }
    const { connector, loads } = setUp(['h3', 'h2'])
    const [http3] = connector.plan(none, 'explain').protocols
    expect(http3).toMatchObject({ isTried: false, because: 'HTTP/3 is off: there is no build for mars' })
    expect(loads()).toBe(1)
  })

  it('fails with the words of the engine where nothing but HTTP/3 is allowed', async () => {
    const { connect, dialed } = setUp(['h3'])
    await expect(connect()).rejects.toMatchObject({
      code: 'MM_PROTOCOL_UNAVAILABLE',
      message: expect.stringContaining('h3: HTTP/3 is off: there is no build for mars'),
    })
    expect(dialed).toEqual([])
  })

  it('says that HTTP/3 has no cleartext where nothing else is allowed', async () => {
    const { connect } = setUp(['h3'], 'http://shop.test')
    await expect(connect()).rejects.toMatchObject({
      code: 'MM_PROTOCOL_UNAVAILABLE',
      message: expect.stringContaining('QUIC has no cleartext'),
    })
  })
})
