import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { SystemLookup } from '../../../src/dns/address-lookup.ts'
import type { FoundAddresses } from '../../../src/dns/addresses.ts'

const FOUND: FoundAddresses = {
  kind: 'found',
  addresses: [{ address: '192.0.2.1', family: 4 }],
  source: 'system',
  ttlMs: Infinity,
}
const FAILED: FoundAddresses = {
  kind: 'failed',
  error: new TransportError('MM_DNS_FAILED', 'nobody answers'),
}

/** A system whose answers the test gives. `asked` has the names that occupy a thread now. */
function setUp(maxConcurrent: number) {
  const asked = new Map<string, (found: FoundAddresses) => void>()
  const lookup = new SystemLookup(maxConcurrent, host => new Promise(resolve => asked.set(host, resolve)))
  return {
    lookup,
    running: () => [...asked.keys()],
    answer: async (host: string, found: FoundAddresses) => {
      asked.get(host)?.(found)
      asked.delete(host)
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    },
    /** Starts it, and lets it get as far as it can. */
    start: async (host: string) => {
      void lookup.find(host)
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    },
  }
}

describe('SystemLookup', () => {
  it('asks for no more at once than it may, and for the others in turns', async () => {
    const { running, start, answer } = setUp(2)
    for (const host of ['one', 'two', 'three', 'four']) await start(host)
    expect(running()).toEqual(['one', 'two'])
    await answer('one', FOUND)
    expect(running()).toEqual(['two', 'three'])
    await answer('two', FAILED)
    expect(running()).toEqual(['three', 'four'])
  })

  it('has one thread left for healthy names, however many hang that failed before', async () => {
    const { running, start, answer } = setUp(2)
    for (const host of ['dead1', 'dead2', 'dead3']) {
      await start(host)
      await answer(host, FAILED)
    }
    for (const host of ['dead1', 'dead2', 'dead3', 'healthy']) await start(host)
    expect(running()).toEqual(['dead1', 'healthy'])
    await answer('dead1', FOUND)
    expect(running()).toEqual(['healthy', 'dead2'])
    await start('dead1')
    await answer('healthy', FOUND)
    expect(running()).toEqual(['dead2', 'dead1'])
  })

  it.each([0, 1])('asks for one at a time with %i', async most => {
    const { running, start } = setUp(most)
    await start('one')
    await start('two')
    expect(running()).toEqual(['one'])
  })
})
