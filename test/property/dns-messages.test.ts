import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import { readAddresses } from '../../src/dns/records/address-answers.ts'
import { type DnsReply, type DnsType, encodeQuery, readReply } from '../../src/dns/records/dns-message.ts'
import { isDnsName, normalName } from '../../src/dns/records/dns-name.ts'
import { parseServiceRecord } from '../../src/dns/records/https-rr.ts'
import { ServiceLookup } from '../../src/dns/records/service-lookup.ts'
import {
  a,
  aaaa,
  alpn,
  cname,
  https,
  serviceRdata,
  soa,
  type WireParam,
  type WireRecord,
  wireReply,
} from '../support/dns-wire.ts'
import { fc } from '../support/property.ts'

const RUNS = 2000

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map(labels => labels.join('.'))
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const ttl = fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1))

/** Addresses, and how a record has them. */
const ipv4 = bytes(4).map(wire => ({ wire, text: wire.join('.') }))
const ipv6 = bytes(16).map(wire => {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Buffer.from(wire)
      .readUInt16BE(index * 2)
      .toString(16),
  )
  // The URL parser is an implementation of RFC 5952 that has nothing to do with what is tested.
  return { wire, text: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) }
})

const service = fc.record({
  priority: fc.integer({ min: 1, max: 65_535 }),
  target: name,
  alpn: fc.array(fc.stringMatching(/^[ -~]{1,12}$/), { maxLength: 4 }),
  excludesDefault: fc.boolean(),
  port: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
  ipv4: fc.array(ipv4, { maxLength: 3 }),
  ipv6: fc.array(ipv6, { maxLength: 3 }),
  unknown: fc.uniqueArray(fc.tuple(fc.integer({ min: 7, max: 65_534 }), fc.uint8Array({ maxLength: 20 })), {
    selector: ([key]) => key,
    maxLength: 3,
  }),
})

function writeService(from: Service): Buffer {
  const params: WireParam[] = [...from.unknown]
  if (from.alpn.length > 0) params.push(alpn(...from.alpn))
  if (from.excludesDefault && from.alpn.length > 0) params.push([2, Buffer.alloc(0)])
  if (from.port !== undefined) params.push([3, Buffer.from([from.port >> 8, from.port & 0xff])])
  if (from.ipv4.length > 0) params.push([4, Buffer.concat(from.ipv4.map(({ wire }) => wire))])
  if (from.ipv6.length > 0) params.push([6, Buffer.concat(from.ipv6.map(({ wire }) => wire))])
  params.sort(([one], [other]) => one - other)
  return serviceRdata(from.priority, from.target, params)
}

type Service = typeof service extends fc.Arbitrary<infer T> ? T : never

const record: fc.Arbitrary<WireRecord> = fc.oneof(
  fc.record({ name, ttl, address: ipv4 }).map(({ name, ttl, address }) => a(name, address.text, ttl)),
  fc
    .record({ name, ttl, address: ipv6 })
    .map(({ name, ttl, address }) => aaaa(name, Buffer.from(address.wire).toString('hex'), ttl)),
  fc.record({ name, target: name, ttl }).map(({ name, target, ttl }) => cname(name, target, ttl)),
  fc.record({ name, ttl, service }).map(({ name, ttl, service }) => https(name, writeService(service), ttl)),
  fc.record({ name, ttl, rdata: fc.uint8Array({ maxLength: 40 }) }).map(({ name, ttl, rdata }) => {
    return { name, type: 'TXT' as const, ttl, rdata }
  }),
)

const query = fc
  .record({ name, type: fc.constantFrom<DnsType>('A', 'AAAA', 'HTTPS'), id: fc.nat(65_535) })
  .map(({ name, type, id }) => encodeQuery({ name, type }, id))

/** What holds for every reply, whatever was sent. */
function checkReply(reply: DnsReply): void {
  expect(reply.answers.length).toBeLessThanOrEqual(256)
  for (const answer of reply.answers) {
    expect(answer.ttlSeconds).toBeGreaterThanOrEqual(0)
    expect(answer.ttlSeconds).toBeLessThan(2 ** 31)
    expect(answer.name === '.' || isDnsName(answer.name), answer.name).toBe(true)
    if (answer.type === 'A') expect(isIP(answer.address)).toBe(4)
    if (answer.type === 'AAAA') expect(isIP(answer.address)).toBe(6)
  }
  readAddresses(reply, 'a.example')
}

describe('DNS messages', () => {
  it('of arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(query, fc.uint8Array({ maxLength: 300 }), (query, garbage) => {
        readReply(garbage, query)
        // The same behind a head and a question that fit, so that the rest is looked at.
        const reply = Buffer.concat([wireReply(query.bytes), garbage])
        reply.writeUInt16BE(garbage[0] ?? 0, 6)
        const read = readReply(reply, query)
        if (read.kind === 'reply') checkReply(read.reply)
        else expect(read.kind).toBe('malformed')
      }),
      { numRuns: RUNS },
    )
  })

  it('that were damaged never throw, and contain nothing impossible', () => {
    const seen = { reply: 0, malformed: 0, other: 0 }
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(query, fc.array(record, { maxLength: 6 }), damage, (query, answers, damage) => {
        const message = wireReply(query.bytes, { answers, authorities: [soa('example', 60, 60)] })
        const from = 12 + query.name.length
        for (const [at, byte] of damage) message[from + (at % (message.length - from))] = byte
        const read = readReply(message, query)
        if (read.kind === 'reply') {
          checkReply(read.reply)
          seen.reply++
        } else if (read.kind === 'malformed') seen.malformed++
        else seen.other++
      }),
      { numRuns: RUNS },
    )
    expect(Math.min(seen.reply, seen.malformed)).toBeGreaterThan(RUNS / 10)
  })

  it('are read as they were written', () => {
    fc.assert(
      fc.property(query, fc.array(record, { maxLength: 8 }), fc.boolean(), (query, answers, doesExist) => {
        const rcode = doesExist ? 0 : 3
        const read = readReply(wireReply(query.bytes, { answers, rcode }), query)
        if (read.kind !== 'reply') throw new Error(`it is ${JSON.stringify(read)}`)
        checkReply(read.reply)
        const wanted = answers.filter(answer => answer.type !== 'TXT')
        expect(read.reply.doesExist).toBe(doesExist)
        expect(read.reply.answers.map(({ type, name, ttlSeconds }) => [type, name, ttlSeconds])).toEqual(
          wanted.map(({ type, name, ttl }) => [type, normalName(name), ttl]),
        )
        for (const [index, answer] of read.reply.answers.entries()) {
          if (answer.type === 'HTTPS') expect(Buffer.from(answer.rdata)).toEqual(wanted[index]!.rdata)
        }
      }),
      { numRuns: RUNS },
    )
  })
})

describe('HTTPS records', () => {
  it('of arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (garbage, isBehindName) => {
        const rdata = isBehindName ? Buffer.concat([serviceRdata(1, 'a'), garbage]) : garbage
        const parsed = parseServiceRecord(rdata, 'a.example', 60)
        if (parsed.kind === 'service') {
          expect(parsed.record.alpn.length).toBeGreaterThan(0)
          for (const hint of parsed.record.addressHints) expect(isIP(hint)).not.toBe(0)
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('are read as they were written', () => {
    fc.assert(
      fc.property(service, written => {
        const parsed = parseServiceRecord(writeService(written), 'owner.example', 60)
        const hasDefault = !(written.excludesDefault && written.alpn.length > 0)
        const added = hasDefault && !written.alpn.includes('http/1.1') ? ['http/1.1'] : []
        expect(parsed).toEqual({
          kind: 'service',
          record: {
            priority: written.priority,
            target: written.target,
            alpn: [...written.alpn, ...added],
            port: written.port,
            addressHints: [...written.ipv4, ...written.ipv6].map(({ text }) => text),
            ttlSeconds: 60,
          },
        })
      }),
      { numRuns: RUNS },
    )
  })

  it('cut off anywhere are malformed, or end between two parameters', () => {
    let cuts = 0
    fc.assert(
      fc.property(service, fc.nat(), (written, at) => {
        const whole = writeService(written)
        const parsed = parseServiceRecord(whole.subarray(0, at % whole.length), 'owner.example', 60)
        if (parsed.kind === 'malformed') cuts++
        else expect(parsed.kind === 'service' && parsed.record.target).toBe(written.target)
      }),
      { numRuns: RUNS },
    )
    expect(cuts).toBeGreaterThan(RUNS / 2)
  })
})

describe('a lookup of HTTPS records', () => {
  it('comes to an end whatever the answers are', () => {
    // Few names, so that aliases and CNAME records lead back to where they came from.
    const few = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l')
    const answer = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(few, few).map(([from, to]) => https(from, serviceRdata(0, to))) },
      fc.tuple(few, few).map(([from, to]) => cname(from, to)),
      { weight: 1, arbitrary: few.map(from => https(from, serviceRdata(1, '.'))) },
    )
    const seen = { found: 0, none: 0, failed: 0 }
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 20 }), few, (zone, host) => {
        const lookup = new ServiceLookup(host, 443, () => 0)
        for (let asked = 1; ; asked++) {
          expect(asked).toBeLessThanOrEqual(9)
          const query = encodeQuery({ name: lookup.asking, type: 'HTTPS' }, 1)
          const read = readReply(wireReply(query.bytes, { answers: zone }), query)
          if (read.kind !== 'reply') throw new Error(read.kind)
          const outcome = lookup.receive(read.reply)
          if (outcome === undefined) continue
          seen[outcome.kind]++
          if (outcome.kind !== 'failed') expect(outcome.ttlSeconds).toBeGreaterThanOrEqual(1)
          return
        }
      }),
      { numRuns: RUNS },
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(RUNS / 50)
  })
})
