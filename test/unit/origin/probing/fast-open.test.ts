import { describe, expect, it } from 'vitest'
import { FastOpenNews } from '../../../../src/origin/probing/fast-open.ts'

const at = (port: number, address = '192.0.2.1') =>
  ({ address, family: address.includes(':') ? 6 : 4, port, transport: 'tcp' }) as const
const USED = { outcome: 'used', because: 'the SYN carried 400 bytes', isSpared: true } as const
const FALLBACK = { outcome: 'fallback', because: 'koffi is not installed', isSpared: false } as const

describe('FastOpenNews', () => {
  it('is empty at first', () => {
    expect(new FastOpenNews().facts(0)).toEqual([])
  })

  it('reports the last result of each endpoint, the latest at the end', () => {
    const news = new FastOpenNews()
    news.onReport(at(443), FALLBACK, 1_000)
    news.onReport(at(443, '2001:db8::1'), FALLBACK, 2_000)
    news.onReport(at(443), USED, 3_000)
    expect(news.facts(5_500)).toEqual([
      {
        fact: 'TCP Fast Open to [2001:db8::1]:443 was asked for and not used: koffi is not installed',
        evidence: 'the last connect, 3 s ago',
      },
      {
        fact: 'TCP Fast Open to 192.0.2.1:443 was used: the SYN carried 400 bytes',
        evidence: 'the last connect, 2 s ago',
      },
    ])
  })

  it('keeps 32 endpoints, those that were reported last', () => {
    const news = new FastOpenNews()
    for (let port = 1; port <= 100; port++) news.onReport(at(port), USED, port)
    news.onReport(at(69), USED, 200)
    news.onReport(at(101), USED, 201)
    const ports = news.facts(201).map(({ fact }) => Number(/:(\d+) /.exec(fact)?.[1]))
    expect(ports).toHaveLength(32)
    expect([ports[0], ports.at(-2), ports.at(-1)]).toEqual([71, 69, 101])
  })
})
