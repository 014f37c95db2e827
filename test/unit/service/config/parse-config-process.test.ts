import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'

const parse = (config: object) =>
  parseConfig({ listen: [{ address: ':0' }], origins: { a: { url: 'http://a.test' } }, ...config }, '.')

function faultsOf(config: object): string[] {
  const read = parse(config)
  return read.ok ? [] : read.faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('shutdown and log', () => {
  it('have defaults', () => {
    expect(parse({})).toMatchObject({
      settings: {
        shutdown: { drainTimeoutMs: 30_000, keepAdmin: false, maxFaults: 10, faultWindowMs: 60_000 },
        log: { level: 'info', format: 'text', maxQueuedBytes: 1_048_576, maxQueuedLines: 10_000 },
      },
    })
  })

  it('take what is written', () => {
    const shutdown = { keepAdmin: true, maxFaults: 0, faultWindow: '5m' }
    const log = { maxQueuedBytes: '64KiB', maxQueuedLines: 1 }
    expect(parse({ shutdown, log })).toMatchObject({
      settings: {
        shutdown: { keepAdmin: true, maxFaults: 0, faultWindowMs: 300_000 },
        log: { maxQueuedBytes: 65_536, maxQueuedLines: 1 },
      },
    })
  })

  it('refuse a queue for nothing, and more faults than are remembered', () => {
    expect(parse({ shutdown: { maxFaults: 1_000 }, log: { maxQueuedBytes: 1 } }).ok).toBe(true)
    expect(faultsOf({ shutdown: { maxFaults: 1_001 } })).toHaveLength(1)
    expect(faultsOf({ shutdown: { maxFaults: -1 } })).toHaveLength(1)
    expect(faultsOf({ log: { maxQueuedBytes: 0 } })).toEqual([
      expect.stringMatching(/^log\.maxQueuedBytes: must be at least 1 bytes/),
    ])
    expect(faultsOf({ log: { maxQueuedLines: 0 } })).toHaveLength(1)
  })
})
