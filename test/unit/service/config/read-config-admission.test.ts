import { describe, expect, it } from 'vitest'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

/** What is wrong with the options of `defaults`, by path. */
function faults(defaults: string): string[] {
  const read = readConfigText(
    `listen: [{ address: 127.0.0.1:0 }]\ndefaults: ${defaults}\norigins: { a: { url: http://a } }\n`,
    '/',
  )
  return read.ok ? [] : read.faults.map(({ path, message }) => `${path}: ${message}`)
}

describe('the configuration of retries and breakers', () => {
  it('accepts every key', () => {
    const retry = 'retry: { statuses: [429, 503], perTryTimeout: 2s }'
    const breakers = 'breakers: { maxRequests: 5, maxRetries: 1 }'
    const numbers = 'initial: 5, min: 2, max: 9, window: 2s, minSamples: 3, tolerance: 1.2'
    expect(faults(`{ ${retry}, ${breakers}, concurrency: { limit: off, ${numbers} } }`)).toEqual([])
  })

  it.each([
    ['retry: { statuses: [404] }', 'defaults.retry.statuses[0]: must be 429, or from 500 to 599'],
    ['breakers: { maxRequests: 1.5 }', 'defaults.breakers.maxRequests: '],
    ['concurrency: { limit: vegas }', 'defaults.concurrency.limit: '],
    ['concurrency: { tolerance: 0.5 }', 'defaults.concurrency.tolerance: '],
    ['concurrency: { window: 1ms }', 'defaults.concurrency.window: must be at least 10 ms'],
  ])('refuses %s at its place', (options, fault) => {
    expect(faults(`{ ${options} }`)).toEqual([expect.stringContaining(fault)])
  })
})
