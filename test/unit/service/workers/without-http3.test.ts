import { expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/read-config.ts'
import { withoutHttp3 } from '../../../../src/service/workers/without-http3.ts'

it('leaves HTTP/3 out for the named origins alone, and never leaves one without a protocol', () => {
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
