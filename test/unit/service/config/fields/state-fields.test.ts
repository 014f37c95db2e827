import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../../src/service/config/parse-config.ts'

function parse(state: unknown) {
  return parseConfig(
    { listen: [{ address: ':80' }], origins: { a: { url: 'http://a' } }, state },
    '/etc/edge',
  )
}

function faults(redis: unknown): string[] {
  const result = parse({ redis })
  return result.ok ? [] : result.faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('state.redis', () => {
  it('has its defaults, and needs no directory', () => {
    const result = parse({ redis: { url: 'redis://cache.example' } })
    if (!result.ok) throw new Error('refused')
    expect(result.settings.state).toBeUndefined()
    expect(result.settings.redis).toEqual({
      url: 'redis://cache.example',
      prefix: 'middlemile:',
      tls: undefined,
      connectTimeoutMs: 2_000,
      answerTimeoutMs: 1_000,
      leaseMs: 15_000,
    })
  })

  it('accepts every key, in addition to a directory', () => {
    const result = parse({
      directory: 'state',
      redis: {
        url: 'redis://edge:p%40ss@cache.example:6380/3',
        prefix: 'eu:',
        connectTimeout: '3s',
        answerTimeout: 200,
        lease: '1m',
      },
    })
    if (!result.ok) throw new Error('refused')
    expect(result.settings.state).toEqual({ directory: '/etc/edge/state' })
    expect(result.settings.redis).toMatchObject({
      prefix: 'eu:',
      connectTimeoutMs: 3_000,
      answerTimeoutMs: 200,
      leaseMs: 60_000,
    })
  })

  it.each([
    [{ url: 'http://open-sesame@a' }, 'state.redis.url: must begin with redis:// or rediss://'],
    [
      { url: 'redis://:open-sesame@' },
      'state.redis.url: must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS',
    ],
    [
      { url: 'redis://:open-sesame%@a' },
      'state.redis.url: must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS',
    ],
    [{ url: 'redis:///1' }, 'state.redis.url: names no host'],
    [{ url: 'redis://a/one' }, 'state.redis.url: names a database that is no number'],
    [{ url: 'redis://a/1?x' }, 'state.redis.url: must end with the host, port or database'],
    [{ url: 'redis://a', lease: '2999ms' }, 'state.redis.lease: must be at least 3000ms'],
    [{ url: 'redis://a', lease: '2h' }, 'state.redis.lease: must be at most 3600000ms'],
    [{ url: 'redis://a', answerTimeout: 0 }, 'state.redis.answerTimeout: must be at least 10ms'],
    [{ url: 'redis://a', connectTimeout: '61s' }, 'state.redis.connectTimeout: must be at most 60000ms'],
    [
      { url: 'redis://a', ca: '-----BEGIN CERTIFICATE-----' },
      'state.redis.ca: is of TLS: write rediss:// in the url',
    ],
    [
      { url: 'rediss://a', cert: '-----BEGIN CERTIFICATE-----' },
      'state.redis.cert: a client certificate needs cert and key',
    ],
  ])('refuses %j, and repeats no password', (redis, expected) => {
    expect(faults(redis)).toEqual([expected])
    expect(faults(redis).join()).not.toContain('open-sesame')
  })

  it('or a directory must be given in state', () => {
    const result = parse({ keyFile: 'key' })
    expect(result.ok ? [] : result.faults.map(({ message }) => message)).toEqual([
      'needs directory',
      'needs directory or redis',
    ])
  })
})
