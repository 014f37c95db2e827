import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type SocksAnswer,
  SocksNegotiation,
  socksConnect,
  socksGreeting,
} from '../../../../src/connect/proxy/socks5-codec.ts'

const TARGET = { host: 'a.test', port: 443 }
const USER = { user: 'me', password: 'secret' }

function hex(answer: SocksAnswer): string {
  return answer.kind === 'send' ? answer.bytes.toString('hex') : answer.kind
}

describe('what is sent to a SOCKS5 proxy', () => {
  it('offers a user and password only where there are any', () => {
    expect(socksGreeting(undefined).toString('hex')).toBe('050100')
    expect(socksGreeting(USER).toString('hex')).toBe('05020002')
  })

  it('names the target by name, IPv4 or IPv6', () => {
    expect(socksConnect(TARGET).toString('hex')).toBe(
      `0501000306${Buffer.from('a.test').toString('hex')}01bb`,
    )
    expect(socksConnect({ host: '192.0.2.1', port: 80 }).toString('hex')).toBe('05010001c00002010050')
    expect(socksConnect({ host: '2001:db8::1', port: 80 }).toString('hex')).toBe(
      '0501000420010db80000000000000000000000010050',
    )
    expect(socksConnect({ host: '::ffff:192.0.2.1', port: 80 }).toString('hex')).toBe(
      '0501000400000000000000000000ffffc00002010050',
    )
  })
})

describe('a SOCKS5 negotiation', () => {
  it('authenticates when asked, connects, and passes on what follows the reply', () => {
    const negotiation = new SocksNegotiation(TARGET, USER)
    expect(hex(negotiation.push(Buffer.from([5, 2])))).toBe('01026d6506736563726574')
    expect(hex(negotiation.push(Buffer.from([1, 0])))).toMatch(/^05010003/)
    const answer = negotiation.push(Buffer.from([5, 0, 0, 3, 1, 0x61, 0, 0, 7, 8]))
    expect(answer).toEqual({ kind: 'tunnel', rest: Buffer.from([7, 8]) })
  })

  it('reads a reply however it is cut', () => {
    const reply = Buffer.from([5, 0, 0, 4, ...Buffer.alloc(16), 0, 80])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: reply.length - 1 }), at => {
        const negotiation = new SocksNegotiation(TARGET, undefined)
        negotiation.push(Buffer.from([5]))
        negotiation.push(Buffer.from([0]))
        expect(negotiation.push(reply.subarray(0, at)).kind).toBe('more')
        expect(negotiation.push(reply.subarray(at)).kind).toBe('tunnel')
      }),
    )
  })

  it('says which credentials are wanted: some, others, or none', () => {
    const answers = [
      new SocksNegotiation(TARGET, undefined).push(Buffer.from([5, 0xff])),
      new SocksNegotiation(TARGET, undefined).push(Buffer.from([5, 2])),
      new SocksNegotiation(TARGET, USER).push(Buffer.from([5, 0xff])),
    ]
    const wrong = new SocksNegotiation(TARGET, USER)
    wrong.push(Buffer.from([5, 2]))
    answers.push(wrong.push(Buffer.from([1, 1])))
    expect(answers.map(answer => ('because' in answer ? `${answer.kind}: ${answer.because}` : ''))).toEqual([
      'unauthorized: it asks for a user and password',
      'unauthorized: it asks for a user and password',
      'unauthorized: it takes no user and password',
      'unauthorized: it does not accept the user and password',
    ])
  })

  it('recognizes a refusal by its first two bytes, which are all that some proxies send', () => {
    const negotiation = new SocksNegotiation(TARGET, undefined)
    negotiation.push(Buffer.from([5, 0]))
    expect(negotiation.push(Buffer.from([5, 5]))).toEqual({
      kind: 'refused',
      reply: 5,
      because: 'connection refused',
    })
  })

  it('ends at what is not SOCKS5, and never throws or waits for more than 262 bytes', () => {
    expect(new SocksNegotiation(TARGET, undefined).push(Buffer.from('HTTP/1.1 400')).kind).toBe('broken')
    expect(new SocksNegotiation(TARGET, undefined).push(Buffer.from([5, 0, 5, 0])).kind).toBe('broken')
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 20 }), pieces => {
        const negotiation = new SocksNegotiation(TARGET, USER)
        let waiting = 0
        for (const piece of pieces) {
          const { kind } = negotiation.push(Buffer.from(piece))
          if (kind !== 'more' && kind !== 'send') return
          waiting = kind === 'more' ? waiting + piece.length : 0
          expect(waiting).toBeLessThanOrEqual(262)
        }
      }),
    )
  })
})
