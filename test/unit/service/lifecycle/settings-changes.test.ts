import { expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'
import { settingsChanges } from '../../../../src/service/lifecycle/settings-changes.ts'

function settings(config: object) {
  const parsed = parseConfig({ listen: [{ address: '127.0.0.1:0' }], ...config }, '/')
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.settings
}

const SHOP = { url: 'https://shop.example', hosts: ['shop'] }

it('the changes of settings name what a reload changes, and nothing where nothing does', () => {
  const before = settings({ origins: { shop: SHOP, old: { url: 'https://old.example', hosts: ['old'] } } })
  expect(settingsChanges(before, before)).toEqual([])
  const after = settings({
    origins: {
      shop: { ...SHOP, pool: { maxConnections: 3 } },
      fresh: { url: 'https://new.example', hosts: ['new'] },
    },
    errors: 'detail',
    shutdown: { drainTimeout: '5s' },
    limits: { maxOrigins: 7 },
  })
  expect(settingsChanges(before, after)).toEqual([
    'origin old: removed',
    'origin shop: changed',
    'origin fresh: added',
    'routes: 2 before, 2 now',
    'errors: changed',
    'shutdown: changed',
    'defaults, limits or resolve: changed',
  ])
  const moved = settings({ origins: { shop: { ...SHOP, url: 'https://other.example' } } })
  expect(settingsChanges(settings({ origins: { shop: SHOP } }), moved)).toEqual([
    'origin shop: changed, it is https://other.example now',
  ])
})
