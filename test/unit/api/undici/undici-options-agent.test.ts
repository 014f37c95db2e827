import { describe, expect, it } from 'vitest'
import { fromUndiciAgentOptions } from '../../../../src/api/undici/undici-options.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'

const origin = parseOrigin('https://shop.example')

describe("the options of undici's Agent", () => {
  it('allow HTTP/2 where allowH2 allows it, and nowhere else', () => {
    expect(fromUndiciAgentOptions({ allowH2: true }).protocols).toEqual(['h2', 'http/1.1'])
    expect(fromUndiciAgentOptions({ connect: { allowH2: true } }).protocols).toEqual(['h2', 'http/1.1'])
    expect(fromUndiciAgentOptions({ allowH2: false }).protocols).toEqual(['http/1.1'])
    expect(fromUndiciAgentOptions({}).protocols).toEqual(['http/1.1'])
  })

  it('become options for origins that settings accept', () => {
    const options = fromUndiciAgentOptions({
      allowH2: true,
      connections: 8,
      maxConcurrentStreams: 50,
      keepAliveTimeout: 4_000,
      maxRequestsPerClient: 10,
      headersTimeout: 1_000,
      bodyTimeout: 0,
      maxHeaderSize: 32_768,
      connect: {
        timeout: 500,
        ca: ['one', 'two'],
        cert: Buffer.from('cert'),
        key: 'key',
        passphrase: 'word',
        servername: 'inside.example',
        rejectUnauthorized: false,
        ciphers: 'X',
      },
    })
    expect(new SettingsBook({ defaults: options }).settingsFor(origin)).toMatchObject({
      protocols: ['h2', 'http/1.1'],
      pool: { maxConnections: 8, maxStreamsPerConnection: 50, idleTimeoutMs: 4_000, maxRequests: 10 },
      timeouts: { headersMs: 1_000, bodyMs: 0, connectMs: 500 },
      limits: { maxHeaderBytes: 32_768 },
      tls: {
        ca: ['one', 'two'],
        cert: 'cert',
        key: 'key',
        passphrase: 'word',
        serverName: 'inside.example',
        rejectUnauthorized: false,
        ciphers: 'X',
      },
    })
  })

  it('keep our defaults where they are not given, or have no limit', () => {
    expect(fromUndiciAgentOptions({ connections: null, connect: () => {} })).toEqual({
      protocols: ['http/1.1'],
      pool: {},
      timeouts: {},
      limits: {},
      tls: {},
    })
  })
})
