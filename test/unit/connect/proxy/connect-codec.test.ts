import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ConnectAnswer,
  ConnectDecoder,
  connectRequest,
} from '../../../../src/connect/proxy/connect-codec.ts'

function decode(pieces: readonly (string | Buffer)[]): ConnectAnswer {
  const decoder = new ConnectDecoder()
  let answer: ConnectAnswer = { kind: 'more' }
  for (const piece of pieces) {
    answer = decoder.push(Buffer.from(piece as Buffer))
    if (answer.kind !== 'more') break
  }
  return answer
}

describe('a CONNECT request', () => {
  it('names the target twice, IPv6 in brackets', () => {
    expect(connectRequest({ host: '::1', port: 443 }, undefined).toString()).toBe(
      'CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n',
    )
  })

  it('carries credentials as Basic, in UTF-8', () => {
    const text = connectRequest({ host: 'a.test', port: 1 }, { user: 'jé', password: 'a:b' }).toString()
    expect(text).toContain(
      `\r\nProxy-Authorization: Basic ${Buffer.from('jé:a:b').toString('base64')}\r\n\r\n`,
    )
  })
})

describe('the answer to a CONNECT', () => {
  it('is a tunnel with any 2xx, however it is cut, and keeps what follows', () => {
    const text = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 Fine\r\nContent-Length: 3\r\n\r\nxyz'
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 20 }), cuts => {
        const pieces: string[] = []
        let at = 0
        for (const cut of cuts) pieces.push(text.slice(at, (at += cut)))
        const decoder = new ConnectDecoder()
        const rest = [...pieces, text.slice(at)].map(piece => {
          const answer = decoder.push(Buffer.from(piece))
          return answer.kind === 'tunnel' ? answer.rest.toString() : answer.kind
        })
        const end = rest.findIndex(one => one !== 'more')
        expect('xyz'.startsWith(rest[end] ?? 'none')).toBe(true)
      }),
    )
  })

  it('is a refusal with another status, whose reason is cut short', () => {
    expect(decode(['HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\n'])).toEqual({
      kind: 'refused',
      status: 407,
      reason: 'Proxy Authentication Required',
    })
    expect(decode([`HTTP/1.1 403 ${'x'.repeat(500)}\r\n\r\n`])).toMatchObject({ reason: 'x'.repeat(80) })
  })

  it('is broken when it is not HTTP, which its first bytes show', () => {
    for (const text of [
      'SSH-2.0-x',
      'H2',
      'HTTP/2 200\r\n\r\n',
      'HTTP/1.1 2x0 OK\r\n\r\n',
      'HTTP/1.1 101 S\r\n\r\n',
    ])
      expect(decode([text]), text).toMatchObject({ kind: 'broken' })
    expect(decode(['HTTP/1.1 200 OK\r\nno field\r\n\r\n'])).toMatchObject({ kind: 'broken' })
  })

  it('has an end within 16 KiB, interim responses included', () => {
    const decoder = new ConnectDecoder()
    let pushed = 0
    let answer: ConnectAnswer = { kind: 'more' }
    for (; answer.kind === 'more'; pushed += 25)
      answer = decoder.push(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'))
    expect(answer.kind).toBe('broken')
    expect(pushed).toBeLessThan(16_500)
  })

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), pieces => {
        decode(pieces.map(piece => Buffer.from(piece)))
      }),
    )
  })
})
