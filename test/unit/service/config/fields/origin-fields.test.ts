import { describe, expect, it } from 'vitest'
import type { OriginOptions } from '../../../../../src/index.ts'
import { readConfigText } from '../../../../../src/service/config/read-config.ts'

function optionsOf(text: string): OriginOptions | undefined {
  const read = readConfigText(`listen: [{ address: :80 }]\norigins: { a: { url: http://a, ${text} } }`, '.')
  if (!read.ok) return undefined
  return read.settings.transport.origins?.['http://a']
}

describe('the configuration of what protects an origin', () => {
  it('has a ceiling, and fairness between clients', () => {
    expect(optionsOf('protection: { maxConnections: 20, fairBy: host }')?.protection).toEqual({
      maxConnections: 20,
      fairBy: 'host',
    })
  })

  it.each(['protection: { maxConnections: 1.5 }', 'protection: { fairBy: route }'])(
    'is refused with %s',
    text => {
      expect(optionsOf(text)).toBeUndefined()
    },
  )
})

describe('the configuration of reuse', () => {
  it('has the mode, the objective and the headroom', () => {
    expect(optionsOf('reuse: safe, pool: { headroom: 1.5 }')).toMatchObject({
      reuse: 'safe',
      pool: { headroom: 1.5 },
    })
    expect(optionsOf('objective: { reuse: 0.99, window: 5m }')?.objective).toEqual({
      reuse: 0.99,
      windowMs: 300_000,
    })
  })

  it.each([
    'reuse: often',
    'objective: { reuse: 1.5 }',
    'objective: { window: 1s }',
    'pool: { headroom: -1 }',
  ])('is refused with %s', text => {
    expect(optionsOf(text)).toBeUndefined()
  })
})
