import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { type Answering, type DnsServer, fromZone, startDnsServer } from '../../support/dns-server.ts'
import { alpn, https, port, serviceRdata, type WireRecord, wireReply } from '../../support/dns-wire.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import type { SelectionLog } from '../../support/selection-log.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/**
 * HTTPS records through the transport: what they say is tried, and whatever is wrong with them costs nobody
 * anything.
 */
describe.skipIf(missing !== undefined)(
  `HTTPS records${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    let authority: CertificateAuthority
    /** Speaks no HTTP/3 and advertises none. */
    let origin: Caddy
    let http3: Caddy
    /** Whom the DNS is asked about: RFC 9460 2.3. */
    let owner: string
    beforeAll(async () => {
      authority = await createCertificateAuthority()
      origin = await startCaddy({ authority, http2: true })
      http3 = await startCaddy({ authority, http3: true })
      owner = `_${origin.tlsPort}._https.origin.test`
    })
    afterAll(async () => {
      await Promise.all([origin.stop(), http3.stop()])
    })

    const optionsWith = (server: DnsServer): TransportOptions => ({
      defaults: { tls: { ca: authority.cert } },
      dnsServers: [server.address],
      resolve: {
        [`origin.test:${origin.tlsPort}`]: '127.0.0.1',
        [`end.test:${http3.tlsPort}`]: '127.0.0.1',
      },
    })
    const url = (): string => `https://origin.test:${origin.tlsPort}/hello`
    const offer = (target: string): Buffer => serviceRdata(1, target, [alpn('h3', 'h2'), port(http3.tlsPort)])
    const chain = (): WireRecord[] => [
      https(owner, serviceRdata(0, 'a.test')),
      https('a.test', serviceRdata(0, 'b.test')),
      https('b.test', serviceRdata(0, 'end.test')),
      https('end.test', offer('.')),
    ]

    const ask = async (answering: Answering, after: (log: SelectionLog) => void) => {
      await using server = await startDnsServer(answering)
      const options = optionsWith(server)
      await overheadOf({ url: url(), options, later: 58, after: (_, log) => after(log) })
      return server.log
    }

    it.each<[string, () => Answering, string]>([
      ['name HTTP/3 at another port', () => fromZone([https(owner, offer('origin.test'))]), 'origin.test'],
      ['name it behind a chain of aliases', () => fromZone(chain()), 'end.test'],
      [
        'are cut short and come over TCP',
        () => asked =>
          wireReply(
            asked.query,
            asked.transport === 'udp'
              ? { truncated: true }
              : { answers: [https(owner, offer('origin.test'))] },
          ),
        'origin.test',
      ],
    ])('that %s are found, and followed', async (what, answering, host) => {
      const asked = await ask(answering(), log => {
        expect(log.lanes[0]).toBe('tcp')
        expect(log.lanes).toContain('h3')
        expect(log.statuses).toEqual(['pending', 'confirmed'])
        expect(log.of('http3-status')[0]?.alternative).toBe(`${host}:${http3.tlsPort}`)
        expect(log.of('evidence').map(({ source }) => source)).toEqual(['https-record'])
      })
      expect(asked).toContain(`HTTPS ${owner} ${what.includes('TCP') ? 'tcp' : 'udp'}`)
    })

    it.each<[string, () => Answering]>([
      [
        'go round in a circle',
        () =>
          fromZone([
            https(owner, serviceRdata(0, 'a.test')),
            https('a.test', serviceRdata(0, 'b.test')),
            https('b.test', serviceRdata(0, 'a.test')),
          ]),
      ],
      ['are longer than they say', () => fromZone([{ ...https(owner, offer('origin.test')), length: 5 }])],
      ['are shorter than they say', () => fromZone([{ ...https(owner, offer('origin.test')), length: 400 }])],
      [
        'have a parameter that is longer than they are',
        () =>
          fromZone([
            https(owner, Buffer.concat([serviceRdata(1, 'origin.test'), Buffer.from([0, 1, 0, 99, 2])])),
          ]),
      ],
      ['are not there', () => fromZone([])],
      ['fail', () => asked => wireReply(asked.query, { rcode: 2 })],
      ['are noise', () => () => Buffer.alloc(40, 0xff)],
      ['are never answered', () => () => undefined],
      ['end in the middle, over TCP', () => cutShort],
    ])('that %s cost nothing', async (_, answering) => {
      const asked = await ask(answering(), log => {
        expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
        expect(log.of('http3-status')).toEqual([])
        expect(log.of('evidence')).toEqual([])
      })
      expect(asked).toContain(`HTTPS ${owner} udp`)
    })

    it('that lead to a dead port cost nothing, and are left alone', async () => {
      const rdata = serviceRdata(1, 'origin.test', [alpn('h3'), port(origin.tlsPort)])
      await using server = await startDnsServer(fromZone([https(owner, rdata)]))
      await overheadOf({
        url: url(),
        options: optionsWith(server),
        after: async (transport, log) => {
          await expect.poll(() => log.statuses).toEqual(['pending', 'broken'])
          for (let request = 0; request < 20; request++) await timeOf(transport, url())
          expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
          expect(log.http3Dials).toHaveLength(1)
        },
      })
    })

    it('are not asked about where HTTP/3 is forbidden', async () => {
      await using server = await startDnsServer(fromZone([https(owner, offer('origin.test'))]))
      const options = optionsWith(server)
      await using transport = createTransport({
        ...options,
        defaults: { ...options.defaults, protocols: ['h2', 'http/1.1'] },
      })
      for (let request = 0; request < 10; request++) await timeOf(transport, url())
      expect(server.log).toEqual([])
    })
  },
)

const cutShort: Answering = asked =>
  asked.transport === 'udp'
    ? wireReply(asked.query, { truncated: true })
    : { raw: [Buffer.from([0, 200]), asked.query.subarray(0, 12)] }
