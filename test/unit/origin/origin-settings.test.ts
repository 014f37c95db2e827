import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS } from '../../../src/base/options/options.ts'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
} from '../../../src/base/options/protocol-options.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'

const shop = parseOrigin('https://shop.example')
const blog = parseOrigin('https://blog.example')

describe('SettingsBook', () => {
  it('merges an origin over the defaults, group by group', () => {
    const book = new SettingsBook({
      defaults: { pool: { maxConnections: 4, warm: 1 }, timeouts: { headersMs: 5 } },
      origins: { 'https://shop.example:443/': { pool: { warm: 2 } } },
    })
    expect(book.settingsFor(shop).pool).toEqual({ ...DEFAULT_POOL_OPTIONS, maxConnections: 4, warm: 2 })
    expect(book.settingsFor(blog).pool.warm).toBe(1)
    expect(book.settingsFor(shop).timeouts.headersMs).toBe(5)
  })

  it('takes undefined for an option that is not given, in groups as well', () => {
    const book = new SettingsBook({
      defaults: {
        tls: { ca: 'PEM' },
        pool: { maxConnections: 4, warm: undefined },
        select: { policy: undefined },
      },
      origins: {
        'https://shop.example': {
          tls: { ca: undefined },
          pool: { maxConnections: undefined },
          timeouts: undefined,
        },
      },
    })
    const settings = book.settingsFor(shop)
    expect(settings.tls).toEqual({ ca: 'PEM' })
    expect(settings.pool).toEqual({ ...DEFAULT_POOL_OPTIONS, maxConnections: 4 })
    expect(settings.fingerprint).toBe(
      new SettingsBook({ defaults: { tls: { ca: 'PEM' }, pool: { maxConnections: 4 } } }).settingsFor(shop)
        .fingerprint,
    )
  })

  it('merges the options of HTTP/2 as well, and accepts the ends of every range', () => {
    const book = new SettingsBook({
      defaults: { http2: { streamsBeforeSettings: 0, maxFrameBytes: 16_777_215 } },
      origins: { 'https://shop.example': { http2: { headerTableBytes: 0 } } },
    })
    expect(book.settingsFor(shop).http2).toEqual({
      ...DEFAULT_HTTP2_OPTIONS,
      streamsBeforeSettings: 0,
      maxFrameBytes: 16_777_215,
      headerTableBytes: 0,
    })
    expect(book.settingsFor(blog).http2.headerTableBytes).toBe(DEFAULT_HTTP2_OPTIONS.headerTableBytes)
  })

  it('merges QUIC, HTTP/3, early data and trust', () => {
    const book = new SettingsBook({
      defaults: { quic: { idleTimeoutMs: 0 }, http3: { qpackTableBytes: 0 }, earlyData: 'safe' },
      origins: { 'https://shop.example': { quic: { maxBurstBytes: 16_384 }, trusted: true } },
    })
    const { quic, http3, earlyData, trusted } = book.settingsFor(shop)
    expect(quic).toEqual({ ...DEFAULT_QUIC_OPTIONS, idleTimeoutMs: 0, maxBurstBytes: 16_384 })
    expect(http3).toEqual({ ...DEFAULT_HTTP3_OPTIONS, qpackTableBytes: 0 })
    expect([earlyData, trusted]).toEqual(['safe', true])
    const other = new SettingsBook({}).settingsFor(shop)
    expect([other.earlyData, other.trusted]).toEqual(['off', false])
  })

  it('gives equal fingerprints to equal settings only', () => {
    const one = new SettingsBook({ defaults: { pool: { warm: 1 } } })
    const same = new SettingsBook({ origins: { 'https://shop.example': { pool: { warm: 1 } } } })
    expect(one.settingsFor(shop).fingerprint).toBe(same.settingsFor(shop).fingerprint)
    expect(same.settingsFor(blog).fingerprint).not.toBe(one.settingsFor(blog).fingerprint)
  })

  it.each([
    [{ pool: { maxConnections: 0 } }, 'pool.maxConnections must be at least 1'],
    [{ pool: { maxStreamsPerConnection: 0 } }, 'pool.maxStreamsPerConnection must be at least 1'],
    [{ timeouts: { headersMs: -1 } }, 'timeouts.headersMs must be a number that is not negative'],
    [{ retry: { budgetRatio: Number.NaN } }, 'retry.budgetRatio must be a number'],
    [
      { http2: { maxFrameBytes: 16_383 } },
      'http2.maxFrameBytes must be a whole number from 16384 to 16777215',
    ],
    [
      { http2: { streamWindowBytes: 2 ** 31 } },
      'http2.streamWindowBytes must be a whole number from 1 to 2147483647',
    ],
    [
      { http2: { connectionWindowBytes: 65_534 } },
      'http2.connectionWindowBytes must be a whole number from 65535',
    ],
    [{ http2: { maxPingsPerSecond: 0 } }, 'http2.maxPingsPerSecond must be a whole number from 1'],
    [{ http2: { streamsBeforeSettings: 1.5 } }, 'http2.streamsBeforeSettings must be a whole number from 0'],
    [{ http2: { settingsTimeoutMs: Number.NaN } }, 'http2.settingsTimeoutMs must be a whole number'],
    [
      { http2: { streamWindowBytes: 4096, maxStreamWindowBytes: 4095 } },
      'http2.maxStreamWindowBytes must not be below http2.streamWindowBytes (4096)',
    ],
    [{ protection: { maxConnections: 1.5 } }, 'protection.maxConnections must be a whole number, not 1.5'],
    [{ protection: { fairBy: 'route' as 'host' } }, "protection.fairBy must be 'client', 'host' or 'none'"],
    [{ protocols: [] }, 'protocols must name at least one'],
    [{ earlyData: 'all' as 'safe' }, "earlyData must be 'off' or 'safe'"],
    [{ trusted: 'yes' as unknown as boolean }, 'trusted must be true or false'],
    [
      { quic: { maxUdpPayloadBytes: 1199 } },
      'quic.maxUdpPayloadBytes must be a whole number from 1200 to 16383',
    ],
    [
      // A configuration in JavaScript has no types.
      { quic: { congestionControl: 'vegas' as 'bbr' } },
      'quic.congestionControl must be one of cubic, bbr, reno, not vegas',
    ],
    [{ quic: { maxSurplusBytes: 0 } }, 'quic.maxSurplusBytes must be a whole number from 1'],
    [
      { quic: { maxUnidirectionalStreams: 2 } },
      'quic.maxUnidirectionalStreams must be a whole number from 3',
    ],
    [
      { quic: { streamWindowBytes: 4096, maxStreamWindowBytes: 4095 } },
      'quic.maxStreamWindowBytes must not be below quic.streamWindowBytes (4096)',
    ],
    [{ http3: { qpackTableBytes: -1 } }, 'http3.qpackTableBytes must be a whole number from 0'],
    [{ http3: { writeAheadBytes: 0 } }, 'http3.writeAheadBytes must be a whole number from 1'],
    [{ tfo: 'sometimes' as never }, "tfo must be 'off', 'auto' or 'on'"],
    [{ socket: { congestionControl: 'Cubic!' } }, 'socket.congestionControl must be a name'],
  ])('refuses %j', (defaults, message) => {
    expect(() => new SettingsBook({ defaults })).toThrow(message)
    expect(() => new SettingsBook({ origins: { 'https://shop.example': defaults } })).toThrow(message)
  })

  it('refuses an origin that is no URL', () => {
    expect(() => new SettingsBook({ origins: { shop: {} } })).toThrow('not an absolute URL')
  })
})
