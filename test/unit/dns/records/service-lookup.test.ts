import { describe, expect, it } from 'vitest'
import { readAddresses } from '../../../../src/dns/records/address-answers.ts'
import type { DnsAnswer, DnsReply } from '../../../../src/dns/records/dns-message.ts'
import { type ServiceAnswer, ServiceLookup } from '../../../../src/dns/records/service-lookup.ts'
import { alpn, port, serviceRdata } from '../../../support/dns-wire.ts'

const https = (name: string, rdata: Uint8Array, ttlSeconds = 300): DnsAnswer => ({
  type: 'HTTPS',
  name,
  ttlSeconds,
  rdata,
})
const cname = (name: string, target: string, ttlSeconds = 300): DnsAnswer => ({
  type: 'CNAME',
  name,
  ttlSeconds,
  target,
})
const reply = (...answers: DnsAnswer[]): DnsReply => ({
  doesExist: true,
  answers,
  negativeTtlSeconds: undefined,
})
const alias = (name: string, target: string, ttl?: number) => reply(https(name, serviceRdata(0, target), ttl))
const h3 = (name: string, ttl?: number) => https(name, serviceRdata(1, '.', [alpn('h3')]), ttl)

/** Answers by name until there is an answer. */
function follow(replies: Record<string, DnsReply>, host = 'a.example', hostPort = 443) {
  const lookup = new ServiceLookup(host, hostPort, () => 0)
  const asked: string[] = []
  for (;;) {
    asked.push(lookup.asking)
    const found = replies[lookup.asking]
    if (found === undefined) throw new Error(`asked for ${lookup.asking}`)
    const answer = lookup.receive(found)
    if (answer !== undefined) return { answer, asked }
    expect(asked.length).toBeLessThan(20)
  }
}

const targets = (answer: ServiceAnswer) =>
  answer.kind === 'found' ? answer.records.map(record => record.target) : answer

describe('a lookup of HTTPS records', () => {
  it('finds those of the name itself', () => {
    const { answer, asked } = follow({ 'a.example': reply(h3('a.example', 60)) })
    expect(asked).toEqual(['a.example'])
    expect(answer).toEqual({
      kind: 'found',
      records: [
        {
          priority: 1,
          target: 'a.example',
          alpn: ['h3', 'http/1.1'],
          port: undefined,
          addressHints: [],
          ttlSeconds: 60,
        },
      ],
      skipped: [],
      ttlSeconds: 60,
      aliasTo: undefined,
    })
  })

  it('asks with the port in front where it is not 443', () => {
    const name = '_8443._https.a.example'
    expect(follow({ [name]: reply(h3(name)) }, 'A.example.', 8443).asked).toEqual([name])
  })

  it('follows CNAME records in the answer, in any order; the root is the name at their end', () => {
    const answers = [
      cname('b.example', 'c.example', 20),
      h3('c.example'),
      cname('a.example', 'b.example', 90),
    ]
    const { answer } = follow({ 'a.example': reply(...answers) })
    expect(targets(answer)).toEqual(['c.example'])
    expect(answer).toMatchObject({ ttlSeconds: 20, records: [{ ttlSeconds: 20 }], aliasTo: undefined })
  })

  it('takes no record of another name', () => {
    const { answer } = follow({ 'a.example': reply(h3('b.example')) })
    expect(answer).toMatchObject({ kind: 'none', because: 'a.example has no HTTPS record' })
  })

  it('follows aliases from answer to answer, and keeps the shortest time to live', () => {
    const { answer, asked } = follow({
      'a.example': alias('a.example', 'b.example', 50),
      'b.example': reply(
        cname('b.example', 'c.example', 40),
        https('c.example', serviceRdata(0, 'd.example'), 90),
      ),
      'd.example': reply(h3('d.example', 100)),
    })
    expect(asked).toEqual(['a.example', 'b.example', 'd.example'])
    expect(targets(answer)).toEqual(['d.example'])
    expect(answer).toMatchObject({ ttlSeconds: 40, aliasTo: 'd.example' })
  })

  it('reports where an alias led that has no records of its own', () => {
    const { answer } = follow({
      'a.example': alias('a.example', 'b.example', 50),
      'b.example': { doesExist: true, answers: [], negativeTtlSeconds: 7 },
    })
    expect(answer).toEqual({
      kind: 'none',
      because: 'b.example has no HTTPS record',
      ttlSeconds: 7,
      aliasTo: 'b.example',
    })
  })

  it('keeps a negative answer as long as it says, within bounds', () => {
    const ttlOf = (negativeTtlSeconds: number | undefined) => {
      const { answer } = follow({ 'a.example': { doesExist: false, answers: [], negativeTtlSeconds } })
      expect(answer).toMatchObject({ kind: 'none', because: 'a.example does not exist' })
      return answer.kind === 'none' ? answer.ttlSeconds : undefined
    }
    expect([ttlOf(90), ttlOf(0), ttlOf(1e6), ttlOf(undefined)]).toEqual([90, 1, 86_400, 30])
  })

  it('takes an alias to the root for "no such service"', () => {
    const { answer } = follow({ 'a.example': alias('a.example', '.', 50) })
    expect(answer).toEqual({
      kind: 'none',
      because: 'a.example says that there is no such service',
      ttlSeconds: 50,
      aliasTo: undefined,
    })
  })

  it('does not ask for what is never asked, even if an alias says so', () => {
    const { answer } = follow({ 'a.example': alias('a.example', 'printer.local') })
    expect(answer).toMatchObject({ kind: 'none', because: expect.stringContaining('RFC 6762') })
  })

  it('reports none when none is usable, and fails when one is malformed', () => {
    const useless = follow({ 'a.example': reply(https('a.example', serviceRdata(1, '.', [port(0)]))) })
    expect(useless.answer).toMatchObject({ kind: 'none', because: expect.stringContaining('its port is 0') })
    const broken = follow({ 'a.example': reply(h3('a.example'), https('a.example', Buffer.alloc(4, 1))) })
    expect(broken.answer).toMatchObject({ kind: 'failed', because: expect.stringContaining('malformed') })
  })

  it.each<[string, Record<string, DnsReply>]>([
    ['to itself', { 'a.example': alias('a.example', 'a.example') }],
    [
      'over two aliases',
      { 'a.example': alias('a.example', 'b.example'), 'b.example': alias('b.example', 'a.example') },
    ],
    [
      'of CNAME records',
      { 'a.example': reply(cname('a.example', 'b.example'), cname('b.example', 'a.example')) },
    ],
    ['of one CNAME record', { 'a.example': reply(cname('a.example', 'a.example')) }],
    [
      'over an alias and a CNAME record',
      {
        'a.example': alias('a.example', 'b.example'),
        'b.example': reply(cname('b.example', 'a.example'), https('a.example', serviceRdata(0, 'b.example'))),
      },
    ],
  ])('refuses a loop %s', (_name, replies) => {
    const { answer } = follow(replies)
    expect(answer).toMatchObject({ kind: 'failed', because: expect.stringContaining('in circles') })
  })

  it('makes 8 hops and no more, aliases and CNAME records together', () => {
    const chain = (aliases: number, cnames: number): Record<string, DnsReply> => {
      const replies: Record<string, DnsReply> = {}
      for (let index = 0; index < aliases; index++) {
        const name = index === 0 ? 'a.example' : `alias${index}.example`
        replies[name] = alias(name, `alias${index + 1}.example`)
      }
      const names = [
        `alias${aliases}.example`,
        ...Array.from({ length: cnames }, (_, index) => `c${index}.example`),
      ]
      const records = names.slice(1).map((name, index) => cname(names[index]!, name))
      replies[names[0]!] = reply(...records, h3(names.at(-1)!))
      return replies
    }
    expect(follow(chain(8, 0)).answer.kind).toBe('found')
    expect(follow(chain(5, 3)).answer.kind).toBe('found')
    for (const [aliases, cnames] of [
      [9, 0],
      [5, 4],
      [1, 8],
    ] as const) {
      const { answer } = follow(chain(aliases, cnames))
      expect(answer).toMatchObject({ kind: 'failed', because: expect.stringContaining('too many names') })
    }
  })
})

describe('hops over CNAME records', () => {
  it('count for the aliases that come after them', () => {
    const replies = (aliases: number) => {
      const all: Record<string, DnsReply> = {
        'a.example': reply(
          cname('a.example', 'b.example'),
          cname('b.example', 'c.example'),
          https('c.example', serviceRdata(0, 'n1.example')),
        ),
        [`n${aliases}.example`]: reply(h3(`n${aliases}.example`)),
      }
      for (let index = 1; index < aliases; index++) {
        all[`n${index}.example`] = alias(`n${index}.example`, `n${index + 1}.example`)
      }
      return all
    }
    expect(follow(replies(6)).answer.kind).toBe('found')
    expect(follow(replies(7)).answer).toMatchObject({
      kind: 'failed',
      because: 'n6.example leads over too many names',
    })
  })
})

describe('readAddresses', () => {
  const address = (name: string, text: string, ttlSeconds: number): DnsAnswer => ({
    type: 'A',
    name,
    ttlSeconds,
    address: text,
  })

  it('follows CNAME records, and takes what is at their end', () => {
    const answers = [
      cname('a.example', 'b.example', 30),
      address('b.example', '192.0.2.1', 60),
      address('b.example', '192.0.2.2', 0),
      address('a.example', '192.0.2.9', 60),
    ]
    expect(readAddresses(reply(...answers), 'a.example')).toEqual([
      { address: '192.0.2.1', family: 4, ttlSeconds: 30 },
      { address: '192.0.2.2', family: 4, ttlSeconds: 1 },
    ])
  })

  it('says that CNAME records go round in circles', () => {
    const answers = [cname('a.example', 'b.example'), cname('b.example', 'a.example')]
    expect(readAddresses(reply(...answers), 'a.example')).toContain('in circles')
  })
})
