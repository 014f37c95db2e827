import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Connection } from '../../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../../src/base/http/exchange.ts'
import { detourAfter, withoutUpgrade } from '../../../src/exchange/replay-rules.ts'
import type { ExchangeOrigin } from '../../../src/origin/exchange-origin.ts'
import type { Pool } from '../../../src/pool/pool.ts'

const main = { name: 'main' } as unknown as Pool // compared only
const http1 = { name: 'http/1.1' } as unknown as Pool // compared only
const clock = { now: () => 7, setTimer: () => ({ cancel: () => undefined }) }
const unavailable = new TransportError('MM_UPGRADE_UNAVAILABLE', 'no extended CONNECT', { processed: 'no' })
const required = new TransportError('MM_HTTP11_REQUIRED', 'over HTTP/1.1 only', { processed: 'no' })

function origin(next: Pool | undefined) {
  const missingAt: number[] = []
  const parts = {
    upgrades: { next: () => next },
    lanes: { primary: { pool: main } },
    onExtendedConnectMissing: (now: number) => missingAt.push(now),
  }
  return { origin: parts as unknown as ExchangeOrigin /* what a detour uses of it */, missingAt }
}

function request(overrides: Partial<ExchangeRequest> = {}): ExchangeRequest {
  const plain = { method: 'GET', path: '/', headers: [], body: null }
  return { ...plain, upgrade: 'websocket', ...overrides } as ExchangeRequest // of its fields those that count here
}

const connection = (isProvisional: boolean) => ({ isCapacityProvisional: isProvisional }) as Connection // likewise

describe('a detour', () => {
  it.each([unavailable, required])('leads to HTTP/1.1 after $code, with the same request', error => {
    const asked = request()
    const refused = { error, request: asked, pool: main, connection: connection(false) }
    expect(detourAfter(refused, origin(http1).origin, clock)).toEqual({ pool: http1, request: asked })
  })

  it('is none after any other error', () => {
    const error = new TransportError('MM_CONNECTION_CLOSED', 'gone')
    const refused = { error, request: request(), pool: main, connection: undefined }
    expect(detourAfter(refused, origin(http1).origin, clock)).toBeUndefined()
  })

  it.each([
    ['once the settings of the peer are known', connection(false), request(), unavailable, [7]],
    ['not before', connection(true), request(), unavailable, []],
    ['not without a connection', undefined, request(), unavailable, []],
    ['not where HTTP/1.1 is required', connection(false), request(), required, []],
    [
      'not by an upgrade that CONNECT cannot say',
      connection(false),
      request({ method: 'POST' }),
      unavailable,
      [],
    ],
  ])('remembers a missing extended CONNECT %s', (_, on, asked, error, expected) => {
    const { origin: of, missingAt } = origin(http1)
    detourAfter({ error, request: asked, pool: main, connection: on }, of, clock)
    expect(missingAt).toEqual(expected)
  })

  it('is none where the body cannot be sent again', () => {
    const body = { isReplayable: () => false } as unknown as ExchangeRequest['body'] // asked for that only
    const refused = { error: required, request: request({ body }), pool: main, connection: undefined }
    expect(detourAfter(refused, origin(http1).origin, clock)).toBeUndefined()
  })

  it('leads back without the upgrade where HTTP/1.1 leads nowhere and the upgrade is optional', () => {
    const asked = request({ isUpgradeOptional: true })
    const refused = { error: unavailable, request: asked, pool: http1, connection: undefined }
    const expected = { pool: main, request: { ...asked, upgrade: undefined } }
    expect(detourAfter(refused, origin(undefined).origin, clock)).toEqual(expected)
    expect(withoutUpgrade(unavailable, asked, origin(undefined).origin)).toEqual(expected)
  })

  it.each([
    ['an upgrade that is not optional', unavailable, request()],
    ['another error', required, request({ isUpgradeOptional: true })],
    [
      'a request that has given its upgrade up',
      unavailable,
      request({ isUpgradeOptional: true, upgrade: undefined }),
    ],
  ])('leads nowhere for %s', (_, error, asked) => {
    expect(withoutUpgrade(error, asked, origin(undefined).origin)).toBeUndefined()
  })
})
