import { describe, expect, it } from 'vitest'
import {
  acceptedBy,
  certificateOf,
  NO_HANDSHAKE,
  roundTrips,
  withoutExtras,
} from '../../../../src/select/probe/probe-tools.ts'
import { HANDSHAKE } from './fake-probe-tools.ts'

const FAULT = { fault: 'no TLS there', code: 'MM_TLS_FAILED' } as const
const WRONG = { fault: 'for other names', code: 'MM_TLS_CERTIFICATE' } as const
const SKIPPED = { skipped: 'nobody looked' }
const target = { endpoint: '192.0.2.1:443', host: 'a.test', source: 'origin' } as const

describe('findings of a probe', () => {
  it('report by a handshake whether a protocol is accepted', () => {
    expect(acceptedBy('h2', { found: HANDSHAKE })).toEqual({ found: true })
    expect(acceptedBy('http/1.1', { found: HANDSHAKE })).toEqual({ found: false })
    expect(acceptedBy('h2', { fault: 'none', code: 'MM_ALPN_MISMATCH' })).toEqual({ found: false })
    expect(acceptedBy('h2', FAULT)).toBe(FAULT)
    expect(acceptedBy('h2', SKIPPED)).toBe(SKIPPED)
  })

  it('have the certificate of a successful handshake, or else its problem', () => {
    expect(certificateOf([WRONG, { found: HANDSHAKE }])).toEqual({ found: HANDSHAKE.certificate })
    expect(certificateOf([FAULT, WRONG])).toBe(WRONG)
    expect(certificateOf([FAULT, SKIPPED])).toEqual({ skipped: NO_HANDSHAKE })
  })

  it('show a handshake without the facts that have a place of their own', () => {
    expect(withoutExtras({ found: HANDSHAKE })).toEqual({
      found: { ms: 20, protocol: 'h2', cipher: 'TLS_AES_128_GCM_SHA256' },
    })
    expect(withoutExtras(FAULT)).toBe(FAULT)
  })

  it('have the shortest round trip of each kind, and none of kinds that were not measured', () => {
    const look = (ms: number) => ({ found: { ms, protocol: undefined, cipher: undefined } })
    const report = {
      tcp: [5, 3, 4].map(ms => ({ endpoint: target.endpoint, connect: { found: { ms } } })),
      tls: [
        { version: 'TLSv1.3', handshake: look(9) },
        { version: 'TLSv1.2', handshake: look(8) },
      ],
      quic: [{ ...target, answer: FAULT }],
      http3: [
        { ...target, handshake: SKIPPED },
        { ...target, handshake: look(7) },
      ],
    } as const
    expect(roundTrips(report)).toEqual({ tcp: 3, tls: 8, h3: 7 })
    expect(roundTrips({ tcp: [], tls: [], quic: [], http3: [] })).toEqual({})
  })
})
