import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { TlsOptions } from '../../../../src/base/options/options.ts'
import { EarlyDialer } from '../../../../src/connect/early-data/early-dialer.ts'
import type { DialRequest } from '../../../../src/connect/tcp/dial-request.ts'
import type { TakenTicket } from '../../../../src/state/ticket-store.ts'
import { requireOpenssl } from '../../../support/require-openssl.ts'

const element = (tag: number, contents: Buffer): Buffer =>
  Buffer.concat([Buffer.of(tag, contents.length), contents])
/** As much of a session as is looked at: max_early_data and the protocol (OpenSSL's ssl/ssl_asn1.c). */
const session = (maxEarlyData: number, alpn: string | undefined): Buffer =>
  element(
    0x30,
    Buffer.concat([
      element(0xaf, element(0x02, Buffer.of(0, maxEarlyData >> 8, maxEarlyData & 0xff))),
      ...(alpn === undefined ? [] : [element(0xb0, element(0x04, Buffer.from(alpn)))]),
    ]),
  )
const ticket = (maxEarlyData = 16_384, alpn: string | undefined = 'h2', isFirstUse = true): TakenTicket => ({
  session: session(maxEarlyData, alpn),
  isFirstUse,
  trustedUntil: 1,
})
const request = (overrides: Partial<DialRequest> = {}): DialRequest => ({
  origin: parseOrigin('https://shop.test'),
  attempts: [],
  alpnProtocols: ['h2', 'http/1.1'],
  tls: {},
  timeouts: { connectMs: 1, tlsMs: 1, fastOpenMs: 1, attemptDelayMs: 1 },
  socket: { keepAliveDelayMs: 0 },
  wantsEarlyData: () => true,
  dnsMs: 0,
  ...overrides,
})

describe('EarlyDialer without OpenSSL', () => {
  it('says why, and sends nothing early', () => {
    const dialer = new EarlyDialer(() => ({ unavailable: 'there is no koffi' }))
    expect(dialer.unavailable).toBe('there is no koffi')
    expect(dialer.facts(request(), ticket())).toBeUndefined()
    const connect = { raw: {}, tls: {}, serverName: 'shop.test', alpn: 'h2', session: ticket().session }
    expect(() =>
      dialer.open({ ...connect, keylog: undefined } as Parameters<EarlyDialer['open']>[0]),
    ).toThrow(/not to be had/)
  })
})

const missing = requireOpenssl()

describe.skipIf(missing !== undefined)(`EarlyDialer (${missing ?? 'OpenSSL'})`, () => {
  it('is available', () => {
    expect(new EarlyDialer().unavailable).toBeUndefined()
  })

  it('reports what the ticket says where it may carry early data', () => {
    expect(new EarlyDialer().facts(request(), ticket())).toMatchObject({
      maxEarlyDataBytes: 16_384,
      alpn: 'h2',
    })
  })

  it.each<[string, Partial<DialRequest>, TakenTicket | undefined]>([
    ['without a ticket', {}, undefined],
    ['with one that was used before', {}, ticket(16_384, 'h2', false)],
    ['with one that allows none', {}, ticket(0)],
    ['with one of a protocol that is not spoken now', { alpnProtocols: ['http/1.1'] }, ticket()],
    ['with one of no protocol, where HTTP/1.1 is not spoken', { alpnProtocols: ['h2'] }, withoutAlpn()],
    ['with one of a protocol that nobody knows', {}, ticket(16_384, 'spdy/3')],
    ['when no request wants it', { wantsEarlyData: () => false }, ticket()],
    ['when nobody says so', { wantsEarlyData: undefined }, ticket()],
    ['by TLS 1.2', { tls: { maxVersion: 'TLSv1.2' } }, ticket()],
    ['with options that OpenSSL cannot use', { tls: { cert: 'no certificate', key: 'no key' } }, ticket()],
    ['with bytes that are no session', {}, { ...ticket(), session: Buffer.from('nonsense') }],
  ])('reports no early data %s', (_, overrides, taken) => {
    expect(new EarlyDialer().facts(request(overrides), taken)).toBeUndefined()
  })

  it('takes a ticket without a protocol for one of HTTP/1.1', () => {
    expect(new EarlyDialer().facts(request(), withoutAlpn())?.maxEarlyDataBytes).toBe(16_384)
  })

  it('asks whether a request wants early data only where the ticket allows it', () => {
    let asked = 0
    const wantsEarlyData = (): boolean => {
      asked++
      return true
    }
    const dialer = new EarlyDialer()
    dialer.facts(request({ wantsEarlyData }), ticket(16_384, 'h2', false))
    dialer.facts(request({ wantsEarlyData }), undefined)
    expect(asked).toBe(0)
  })

  it('serves other options when those of one origin are of no use', () => {
    const dialer = new EarlyDialer()
    const broken: TlsOptions = { cert: 'no certificate', key: 'no key' }
    expect(dialer.facts(request({ tls: broken }), ticket())).toBeUndefined()
    expect(dialer.facts(request(), ticket())).toBeDefined()
    expect(dialer.facts(request({ tls: broken }), ticket())).toBeUndefined()
  })
})

function withoutAlpn(): TakenTicket {
  return { session: session(16_384, undefined), isFirstUse: true, trustedUntil: 1 }
}
