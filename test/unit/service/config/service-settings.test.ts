import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'
import { restartWarnings } from '../../../../src/service/config/service-settings.ts'

function settings(changes: object = {}) {
  const parsed = parseConfig(
    { listen: [{ address: ':80' }], origins: { a: { url: 'http://a' } }, ...changes },
    '.',
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.settings
}

describe('a reload', () => {
  it('warns of changes that need a restart, and of no others', () => {
    expect(restartWarnings(settings(), settings())).toEqual([])
    expect(restartWarnings(settings(), settings({ origins: { b: { url: 'http://b' } } }))).toEqual([])
    const changed = settings({
      listen: [{ address: ':81' }],
      admin: 'off',
      log: { level: 'debug' },
      ingress: { maxLineBytes: 100 },
      state: { directory: 'state', redis: { url: 'redis://127.0.0.1' } },
      qlog: { directory: 'traces' },
      dnsServers: ['192.0.2.53'],
      resolver: { dnsCache: '1m' },
    })
    expect(restartWarnings(settings(), changed).map(warning => warning.split(':')[0])).toEqual([
      'listen',
      'ingress',
      'admin',
      'log',
      'state',
      'state.redis',
      'qlog',
      'dnsServers',
      'resolver',
    ])
  })

  it('reports that what listeners answer themselves keeps the old name', () => {
    const renamed = settings({ forwarding: { via: 'other', trustForwarded: true } })
    expect(restartWarnings(settings(), renamed)).toEqual([expect.stringMatching(/^forwarding\.via: /)])
  })
})
