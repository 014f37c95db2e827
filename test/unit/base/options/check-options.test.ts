import { afterEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../../src/index.ts'

const DAY_MS = 86_400_000
const INVALID = expect.objectContaining({ code: 'MM_INVALID_ARGUMENT', fault: 'local' })
let transport: Transport | undefined
afterEach(() => transport?.close())

/** What a caller without types hands over. */
const make = (options: object): Transport => (transport = createTransport(options))

describe('invalid options', () => {
  it.each([
    [{ limits: { maxTotalConnections: Number.NaN } }, 'limits.maxTotalConnections'],
    [{ limits: { maxTotalConnections: -1 } }, 'limits.maxTotalConnections'],
    [{ limits: { maxOrigins: 'x' } }, 'limits.maxOrigins'],
    [{ limits: { dialShare: 1.01 } }, 'limits.dialShare'],
    [{ limits: { dialShare: -0.1 } }, 'limits.dialShare'],
    [{ tickets: { maxPeers: Number.NaN } }, 'tickets.maxPeers'],
    [{ tickets: { maxLifetimeMs: Number.POSITIVE_INFINITY } }, 'tickets.maxLifetimeMs'],
    [{ tickets: { maxLifetimeMs: 7 * DAY_MS + 1 } }, 'seven days'],
    [{ defaults: { protocols: 'h2' } }, 'protocols'],
    [{ defaults: { protocols: ['h9'] } }, 'protocols'],
    [{ defaults: { protocols: [] } }, 'protocols'],
  ])('%o are refused when the transport is made', (options, name) => {
    expect(() => make(options)).toThrow(INVALID)
    expect(() => make(options)).toThrow(name)
  })

  it('are refused by configure(), which changes nothing then', () => {
    make({})
    for (const options of [{ limits: { maxOrigins: -1 } }, { defaults: { protocols: 'h3' } }])
      expect(() => transport?.configure(options as unknown as TransportOptions)).toThrow(INVALID) // see make()
    expect(transport?.stats().totalConnections).toBe(0)
  })

  it.each([0, 0.01, 1])('do not include a share of dials of %d', dialShare => {
    expect(() => make({ limits: { dialShare } })).not.toThrow()
  })

  it('do not include the largest lifetime', () => {
    expect(() => make({ tickets: { maxLifetimeMs: 7 * DAY_MS } })).not.toThrow()
  })

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])(
    'of one request or preconnect are refused before anything is asked of the origin: %d',
    async value => {
      make({})
      const url = 'http://127.0.0.1:1/'
      for (const timeouts of [{ headersTimeoutMs: value }, { bodyTimeoutMs: value }])
        await expect(transport?.request(url, timeouts)).rejects.toEqual(INVALID)
      await expect(transport?.preconnect(url, { connections: value })).rejects.toEqual(INVALID)
      expect(transport?.stats().pools).toEqual([])
    },
  )
})
