import { describe, expect, it } from 'vitest'
import { checkCallNames } from '../../../../src/api/call-names.ts'
import { checkTransportNames } from '../../../../src/base/options/option-names.ts'

// Callers without types may hand over anything: each case is one of theirs.
const checkRequest = (options: object) => () => checkCallNames('request', options)
const checkTransport = (options: object) => () => checkTransportNames(options)

describe('an option', () => {
  it.each([
    ['maxRedirections', 'redirect interceptor'],
    ['throwOnError', 'look at status'],
    ['expectContinue', 'bodies are sent at once'],
    ['reset', 'pool.maxRequests'],
    ['maxResponseSize', 'take a bound'],
    ['headersTimeout', 'say headersTimeoutMs'],
    ['hedaers', 'did you mean headers? There are body, bodyTimeoutMs, earlyData, fairKey, headers,'],
    ['__proto_', ': there are'],
  ])('of a request with the unknown name %s is refused, with what to do instead', (name, instead) => {
    expect(checkRequest({ [name]: 1 })).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
    expect(checkRequest({ [name]: 1 })).toThrow(name)
    expect(checkRequest({ [name]: 1 })).toThrow(instead)
    expect(checkRequest({ [name]: undefined }), 'not given').not.toThrow()
  })

  it('of a request is accepted by each of its known names', () => {
    const signal = new AbortController().signal
    const timeouts = { headersTimeoutMs: 1, bodyTimeoutMs: 1 }
    expect(
      checkRequest({ method: 'GET', headers: {}, body: null, signal, earlyData: true, ...timeouts }),
    ).not.toThrow()
  })

  it.each([
    [{ default: {} }, 'a transport has no option "default"'],
    [
      { limits: { maxTotalConnection: 1 } },
      'limits has no option "maxTotalConnection": did you mean maxTotalConnections? There are dialShare, maxOrigins, maxPortShare, maxStalledConnections, maxTotal',
    ],
    [{ tickets: { maxPeer: 1 } }, 'tickets has no option'],
    [{ resolver: { ttl: 1 } }, 'resolver has no option'],
    [{ state: { dir: '/' } }, 'state has no option "dir": there are directory, keyFile'],
    [{ defaults: { connections: 1 } }, 'defaults has no option "connections"'],
    [
      { defaults: { pool: { maxConnection: 1 } } },
      'defaults.pool has no option "maxConnection": did you mean maxConnections? ',
    ],
    [
      { defaults: { tls: { servername: 'a' } } },
      'defaults.tls has no option "servername": did you mean serverName? ',
    ],
    [{ origins: { 'http://a': { http2: { window: 1 } } } }, 'origins[http://a].http2 has no option "window"'],
  ])('of a transport with an unknown name is refused: %j', (options, message) => {
    expect(checkTransport(options)).toThrow(message)
  })

  it.each([
    ['dispatcher', 'earlydata', 'earlyData'],
    ['preconnect', 'conections', 'connections'],
    ['probe', 'singal', 'signal'],
    ['migrate', 'adress', 'address'],
  ] as const)('of %s() with the unknown name %s is refused, with the nearest one', (call, name, nearest) => {
    expect(() => checkCallNames(call, { [name]: 1 })).toThrow(
      `${call}() has no option "${name}": did you mean ${nearest}?`,
    )
    expect(() => checkCallNames(call, { [nearest]: 1 })).not.toThrow()
    expect(() => checkCallNames(call, undefined)).not.toThrow()
  })
})
