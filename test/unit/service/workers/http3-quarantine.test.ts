import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'
import {
  Http3Quarantine,
  isNativeCrash,
  withoutHttp3,
} from '../../../../src/service/workers/http3-quarantine.ts'

describe('the quarantine of HTTP/3', () => {
  it('excludes an origin for a minute, twice as long after each further crash, an hour at the most', () => {
    const quarantine = new Http3Quarantine()
    const lengths: number[] = []
    let now = 0
    for (let crash = 0; crash < 9; crash++) {
      quarantine.add(['https://a'], now)
      const began = now
      while (quarantine.at(now).length > 0) now += 1_000
      lengths.push((now - began) / 60_000)
    }
    expect(lengths).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  it('begins anew with an origin that had no crash for as long again', () => {
    const quarantine = new Http3Quarantine()
    quarantine.add(['https://a', 'https://b'], 0)
    expect(quarantine.at(59_999)).toEqual(['https://a', 'https://b'])
    expect(quarantine.at(60_000)).toEqual([])
    expect(quarantine.at(120_000)).toEqual([])
    quarantine.add(['https://a'], 120_000)
    expect(quarantine.at(179_999)).toEqual(['https://a'])
    expect(quarantine.at(180_000)).toEqual([])
  })

  it('counts signals of native faults, and no kill', () => {
    expect(['SIGABRT', 'SIGSEGV', 'SIGILL', 'SIGBUS'].map(isNativeCrash)).toEqual([true, true, true, true])
    expect(['SIGKILL', 'SIGTERM', null].map(isNativeCrash)).toEqual([false, false, false])
  })
})

it('the quarantine of HTTP/3 excludes the named origins alone, and never leaves one without a protocol', () => {
  const parsed = parseConfig(
    {
      listen: [{ address: '127.0.0.1:0' }],
      defaults: { protocols: ['h3', 'http/1.1'] },
      origins: {
        a: { url: 'https://a.example' },
        b: { url: 'https://b.example', protocols: ['h3', 'h2'] },
        c: { url: 'https://c.example', protocols: ['h3'] },
        d: { url: 'https://d.example', protocols: ['h3', 'h2'] },
      },
      routes: [
        { origin: 'a' },
        { host: 'b', origin: 'b' },
        { host: 'c', origin: 'c' },
        { host: 'd', origin: 'd' },
      ],
    },
    '/',
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  const { settings } = parsed
  const key = (name: string): string =>
    settings.origins.find(origin => origin.name === name)?.origin.key ?? ''
  const { transport } = withoutHttp3(settings, ['a', 'b', 'c'].map(key).concat('https://gone.example:443'))
  expect(['a', 'b', 'c', 'd'].map(name => transport.origins?.[key(name)]?.protocols)).toEqual([
    ['http/1.1'],
    ['h2'],
    ['h3'],
    ['h3', 'h2'],
  ])
  expect(withoutHttp3(settings, [])).toBe(settings)
})
