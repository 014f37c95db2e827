import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { DnsClient } from '../../../src/dns/client/dns-client.ts'
import { ServiceRecordResolver } from '../../../src/dns/https-records.ts'
import type { ServiceAnswer } from '../../../src/dns/records/service-lookup.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type Answering, type DnsServer, fromZone, startDnsServer } from '../../support/dns-server.ts'
import {
  a,
  alpn,
  cname,
  https,
  ipv4,
  mandatory,
  port,
  serviceRdata,
  type WireRecord,
  wireReply,
} from '../../support/dns-wire.ts'
import { freeDualPort } from '../../support/udp-port.ts'
import { until } from '../../support/until.ts'

/**
 * HTTPS records from the question to the answer, over a real server; what is kept goes by a clock that the
 * test moves.
 */

const servers: DnsServer[] = []
const never = new AbortController().signal

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function resolverOf(
  answering: Answering | readonly WireRecord[],
  maxEntries = 100,
  tryTimeoutMs = 3000,
) {
  const server = await startDnsServer(typeof answering === 'function' ? answering : fromZone(answering))
  servers.push(server)
  const clock = new FakeClock(1_000_000)
  const client = new DnsClient({ clock: systemClock, servers: [server.address], tryTimeoutMs })
  const resolver = new ServiceRecordResolver({ clock, random: () => 0, client, maxEntries })
  const lookup = (host: string, hostPort = 443) => resolver.lookup(host, hostPort, never)
  return { server, clock, client, resolver, lookup }
}

const h3 = serviceRdata(1, '.', [alpn('h3', 'h2')])

function targets(answer: ServiceAnswer): string[] {
  if (answer.kind !== 'found') throw new Error(JSON.stringify(answer))
  return answer.records.map(record => record.target)
}

describe('HTTPS records', () => {
  it('of a host say what it offers, where', async () => {
    const { lookup, server } = await resolverOf([
      https(
        'a.example',
        serviceRdata(2, 'b.example', [alpn('h2'), [2, Buffer.alloc(0)], port(8443), ipv4('192.0.2.1')]),
        120,
      ),
      https('a.example', serviceRdata(1, '.', [alpn('h3')]), 120),
      https('a.example', serviceRdata(3, '.', [mandatory(77), [77, Buffer.alloc(0)]]), 120),
    ])
    expect(await lookup('A.Example.')).toEqual({
      kind: 'found',
      ttlSeconds: 120,
      aliasTo: undefined,
      skipped: ['it demands key77'],
      records: [
        {
          priority: 1,
          target: 'a.example',
          alpn: ['h3', 'http/1.1'],
          port: undefined,
          addressHints: [],
          ttlSeconds: 120,
        },
        {
          priority: 2,
          target: 'b.example',
          alpn: ['h2'],
          port: 8443,
          addressHints: ['192.0.2.1'],
          ttlSeconds: 120,
        },
      ],
    })
    expect(server.log).toEqual(['HTTPS a.example udp'])
  })

  it('of another port have it in front', async () => {
    const { lookup, server } = await resolverOf([https('_8443._https.a.example', h3)])
    expect((await lookup('a.example', 8443)).kind).toBe('found')
    expect((await lookup('a.example')).kind).toBe('none')
    expect(server.log).toEqual(['HTTPS _8443._https.a.example udp', 'HTTPS a.example udp'])
  })

  it('are found over a chain of aliases and CNAME records', async () => {
    const { lookup, server } = await resolverOf([
      https('a.example', serviceRdata(0, 'b.example'), 200),
      cname('b.example', 'c.example', 100),
      https('c.example', serviceRdata(0, 'd.example'), 50),
      cname('d.example', 'e.example', 150),
      https('e.example', h3, 300),
    ])
    const answer = await lookup('a.example')
    expect(targets(answer)).toEqual(['e.example'])
    expect(answer).toMatchObject({ ttlSeconds: 50, aliasTo: 'd.example' })
    expect(server.log).toEqual(['HTTPS a.example udp', 'HTTPS b.example udp', 'HTTPS d.example udp'])
  })

  it('in a loop of aliases are given up', async () => {
    const { lookup, server } = await resolverOf([
      https('a.example', serviceRdata(0, 'b.example')),
      https('b.example', serviceRdata(0, 'c.example')),
      https('c.example', serviceRdata(0, 'b.example')),
    ])
    expect(await lookup('a.example')).toEqual({
      kind: 'failed',
      because: 'aliases go round in circles at b.example',
    })
    expect(server.asked).toHaveLength(3)
  })

  it('behind a loop of CNAME records are given up', async () => {
    const { lookup, server } = await resolverOf([
      cname('a.example', 'b.example'),
      cname('b.example', 'a.example'),
    ])
    expect(await lookup('a.example')).toMatchObject({ kind: 'failed' })
    expect(server.asked).toHaveLength(1)
  })

  it('behind nine aliases are given up after eight', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `n${index}.example`)
    const { lookup, server } = await resolverOf(
      names.slice(1).map((name, index) => https(names[index]!, serviceRdata(0, name))),
    )
    expect(await lookup('n0.example')).toMatchObject({
      kind: 'failed',
      because: 'n8.example leads over too many names',
    })
    expect(server.asked).toHaveLength(9)
  })

  it('of which one has a wrong length count for nothing', async () => {
    const broken = serviceRdata(1, '.', [[3, Buffer.from([1])]])
    const { lookup } = await resolverOf([https('a.example', h3), https('a.example', broken)])
    expect(await lookup('a.example')).toEqual({
      kind: 'failed',
      because: 'an HTTPS record of a.example is malformed: port: no port in 1 bytes',
    })
  })

  it('that do not fit come over TCP', async () => {
    const large = Array.from({ length: 40 }, (_, index) =>
      https('a.example', serviceRdata(index + 1, `host${index}.example`, [[4000, Buffer.alloc(100)]])),
    )
    const zone = fromZone(large)
    const { lookup, server } = await resolverOf(asked =>
      asked.transport === 'udp' ? wireReply(asked.query, { truncated: true }) : zone(asked),
    )
    expect(targets(await lookup('a.example'))).toEqual(large.map((_, index) => `host${index}.example`))
    expect(server.log).toEqual(['HTTPS a.example udp', 'HTTPS a.example tcp'])
  })
})

describe('what is never asked', () => {
  it.each(['127.0.0.1', '::1', 'localhost', 'a.localhost', 'printer.local', 'x.invalid', 'x.onion'])(
    '%s has none',
    async host => {
      const { lookup, server, resolver } = await resolverOf([])
      expect(await lookup(host)).toMatchObject({ kind: 'none' })
      expect(server.asked).toEqual([])
      expect(resolver.size).toBe(0)
    },
  )
})

describe('what was found', () => {
  it('is kept as long as it may, and reports how long that still is', async () => {
    const { lookup, server, clock } = await resolverOf([https('a.example', h3, 60)])
    await lookup('a.example')
    clock.advance(59_400)
    expect(await lookup('A.example')).toMatchObject({ ttlSeconds: 1, records: [{ ttlSeconds: 1 }] })
    expect(server.asked).toHaveLength(1)
    clock.advance(600)
    expect(await lookup('a.example')).toMatchObject({ ttlSeconds: 60 })
    expect(server.asked).toHaveLength(2)
  })

  it('is kept when it is nothing, too', async () => {
    const { lookup, server, clock } = await resolverOf(fromZone([a('a.example', '192.0.2.1')], 45))
    expect(await lookup('a.example')).toEqual({
      kind: 'none',
      because: 'a.example has no HTTPS record',
      ttlSeconds: 45,
      aliasTo: undefined,
    })
    expect(await lookup('b.example')).toMatchObject({ because: 'b.example does not exist' })
    clock.advance(44_999)
    expect(await lookup('a.example')).toMatchObject({ kind: 'none', ttlSeconds: 1 })
    expect(server.asked).toHaveLength(2)
    clock.advance(1)
    await lookup('a.example')
    expect(server.asked).toHaveLength(3)
  })

  it('is a failure for 30 s', async () => {
    const { lookup, server, clock } = await resolverOf(({ query }) => wireReply(query, { rcode: 2 }))
    const failure = await lookup('a.example')
    expect(failure).toMatchObject({ kind: 'failed', because: expect.stringContaining('SERVFAIL') })
    clock.advance(29_999)
    expect(await lookup('a.example')).toEqual(failure)
    expect(server.asked).toHaveLength(2)
    clock.advance(1)
    await lookup('a.example')
    expect(server.asked).toHaveLength(4)
  })

  it('is kept apart by port, up to a bound, and the longest unused makes room', async () => {
    const { lookup, server, resolver } = await resolverOf([https('a.example', h3), https('b.example', h3)], 2)
    await lookup('a.example')
    await lookup('b.example')
    await lookup('a.example')
    await lookup('a.example', 8443)
    expect(resolver.size).toBe(2)
    await lookup('a.example')
    expect(server.asked).toHaveLength(3)
    await lookup('b.example')
    expect(server.asked).toHaveLength(4)
  })

  it('is forgotten when the network changes, and so is what was asked before', async () => {
    const { lookup, server, resolver } = await resolverOf(async ({ query }) => {
      await sleep(20)
      return wireReply(query, { answers: [https('a.example', h3)] })
    })
    const early = lookup('a.example')
    resolver.clear()
    await early
    expect(resolver.size).toBe(0)
    await lookup('a.example')
    resolver.clear()
    await lookup('a.example')
    expect(server.asked).toHaveLength(3)
  })
})

describe('a lookup', () => {
  it('fails quickly when there is no server', async () => {
    const client = new DnsClient({ clock: systemClock, servers: [`127.0.0.1:${await freeDualPort()}`] })
    const options = { clock: systemClock, random: () => 0, client, maxEntries: 10 }
    const started = performance.now()
    expect(await new ServiceRecordResolver(options).lookup('a.example', 443, never)).toMatchObject({
      kind: 'failed',
      because: expect.stringContaining('nobody listens there'),
    })
    expect(performance.now() - started).toBeLessThan(2_900)
  })

  it('fails when the server is silent', async () => {
    const { lookup } = await resolverOf(() => undefined, 100, 60)
    expect(await lookup('a.example')).toMatchObject({
      kind: 'failed',
      because: expect.stringContaining('no answer within 60 ms'),
    })
  })

  it('that is given up rejects, and is not taken for a failure', async () => {
    const { resolver, server, client, lookup } = await resolverOf(asked =>
      asked.index === 0 ? undefined : wireReply(asked.query, { answers: [https('a.example', h3)] }),
    )
    const controller = new AbortController()
    const gone = resolver.lookup('a.example', 443, controller.signal).catch((error: unknown) => error)
    await until(() => server.asked.length === 1, 'the server is asked')
    controller.abort()
    expect(await gone).toMatchObject({ code: 'MM_ABORTED' })
    await expect(resolver.lookup('a.example', 443, controller.signal)).rejects.toMatchObject({
      code: 'MM_ABORTED',
    })
    expect(client.pending).toBe(0)
    expect(resolver.size).toBe(0)
    expect((await lookup('a.example')).kind).toBe('found')
  })

  it('shares its queries with others for the same', async () => {
    const { lookup, server } = await resolverOf(async ({ query }) => {
      await sleep(20)
      return wireReply(query, { answers: [https('a.example', h3)] })
    })
    const answers = await Promise.all([lookup('a.example'), lookup('a.example'), lookup('A.EXAMPLE')])
    expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['found']))
    expect(server.asked).toHaveLength(1)
  })
})
