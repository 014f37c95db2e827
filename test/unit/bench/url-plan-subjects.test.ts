import { describe, expect, it } from 'vitest'
import { otherSubjects, protocolSubjects } from '../../../src/bench/url-plan.ts'

const short = ({ name, client, protocol, connections }: ReturnType<typeof protocolSubjects>[number]) => [
  name,
  client.make,
  protocol,
  connections,
]

describe('--protocols', () => {
  it('names our transport with a protocol and a number of connections', () => {
    expect(protocolSubjects('http/1.1x6,h2, h2x2,h3,auto').map(short)).toEqual([
      ['http/1.1x6', 'middlemile', 'http/1.1', 6],
      ['h2', 'middlemile', 'h2', 0],
      ['h2x2', 'middlemile', 'h2', 2],
      ['h3', 'middlemile', 'h3', 0],
      ['auto', 'middlemile', undefined, 0],
    ])
  })

  it.each(['', 'h4', 'h2x', 'h2x0', 'h2x1001', 'x3', 'h2,,h3', 'h2,h2'])('refuses %o', list => {
    expect(() => protocolSubjects(list)).toThrow(RangeError)
  })
})

describe('--with', () => {
  it('names other clients, with their own protocol unless another is given', () => {
    expect(otherSubjects('undici,undici:h2,node:http2x2,curl:h2').map(short)).toEqual([
      ['undici', 'undici', 'http/1.1', 0],
      ['undici:h2', 'undici', 'h2', 0],
      ['node:http2x2', 'nodeHttp2', 'h2', 2],
      ['curl:h2', 'curl', 'h2', 0],
    ])
  })

  it.each(['', 'got', 'undici:h4', 'undicix0', 'undici2', 'node:http3', 'curl,curl'])('refuses %o', list => {
    expect(() => otherSubjects(list)).toThrow(RangeError)
  })
})
