import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { parseDnsServer } from '../../../src/dns/client/dns-server.ts'
import { askOverUdp } from '../../../src/dns/client/server-query.ts'
import { encodeQuery } from '../../../src/dns/records/dns-message.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { clientOf, dnsServers, errorOf, openSockets, silent, WWW, ZONE } from '../../support/dns-asking.ts'
import { fromZone } from '../../support/dns-server.ts'
import { a, aaaa, cname, WIRE_TYPES, wireReply } from '../../support/dns-wire.ts'
import { until } from '../../support/until.ts'

/** Many queries of one stub resolver: what they share, what they wait for, and what they leave behind. */

const { serve, end } = dnsServers()
const never = new AbortController().signal
// All queries of this file listen to it.
setMaxListeners(0, never)

afterEach(end)

describe('queries for the same', () => {
  it('share one query while it is under way', async () => {
    const server = await serve(async asked => {
      await sleep(40)
      return ZONE(asked)
    })
    const client = clientOf([server])
    const names = ['www.example.com', 'WWW.example.com.', 'www.example.com']
    const replies = await Promise.all(names.map(name => client.query({ name, type: 'A' }, never)))
    expect(new Set(replies).size).toBe(1)
    expect(server.asked).toHaveLength(1)
    await client.query(WWW, never)
    expect(server.asked).toHaveLength(2)
  })

  it('of another type do not share it', async () => {
    const server = await serve(ZONE)
    const client = clientOf([server])
    await Promise.all([client.query(WWW, never), client.query({ name: WWW.name, type: 'AAAA' }, never)])
    expect(server.asked).toHaveLength(2)
  })

  it('go on for those that are not given up', async () => {
    const server = await serve(async asked => {
      await sleep(60)
      return ZONE(asked)
    })
    const client = clientOf([server])
    const leaving = new AbortController()
    const gone = errorOf(client.query(WWW, leaving.signal))
    const stays = client.query(WWW, never)
    leaving.abort()
    expect((await gone).code).toBe('MM_ABORTED')
    expect((await stays).answers).toHaveLength(1)
    expect(server.asked).toHaveLength(1)
  })

  it('end when nobody is left: no socket stays, and the next one asks anew', async () => {
    const server = await serve(async asked => {
      if (asked.index === 0) return undefined
      await sleep(30)
      return ZONE(asked)
    })
    const before = openSockets()
    const client = clientOf([server], { tryTimeoutMs: 10_000 })
    const controllers = [new AbortController(), new AbortController()]
    const gone = controllers.map(({ signal }) => errorOf(client.query(WWW, signal)))
    await until(() => server.asked.length === 1, 'the server is asked')
    for (const controller of controllers) controller.abort()
    expect(client.pending).toBe(0)
    const next = client.query(WWW, never)
    for (const error of await Promise.all(gone)) expect(error.code).toBe('MM_ABORTED')
    await until(() => server.asked.length === 2, 'the server is asked anew')
    // The end of the first query has not taken the second one away.
    expect(client.pending).toBe(1)
    expect((await next).answers).toHaveLength(1)
    await until(() => openSockets() <= before, 'no socket is left')
  })

  it('that are given up at once, or before, leave nothing', async () => {
    const server = await serve(ZONE)
    const before = openSockets()
    const client = clientOf([server])
    const controller = new AbortController()
    const gone = errorOf(client.query(WWW, controller.signal))
    controller.abort()
    expect((await gone).code).toBe('MM_ABORTED')
    expect((await errorOf(client.query(WWW, controller.signal))).code).toBe('MM_ABORTED')
    expect(client.pending).toBe(0)
    await until(() => openSockets() <= before, 'no socket is left')
  })

  it('that are given up before the socket is ready leave nothing', async () => {
    const server = await serve(ZONE)
    const before = openSockets()
    const controller = new AbortController()
    const query = encodeQuery(WWW, 1)
    const at = parseDnsServer(server.address)
    const { signal } = controller
    const outcome = askOverUdp({ server: at, query, clock: systemClock, timeoutMs: 5000, signal })
    controller.abort()
    expect(await outcome).toEqual({ kind: 'aborted', because: 'given up' })
    await until(() => openSockets() <= before, 'no socket is left')
    expect(server.asked).toEqual([])
  })

  it('leave no timer', async () => {
    const server = await serve(asked =>
      asked.transport === 'udp' ? wireReply(asked.query, { truncated: true }) : ZONE(asked),
    )
    const clock = new FakeClock()
    await clientOf([server], { clock }).query(WWW, never)
    expect(clock.pendingTimers()).toBe(0)
    const controller = new AbortController()
    const gone = errorOf(clientOf([await serve(silent)], { clock }).query(WWW, controller.signal))
    await until(() => clock.pendingTimers() === 2, 'it waits for an answer, and for its deadline')
    controller.abort()
    await gone
    await until(() => clock.pendingTimers() === 0, 'no timer is left')
  })

  it('that are given up during TCP leave nothing', async () => {
    const server = await serve(({ query, transport }) =>
      transport === 'udp' ? wireReply(query, { truncated: true }) : undefined,
    )
    const before = openSockets()
    const controller = new AbortController()
    const gone = errorOf(clientOf([server], { tryTimeoutMs: 10_000 }).query(WWW, controller.signal))
    await until(() => server.log.includes('A www.example.com tcp'), 'the server is asked over TCP')
    controller.abort()
    expect((await gone).code).toBe('MM_ABORTED')
    await until(() => server.connections === 0 && openSockets() <= before, 'no socket is left')
  })
})

describe('a process', () => {
  /** What keeps it alive. */
  const holding = (kind: string) => process.getActiveResourcesInfo().filter(name => name === kind).length

  it('is not kept alive by a query', async () => {
    const server = await serve(({ query, transport }) =>
      transport === 'udp' ? wireReply(query, { truncated: true }) : undefined,
    )
    const quiet = await serve(silent)
    const controller = new AbortController()
    const options = { tryTimeoutMs: 10_000 }
    const gone = [server, quiet].map(at => errorOf(clientOf([at], options).query(WWW, controller.signal)))
    await until(() => server.connections === 1 && quiet.asked.length === 1, 'both are asked')
    // The servers' own: a UDP socket each, and one end of the connection. Ports that were tried before may
    // take a moment to be given back.
    const isServersOnly = () => holding('UDPWrap') === 2 && holding('TCPSocketWrap') === 1
    await until(isServersOnly, 'nothing but the servers keeps the process alive')
    controller.abort()
    for (const error of await Promise.all(gone)) expect(error.code).toBe('MM_ABORTED')
  })
})

describe('many queries', () => {
  it('wait for their turn', async () => {
    let running = 0
    let most = 0
    const server = await serve(async ({ query }) => {
      most = Math.max(most, ++running)
      await sleep(50)
      running--
      return wireReply(query)
    })
    const client = clientOf([server], { maxConcurrent: 4, timeoutMs: 10_000, tryTimeoutMs: 2000 })
    const asked = Array.from({ length: 20 }, (_, index) =>
      client.query({ name: `n${index}.example`, type: 'A' }, never),
    )
    expect(client.pending).toBe(20)
    await Promise.all(asked)
    expect(most).toBe(4)
    expect(client.pending).toBe(0)
    // Nobody has kept a place.
    for (let index = 0; index < 5; index++) await client.query(WWW, never)
  })

  it('are refused when the line is full, and leave it when they are given up', async () => {
    const server = await serve(silent)
    const client = clientOf([server], { maxConcurrent: 1, maxWaiting: 1, tryTimeoutMs: 10_000 })
    const ask = (name: string, signal: AbortSignal) => errorOf(client.query({ name, type: 'A' }, signal))
    const [first, second] = [new AbortController(), new AbortController()]
    const running = ask('a.example', first.signal)
    await until(() => server.asked.length === 1, 'the first one is under way')
    const waiting = ask('b.example', second.signal)
    expect((await ask('c.example', never)).message).toContain('wait for their turn')
    second.abort()
    expect((await waiting).code).toBe('MM_ABORTED')
    const third = new AbortController()
    const next = ask('d.example', third.signal)
    first.abort()
    expect((await running).code).toBe('MM_ABORTED')
    await until(() => server.log.includes('A d.example udp'), 'the place goes to the next one')
    third.abort()
    expect((await next).code).toBe('MM_ABORTED')
    expect(server.log).toEqual(['A a.example udp', 'A d.example udp'])
  })
})

describe('lookupAddresses', () => {
  const zone = fromZone([
    cname('www.example.com', 'edge.example.net', 20),
    a('edge.example.net', '192.0.2.1', 60),
    aaaa('edge.example.net', '20010db8000000000000000000000001', 10),
    a('four.example', '192.0.2.4', 5),
  ])

  it('asks for both families and follows CNAME records', async () => {
    const server = await serve(zone)
    const client = clientOf([server])
    expect(await client.lookupAddresses('www.example.com', never)).toEqual([
      { address: '192.0.2.1', family: 4, ttlSeconds: 20 },
      { address: '2001:db8::1', family: 6, ttlSeconds: 10 },
    ])
    expect(await client.lookupAddresses('four.example', never)).toHaveLength(1)
  })

  it('is content with one family when the other fails', async () => {
    const server = await serve(asked =>
      asked.type === WIRE_TYPES.AAAA ? wireReply(asked.query, { rcode: 2 }) : zone(asked),
    )
    expect(await clientOf([server]).lookupAddresses('four.example', never)).toHaveLength(1)
  })

  it('fails when there is none, when nobody answers, and for names that are never asked', async () => {
    const server = await serve(zone)
    const none = await errorOf(clientOf([server]).lookupAddresses('no.example', never))
    expect(none).toMatchObject({ code: 'MM_DNS_FAILED', message: 'no.example has no address' })
    const quiet = clientOf([await serve(silent)], { tryTimeoutMs: 40 })
    expect((await errorOf(quiet.lookupAddresses('a.example', never))).code).toBe('MM_DNS_TIMEOUT')
    server.asked.length = 0
    const never1 = await errorOf(clientOf([server]).lookupAddresses('printer.local', never))
    expect(never1.message).toContain('RFC 6762')
    expect(server.asked).toEqual([])
  })

  it('can be given up', async () => {
    const controller = new AbortController()
    const gone = errorOf(clientOf([await serve(silent)]).lookupAddresses('a.example', controller.signal))
    controller.abort()
    expect((await gone).code).toBe('MM_ABORTED')
  })
})
