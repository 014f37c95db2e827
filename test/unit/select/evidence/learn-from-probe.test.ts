import { describe, expect, it } from 'vitest'
import type { ProbeReport } from '../../../../src/base/events/probe-report.ts'
import { learnFromProbe } from '../../../../src/select/evidence/learn-from-probe.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'

const PLACE = { host: 'a.example', port: 443 }
const FAULT = { fault: 'no answer' }
const handshake = { found: { ms: 9, protocol: undefined, cipher: undefined } }
const at = (last: number) => ({
  endpoint: `192.0.2.${last}:443`,
  host: 'a.example',
  source: 'origin' as const,
})
const nothing: ProbeReport = {
  origin: 'https://a.example',
  durationMs: 5000,
  isReachable: false,
  addresses: FAULT,
  tcp: [{ endpoint: '192.0.2.1:443', connect: FAULT }],
  tls: [{ version: 'TLSv1.3', handshake: FAULT }],
  certificate: FAULT,
  alpn: [{ protocol: 'h2', accepted: FAULT }],
  tickets: FAULT,
  fastOpen: { skipped: 'not built' },
  altSvc: FAULT,
  httpsRecords: FAULT,
  quic: [{ ...at(1), answer: FAULT }],
  http3: [{ ...at(1), handshake: FAULT }],
  roundTripMs: {},
}

describe('learnFromProbe', () => {
  it('learns nothing from a probe that reached nothing', () => {
    const record = new OriginRecord(PLACE)
    learnFromProbe(record, nothing, 0)
    expect(record.facts(0)).toEqual([])
  })

  it('learns what was found', () => {
    const record = new OriginRecord(PLACE)
    learnFromProbe(
      record,
      {
        ...nothing,
        tcp: [
          { endpoint: '192.0.2.1:443', connect: { found: { ms: 12 } } },
          { endpoint: '192.0.2.2:443', connect: { found: { ms: 90 } } },
        ],
        tls: [
          { version: 'TLSv1.2', handshake: FAULT },
          { version: 'TLSv1.3', handshake },
        ],
        alpn: [
          { protocol: 'h2', accepted: { found: true } },
          { protocol: 'http/1.1', accepted: { found: false } },
        ],
        tickets: {
          found: { version: 'TLSv1.3', issued: 1, lifetimeSeconds: undefined, maxEarlyDataBytes: 0 },
        },
        fastOpen: { found: { cookie: true, taken: true, firstFlightBytes: 385, because: 'it did' } },
        quic: [
          { ...at(1), answer: { found: { versions: ['0x00000001'], ms: 3 } } },
          { ...at(2), answer: { fault: 'no answer', why: 'silent' } },
        ],
        http3: [
          { ...at(1), handshake: FAULT },
          { ...at(1), endpoint: '[2001:db8::1]:8443', handshake },
        ],
      },
      0,
    )
    expect(record.facts(0).map(({ fact }) => fact)).toEqual([
      'takes TLSv1.3',
      'agrees by ALPN to h2',
      'issues tickets with TLSv1.3: 1, without early data',
      'takes data with the SYN (TCP Fast Open)',
      'answers h3 at a.example:8443 for another 24 h; not tried yet',
      'TCP connect to 192.0.2.1:443 takes 12.0 ms',
      'TCP connect to 192.0.2.2:443 takes 90.0 ms',
      '192.0.2.1:443 answers to QUIC, versions 0x00000001',
      '192.0.2.2:443 does not answer to QUIC',
    ])
  })
})
