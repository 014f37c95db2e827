import { describe, expect, it } from 'vitest'
import { type DnsType, encodeQuery, readReply } from '../../../../src/dns/records/dns-message.ts'
import {
  a,
  aaaa,
  cname,
  https,
  questionOf,
  serviceRdata,
  soa,
  uint16,
  type WireRecord,
  type WireReply,
  wireName,
  wireReply,
} from '../../../support/dns-wire.ts'

const ID = 0x1234

function ask(type: DnsType = 'A', name = 'www.example.com') {
  return encodeQuery({ name, type }, ID)
}

function read(reply: WireReply, query = ask()) {
  return readReply(wireReply(query.bytes, reply), query)
}

describe('encodeQuery', () => {
  it('writes a recursive query with EDNS(0) that takes 1232 bytes', () => {
    const expected = [
      `1234 0100 0001 0000 0000 0001`,
      `03777777 076578616d706c65 03636f6d 00 0041 0001`,
      `00 0029 04d0 00000000 0000`,
    ]
    expect(ask('HTTPS').bytes.toString('hex')).toBe(expected.join('').replaceAll(' ', ''))
  })

  it('leaves EDNS(0) out for old servers', () => {
    const { bytes } = encodeQuery({ name: 'a.example', type: 'AAAA' }, ID, false)
    expect(bytes.toString('hex')).toBe(
      '123401000001000000000000 0161076578616d706c6500 001c0001'.replaceAll(' ', ''),
    )
  })
})

describe('readReply', () => {
  it('reads addresses, CNAME and HTTPS records, and leaves others out', () => {
    const rdata = serviceRdata(1, '.')
    const answers: WireRecord[] = [
      cname('www.example.com', 'Edge.Example.NET', 60),
      a('edge.example.net', '192.0.2.1', 20),
      { name: 'edge.example.net', type: 'TXT', ttl: 5, rdata: Buffer.from([1, 0x61]) },
      { name: 'edge.example.net', type: 'SVCB', ttl: 5, rdata },
      aaaa('EDGE.example.net', '20010db8000000000000000000000001', 30),
      https('edge.example.net', rdata, 40),
      { ...a('edge.example.net', '192.0.2.9'), class: 3 },
      { ...a('edge.example.net', '192.0.2.9'), class: 0x8001 },
    ]
    expect(read({ answers })).toEqual({
      kind: 'reply',
      reply: {
        doesExist: true,
        negativeTtlSeconds: undefined,
        answers: [
          { type: 'CNAME', name: 'www.example.com', ttlSeconds: 60, target: 'edge.example.net' },
          { type: 'A', name: 'edge.example.net', ttlSeconds: 20, address: '192.0.2.1' },
          { type: 'AAAA', name: 'edge.example.net', ttlSeconds: 30, address: '2001:db8::1' },
          { type: 'HTTPS', name: 'edge.example.net', ttlSeconds: 40, rdata },
        ],
      },
    })
  })

  it('follows compression, but only backwards', () => {
    const query = ask()
    const head = wireReply(query.bytes)
    head.writeUInt16BE(1, 6) // there is one answer
    const message = (pointer: number) =>
      Buffer.concat([
        head,
        uint16(0xc000 + pointer),
        Buffer.from('0001 0001 0000003c 0004 c0000201'.replaceAll(' ', ''), 'hex'),
      ])
    expect(readReply(message(12), query)).toMatchObject({
      reply: { answers: [{ name: 'www.example.com', address: '192.0.2.1' }] },
    })
    const here = head.length
    for (const pointer of [0, here, here + 1, 0x3fff]) {
      expect(readReply(message(pointer), query), String(pointer)).toMatchObject({ kind: 'malformed' })
    }
  })

  it('takes the time to live of a negative answer from the SOA record (RFC 2308)', () => {
    const ttlOf = (ttl: number, minimum: number) => {
      const result = read({ rcode: 3, authorities: [soa('example.com', ttl, minimum)] })
      return result.kind === 'reply' ? result.reply : undefined
    }
    expect(ttlOf(900, 60)).toEqual({ doesExist: false, answers: [], negativeTtlSeconds: 60 })
    expect(ttlOf(30, 60)?.negativeTtlSeconds).toBe(30)
    expect(ttlOf(2 ** 31, 60)?.negativeTtlSeconds).toBe(0)
  })

  it('recognizes truncation, and what a server will not answer', () => {
    expect(read({ truncated: true })).toEqual({ kind: 'truncated' })
    expect(read({ rcode: 2 })).toEqual({ kind: 'refused', rcode: 2, because: 'it answers SERVFAIL' })
    expect(read({ rcode: 5 })).toMatchObject({ kind: 'refused', because: 'it answers REFUSED' })
    expect(read({ rcode: 9 })).toMatchObject({ kind: 'refused', because: 'it answers with code 9' })
    const bare = Buffer.from('1234 8001 0000 0000 0000 0000'.replaceAll(' ', ''), 'hex')
    expect(readReply(bare, ask())).toMatchObject({ kind: 'refused', rcode: 1 })
  })

  it('reads the upper bits of the response code out of OPT', () => {
    const bad: WireRecord = { name: '', type: 'OPT', ttl: 0x0100_0000, rdata: Buffer.alloc(0), class: 1232 }
    expect(read({ additionals: [bad] })).toMatchObject({ kind: 'refused', rcode: 16 })
    expect(read({ additionals: [{ ...bad, ttl: 0 }] })).toMatchObject({ kind: 'reply' })
  })

  describe('ignores as foreign', () => {
    const query = ask('HTTPS')
    const question = questionOf(query.bytes)
    const change = (at: number, value: number) => {
      const changed = Buffer.from(question)
      changed[changed.length + at] = value
      return changed
    }
    it.each<[string, Buffer]>([
      ['nothing', Buffer.alloc(0)],
      ['half a header', wireReply(query.bytes).subarray(0, 11)],
      ['another id', wireReply(query.bytes, { id: ID + 1 })],
      ['a query', query.bytes],
      ['an answer to an update', wireReply(query.bytes).fill(0xa8, 2, 3)],
      ['a name that differs', wireReply(query.bytes, { question: change(-6, 0x6e) })],
      // 65 and 97: a letter and its other case, if they were letters.
      ['a type that differs', wireReply(query.bytes, { question: change(-3, 97) })],
      ['a class that differs', wireReply(query.bytes, { question: change(-1, 3) })],
      ['half a question', wireReply(query.bytes).subarray(0, 20)],
      ['no question without an error', wireReply(query.bytes, { question: Buffer.alloc(0) }).fill(0, 4, 6)],
    ])('%s', (_name, message) => {
      expect(readReply(message, query)).toEqual({ kind: 'foreign' })
    })

    it('nothing that differs only in the case of letters', () => {
      const upper = Buffer.from(question)
      upper.set(Buffer.from('WWW.eXAMPLE.cOM').subarray(0, 3), 1)
      expect(readReply(wireReply(query.bytes, { question: upper }), query)).toMatchObject({ kind: 'reply' })
    })
  })

  describe('refuses as malformed', () => {
    it.each<[string, WireReply | Buffer, string]>([
      [
        'a short A record',
        { answers: [{ ...a('b.example', '1.2.3.4'), rdata: Buffer.alloc(3) }] },
        'A record',
      ],
      [
        'a long A record',
        { answers: [{ ...a('b.example', '1.2.3.4'), rdata: Buffer.alloc(5) }] },
        'A record',
      ],
      ['a short AAAA record', { answers: [aaaa('b.example', '2001')] }, 'AAAA record'],
      [
        'a length beyond the end',
        { answers: [{ ...a('b.example', '1.2.3.4'), length: 5 }] },
        'beyond the message',
      ],
      [
        'bytes behind the name of a CNAME',
        { answers: [{ ...cname('b.example', 'c'), rdata: Buffer.concat([wireName('c'), Buffer.alloc(1)]) }] },
        'CNAME',
      ],
      [
        'a CNAME that is no name',
        { answers: [{ ...cname('b.example', 'c'), rdata: Buffer.from([9, 1]) }] },
        'CNAME',
      ],
      [
        'a short SOA record',
        { authorities: [{ ...soa('c', 1, 1), rdata: soa('c', 1, 1).rdata.subarray(1) }] },
        'SOA',
      ],
      [
        'a CNAME with a dot in a label',
        { answers: [{ ...cname('b', 'c'), rdata: Buffer.from('03612e6200', 'hex') }] },
        'CNAME',
      ],
    ])('%s', (_name, reply, because) => {
      const result = Buffer.isBuffer(reply) ? readReply(reply, ask()) : read(reply)
      expect(result).toEqual({ kind: 'malformed', because: expect.stringContaining(because) })
    })

    it('an owner with a space in it, but only where it counts', () => {
      expect(read({ answers: [a('a b', '1.2.3.4')] })).toMatchObject({ kind: 'malformed' })
      const txt: WireRecord = { name: 'a b', type: 'TXT', ttl: 1, rdata: Buffer.from([200]) }
      expect(read({ answers: [txt] })).toMatchObject({ kind: 'reply', reply: { answers: [] } })
    })

    it('too many records, and fewer than were announced', () => {
      const many = Array.from({ length: 257 }, () => a('b', '1.2.3.4'))
      expect(read({ answers: many })).toMatchObject({ because: 'it has 257 records, more than 256' })
      expect(read({ answers: many.slice(1) })).toMatchObject({ kind: 'reply' })
      const query = ask()
      const message = wireReply(query.bytes)
      message.writeUInt16BE(3, 6)
      expect(readReply(message, query)).toMatchObject({ kind: 'malformed' })
    })
  })
})
