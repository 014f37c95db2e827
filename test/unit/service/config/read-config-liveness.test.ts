import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'
import { DEFAULT_BUFFER_OPTIONS } from '../../../../src/service/forwarding/buffer-options.ts'
import { DEFAULT_MEMORY_OPTIONS } from '../../../../src/service/lifecycle/unused-memory.ts'

const REST = 'listen: [{ address: :80 }]\norigins: { a: { url: http://a } }\n'

function settingsOf(text: string) {
  const read = readConfigText(REST + text, '.')
  if (!read.ok) throw new Error(read.faults.map(fault => formatFault(fault)).join('\n'))
  return read.settings
}

function faults(text: string): string[] {
  const read = readConfigText(REST + text, '.')
  return read.ok ? [] : read.faults.map(fault => formatFault(fault))
}

describe('a configuration of the resolver and of liveness', () => {
  it('has all options of the resolver', () => {
    const { resolver } = settingsOf(
      'resolver: { dnsCache: 10s, dnsNegativeCache: 500, maxDnsEntries: 64, networkCheck: 1s, dnsRefresh: 0 }',
    )
    expect(resolver).toEqual({
      dnsCacheMs: 10_000,
      dnsNegativeCacheMs: 500,
      maxDnsEntries: 64,
      networkCheckMs: 1_000,
      dnsRefreshMs: 0,
    })
    expect(settingsOf('').resolver).toBeUndefined()
  })

  it('has the liveness of listeners beside that of origins', () => {
    const { ingress, transport } = settingsOf(
      'ingress: { liveness: { interval: 2s, timeout: 6s, quietInterval: 1m, idleInterval: 0 } }\ndefaults: { liveness: { interval: 1s } }',
    )
    expect(ingress).toEqual({
      liveness: { intervalMs: 2_000, timeoutMs: 6_000, quietIntervalMs: 60_000, idleIntervalMs: 0 },
    })
    expect(transport.defaults).toEqual({ liveness: { intervalMs: 1_000 } })
  })

  it('is refused at the place of a misspelled or invalid key', () => {
    expect(
      faults(
        'resolver: { dnsRefreshMs: 1, networkChek: 5s, maxDnsEntries: 0 }\ningress: { liveness: { intervall: 1s, timeout: 1000h } }',
      ),
    ).toEqual([
      '3:13: resolver.dnsRefreshMs: unknown key; did you mean "dnsRefresh"?',
      '3:30: resolver.networkChek: unknown key; did you mean "networkCheck"?',
      '3:62: resolver.maxDnsEntries: must be at least 1, not 0',
      '4:24: ingress.liveness.intervall: unknown key; did you mean "interval"?',
      '4:48: ingress.liveness.timeout: must be at most 2147483647 ms, not 3600000000 ms',
    ])
    expect(faults('resolvr: { dnsRefresh: 1s }')).toEqual([
      '3:1: resolvr: unknown key; did you mean "resolver"?',
    ])
  })
})

describe('the configuration of unused memory', () => {
  it('has a bound, which may be 0', () => {
    expect(settingsOf('memory: { maxUnusedBytes: 16MiB }').memory).toEqual({ maxUnusedBytes: 16_777_216 })
    expect(settingsOf('memory: { maxUnusedBytes: 0 }').memory).toEqual({ maxUnusedBytes: 0 })
    expect(settingsOf('').memory).toEqual(DEFAULT_MEMORY_OPTIONS)
    expect(faults('memory: { maxUnused: 1MiB }')).toEqual([
      '3:11: memory.maxUnused: unknown key; known here: maxUnusedBytes',
    ])
  })
})

describe('the configuration of slow clients', () => {
  it('has bounds for one response and for all, a share and a grace', () => {
    expect(
      settingsOf(
        'forwarding: { buffering: { responseBufferBytes: 2MiB, maxBufferedBytes: 0, maxStalledShare: 0.25, stallGrace: 5s } }',
      ).forwarding.buffering,
    ).toEqual({
      responseBufferBytes: 2_097_152,
      maxBufferedBytes: 0,
      maxStalledShare: 0.25,
      stallGraceMs: 5_000,
    })
    expect(settingsOf('').forwarding.buffering).toEqual(DEFAULT_BUFFER_OPTIONS)
  })

  it('is refused with the place of a share above all', () => {
    expect(faults('forwarding: { buffering: { maxStalledShare: 1.5 } }')).toEqual([
      expect.stringContaining('forwarding.buffering.maxStalledShare'),
    ])
  })
})
