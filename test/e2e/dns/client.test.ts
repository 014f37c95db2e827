import dns from 'node:dns'
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { DnsClient } from '../../../src/dns/client/dns-client.ts'
import { formatDnsServer, systemDnsServers } from '../../../src/dns/client/dns-server.ts'
import { askOverTcp, askOverUdp } from '../../../src/dns/client/server-query.ts'
import { encodeQuery } from '../../../src/dns/records/dns-message.ts'
import { collectFaults, fail } from '../../support/collected-faults.ts'
import { clientOf, dnsServers, errorOf, openSockets, silent, WWW, ZONE } from '../../support/dns-asking.ts'
import { type Answering, fromZone } from '../../support/dns-server.ts'
import { a, https, questionOf, serviceRdata, wireReply } from '../../support/dns-wire.ts'
import { freeDualPort } from '../../support/udp-port.ts'
import { until } from '../../support/until.ts'

/** The stub resolver against a server that says whatever a test wants. */

const { serve, end } = dnsServers()
const never = new AbortController().signal
// All queries of this file listen to it.
setMaxListeners(0, never)

afterEach(end)

async function addressOf(client: DnsClient): Promise<string | undefined> {
  const { answers } = await client.query(WWW, never)
  const [answer] = answers
  return answer?.type === 'A' ? answer.address : undefined
}

describe('a query', () => {
  it('brings records, and its socket is gone afterwards', async () => {
    const server = await serve(ZONE)
    const before = openSockets()
    const client = clientOf([server])
    expect(await client.query({ name: 'WWW.Example.com.', type: 'A' }, never)).toEqual({
      doesExist: true,
      negativeTtlSeconds: undefined,
      answers: [{ type: 'A', name: 'www.example.com', ttlSeconds: 60, address: '192.0.2.1' }],
    })
    expect(server.log).toEqual(['A www.example.com udp'])
    expect(client.pending).toBe(0)
    await until(() => openSockets() <= before, 'no socket is left')
  })

  it('has an id and a port that change', async () => {
    const server = await serve(ZONE)
    const client = clientOf([server])
    for (let index = 0; index < 16; index++) await client.query(WWW, never)
    // 16 of 65536 ids: that fewer than 14 differ has a chance of one in 10^10; ports are drawn from 28232.
    expect(new Set(server.asked.map(({ query }) => query.readUInt16BE(0))).size).toBeGreaterThanOrEqual(14)
    expect(new Set(server.asked.map(({ port }) => port)).size).toBeGreaterThanOrEqual(12)
  })

  it('that says there is nothing is an answer, with how long it holds', async () => {
    const client = clientOf([await serve(fromZone([a('www.example.com', '192.0.2.1')], 77))])
    expect(await client.query({ name: 'no.example.com', type: 'A' }, never)).toEqual({
      doesExist: false,
      answers: [],
      negativeTtlSeconds: 77,
    })
    expect(await client.query({ name: 'www.example.com', type: 'HTTPS' }, never)).toMatchObject({
      doesExist: true,
      answers: [],
      negativeTtlSeconds: 77,
    })
  })

  it('refuses what is no name, without asking', async () => {
    const server = await serve(ZONE)
    const client = clientOf([server])
    for (const name of ['', '.', `${'a'.repeat(64)}.example`, 'a..b']) {
      expect((await errorOf(client.query({ name, type: 'A' }, never))).code).toBe('MM_INVALID_ARGUMENT')
    }
    expect(server.asked).toEqual([])
  })
})

describe('answers that do not fit', () => {
  const rdata = serviceRdata(1, '.', [[9999, Buffer.alloc(3000, 7)]])
  const large = fromZone([https('www.example.com', rdata)])
  const truncating: Answering = asked =>
    asked.transport === 'udp' ? wireReply(asked.query, { truncated: true }) : large(asked)

  it('are asked for over TCP', async () => {
    const server = await serve(truncating)
    const before = openSockets()
    const { answers } = await clientOf([server]).query({ name: WWW.name, type: 'HTTPS' }, never)
    expect(answers).toHaveLength(1)
    expect(answers[0]?.type === 'HTTPS' && Buffer.from(answers[0].rdata).equals(rdata)).toBe(true)
    expect(server.log).toEqual(['HTTPS www.example.com udp', 'HTTPS www.example.com tcp'])
    await until(() => server.connections === 0 && openSockets() <= before, 'no socket is left')
  })

  it('may be as long as TCP allows', async () => {
    // 12 + 21 of the question + 27 of the record's head + its data: 65535 bytes.
    const rdata = Buffer.alloc(65_535 - 12 - 21 - 27, 1)
    const server = await serve(asked =>
      asked.transport === 'udp'
        ? wireReply(asked.query, { truncated: true })
        : wireReply(asked.query, { answers: [https('www.example.com', rdata)] }),
    )
    const { answers } = await clientOf([server]).query({ name: WWW.name, type: 'HTTPS' }, never)
    expect(answers[0]?.type === 'HTTPS' && answers[0].rdata.length).toBe(rdata.length)
  })

  it('that come in small pieces are put together', async () => {
    const server = await serve(async asked => {
      if (asked.transport === 'udp') return wireReply(asked.query, { truncated: true })
      const reply = wireReply(asked.query, { answers: [a('www.example.com', '192.0.2.1')] })
      const whole = framed(reply, reply.length)
      return { raw: [0, 1, 2, 3, 20].map((at, index, cuts) => whole.subarray(at, cuts[index + 1])) }
    })
    expect(await addressOf(clientOf([server]))).toBe('192.0.2.1')
  })

  it.each<[string, (reply: Buffer) => Buffer, string]>([
    [
      'with a length beyond what comes',
      reply => Buffer.concat([Buffer.from([0xff, 0xff]), reply]),
      'ended before',
    ],
    ['with a length of 0', reply => Buffer.concat([Buffer.from([0, 0]), reply]), 'another question'],
    ['with a length that cuts a record', reply => framed(reply, reply.length - 3), 'beyond the message'],
    ['with half a length', () => Buffer.from([0]), 'ended before'],
    ['truncated again', reply => framed(truncated(reply), reply.length), 'truncated, even over TCP'],
    ['to another question', reply => framed(withOtherId(reply), reply.length), 'another question'],
  ])('%s make another server be asked', async (_name, change, because) => {
    const broken = await serve(asked => {
      if (asked.transport === 'udp') return wireReply(asked.query, { truncated: true })
      const reply = wireReply(asked.query, { answers: [a(WWW.name, '192.0.2.1')] })
      return { raw: [change(reply)] }
    })
    const alone = await errorOf(clientOf([broken], { rounds: 1 }).query(WWW, never))
    expect(alone).toMatchObject({ code: 'MM_DNS_FAILED', message: expect.stringContaining(because) })
    expect(await addressOf(clientOf([broken, await serve(ZONE)]))).toBe('192.0.2.1')
  })

  it('from a server that refuses TCP make it fail at once', async () => {
    const server = await serve(truncating, false)
    const error = await errorOf(clientOf([server], { tryTimeoutMs: 5000 }).query(WWW, never))
    expect(error).toMatchObject({ code: 'MM_DNS_FAILED', message: expect.stringContaining('nobody listens') })
    expect(server.asked).toHaveLength(2)
  })
})

function withOtherId(reply: Buffer): Buffer {
  const changed = Buffer.from(reply)
  changed.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0)
  return changed
}

function framed(reply: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.from([length >> 8, length & 0xff]), reply])
}

function truncated(reply: Buffer): Buffer {
  const changed = Buffer.from(reply)
  changed[2] = (changed[2] ?? 0) | 0x02
  return changed
}

describe('datagrams that are no answer', () => {
  const right = (query: Buffer) => wireReply(query, { answers: [a(WWW.name, '192.0.2.1')] })
  const otherQuestion = (query: Buffer) => {
    const question = Buffer.from(questionOf(query))
    question[1] = 0x78
    return wireReply(query, { question, answers: [a(WWW.name, '192.0.2.66')] })
  }
  it.each<[string, (query: Buffer) => Buffer]>([
    ['garbage', () => Buffer.from('what is this?')],
    ['of no length', () => Buffer.alloc(0)],
    [
      'with a wrong id',
      query => wireReply(query, { id: query.readUInt16BE(0) ^ 1, answers: [a(WWW.name, '192.0.2.66')] }),
    ],
    ['with a wrong question', otherQuestion],
    ['that are the query itself', query => query],
  ])('%s are ignored while the right one follows', async (_name, wrong) => {
    const server = await serve(({ query }) => [wrong(query), right(query)])
    expect(await addressOf(clientOf([server]))).toBe('192.0.2.1')
    expect(server.log).toEqual(['A www.example.com udp'])
  })

  it('alone count as silence', async () => {
    const server = await serve(({ query }) => otherQuestion(query))
    const error = await errorOf(clientOf([server], { tryTimeoutMs: 60 }).query(WWW, never))
    expect(error.code).toBe('MM_DNS_TIMEOUT')
    await until(() => server.asked.length === 2, 'both rounds reach the server')
  })

  it('in numbers make the query go over TCP, since somebody guesses', async () => {
    const server = await serve(({ query, transport }) => {
      if (transport === 'tcp') return right(query)
      return Array.from({ length: 8 }, (_, index) =>
        wireReply(query, { id: query.readUInt16BE(0) ^ (index + 1), answers: [a(WWW.name, '192.0.2.66')] }),
      )
    })
    expect(await addressOf(clientOf([server]))).toBe('192.0.2.1')
    expect(server.log).toEqual(['A www.example.com udp', 'A www.example.com tcp'])
  })

  it('from elsewhere are not delivered', async () => {
    const stranger = await serve(silent)
    const server = await serve(async ({ query, port }) => {
      // The right answer from the wrong address, before the right one.
      stranger.sendTo(port, wireReply(query, { answers: [a(WWW.name, '192.0.2.66')] }))
      await sleep(30)
      return right(query)
    })
    expect(await addressOf(clientOf([server]))).toBe('192.0.2.1')
  })
})

describe('servers', () => {
  it('that are not there fail it at once', async () => {
    const started = performance.now()
    const error = await errorOf(clientOf([`127.0.0.1:${await freeDualPort()}`]).query(WWW, never))
    expect(error).toMatchObject({
      code: 'MM_DNS_FAILED',
      message: expect.stringContaining('nobody listens there'),
    })
    expect(performance.now() - started).toBeLessThan(2_900)
  })

  it('that are silent fail it when their tries are over', async () => {
    const server = await serve(silent)
    const started = performance.now()
    const error = await errorOf(clientOf([server], { tryTimeoutMs: 80 }).query(WWW, never))
    expect(error).toMatchObject({ code: 'MM_DNS_TIMEOUT', message: expect.stringContaining('within 80 ms') })
    expect(performance.now() - started).toBeGreaterThanOrEqual(155)
    await until(() => server.asked.length === 2, 'both rounds reach the server')
  })

  it('that are silent fail it at the deadline of the whole', async () => {
    const server = await serve(silent)
    const before = openSockets()
    const started = performance.now()
    const client = clientOf([server], { tryTimeoutMs: 10_000, timeoutMs: 120 })
    const error = await errorOf(client.query(WWW, never))
    expect(error).toMatchObject({ code: 'MM_DNS_TIMEOUT', message: expect.stringContaining('within 120 ms') })
    const tookMs = performance.now() - started
    expect(tookMs).toBeGreaterThanOrEqual(115)
    expect(tookMs).toBeLessThan(5_000)
    expect(client.pending).toBe(0)
    await until(() => openSockets() <= before, 'no socket is left')
  })

  it.each<[string, Answering | 'absent']>([
    ['silence', silent],
    ['absence', 'absent'],
    ['SERVFAIL', ({ query }) => wireReply(query, { rcode: 2 })],
    ['REFUSED', ({ query }) => wireReply(query, { rcode: 5 })],
    ['NOTIMP without a question', ({ query }) => headOnly(query, 4)],
    [
      'a wrong length',
      ({ query }) => wireReply(query, { answers: [{ ...a(WWW.name, '192.0.2.66'), length: 99 }] }),
    ],
    [
      'an address of the wrong length',
      ({ query }) => wireReply(query, { answers: [{ ...a(WWW.name, '1.2.3.4'), rdata: Buffer.alloc(5) }] }),
    ],
  ])('that fail by %s make the next one be asked', async (_name, first) => {
    const second = await serve(ZONE)
    const before = first === 'absent' ? `127.0.0.1:${await freeDualPort()}` : await serve(first)
    expect(await addressOf(clientOf([before, second], { tryTimeoutMs: 600 }))).toBe('192.0.2.1')
    expect(second.asked).toHaveLength(1)
  })

  it('that are silent at first are asked again in the second round', async () => {
    const server = await serve(asked => (asked.index === 0 ? undefined : ZONE(asked)))
    expect(await addressOf(clientOf([server], { tryTimeoutMs: 600 }))).toBe('192.0.2.1')
  })

  it('without EDNS(0) are asked again without it', async () => {
    const hasEdns = (query: Buffer) => query.readUInt16BE(10) === 1
    const server = await serve(asked => (hasEdns(asked.query) ? headOnly(asked.query, 1) : ZONE(asked)))
    expect(await addressOf(clientOf([server]))).toBe('192.0.2.1')
    expect(server.asked.map(({ query }) => hasEdns(query))).toEqual([true, false])
  })

  it('that answer too late are not waited for', async () => {
    const server = await serve(async asked => {
      if (asked.index > 0) return undefined
      await sleep(150)
      return ZONE(asked)
    })
    const error = await errorOf(clientOf([server], { tryTimeoutMs: 60 }).query(WWW, never))
    expect(error.code).toBe('MM_DNS_TIMEOUT')
    await sleep(100) // the late answer meets a closed port, and nothing happens
  })

  it('that are no addresses are refused from the beginning', () => {
    for (const server of [
      '',
      'localhost',
      '127.0.0.1:0',
      '127.0.0.1:65536',
      '[127.0.0.1]:53',
      '::1:x',
      '[::1',
    ]) {
      expect(() => clientOf([server]), server).toThrow(/not an address of a DNS server/)
    }
    for (const server of ['127.0.0.1', '127.0.0.1:5353', '::1', '[::1]', '[fe80::1%eth0]:53']) {
      expect(() => clientOf([server]), server).not.toThrow()
    }
  })

  it('are those of the system where none are given', async () => {
    const server = await serve(ZONE)
    const before = dns.getServers()
    dns.setServers([server.address])
    try {
      // Before anything is asked: a test's question must not leave the machine.
      expect(systemDnsServers().map(formatDnsServer)).toEqual([server.address])
      const client = new DnsClient({ clock: systemClock })
      expect(await addressOf(client)).toBe('192.0.2.1')
    } finally {
      dns.setServers(before)
    }
  })

  it('that are not named at all are not asked', async () => {
    const error = await errorOf(clientOf([]).query(WWW, never))
    expect(error).toMatchObject({ code: 'MM_DNS_FAILED', message: 'there is no DNS server to ask' })
  })
})

function headOnly(query: Buffer, rcode: number): Buffer {
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8000 | rcode, 2)
  return head
}

it.each([askOverUdp, askOverTcp])(
  'a defect in what reads an answer ends that query only: $name',
  async ask => {
    const heard = collectFaults()
    const server = await serve(ZONE)
    const good = encodeQuery(WWW, 1)
    const [, port] = server.address.split(':')
    const query = new Proxy(good, { get: (target, name) => (name === 'bytes' ? target.bytes : fail()) })
    const outcome = await ask({
      server: { address: '127.0.0.1', family: 4, port: Number(port) },
      query,
      clock: systemClock,
      timeoutMs: 5000,
      signal: never,
    })
    expect(outcome.kind).toBe('malformed')
    expect(heard()).toHaveLength(1)
  },
)
