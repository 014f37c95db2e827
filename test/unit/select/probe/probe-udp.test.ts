import { describe, expect, it } from 'vitest'
import type { ProbedAlternative, ProbedServiceRecord } from '../../../../src/base/events/probe-report.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import {
  advertisedPlaces,
  alternativePlaces,
  probedEndpoints,
  udpTargets,
} from '../../../../src/select/probe/probe-udp.ts'

const origin = parseOrigin('https://a.test')
const v4 = (last: number, port?: number) =>
  ({ address: `192.0.2.${last}`, family: 4, ...(port !== undefined && { port }) }) as const
const v6 = (last: number) => ({ address: `2001:db8::${last}`, family: 6 }) as const
const alternative = (changes: Partial<ProbedAlternative>): ProbedAlternative => ({
  protocol: 'h3',
  host: 'a.test',
  port: 443,
  maxAgeSeconds: 60,
  persists: false,
  ...changes,
})
const record = (changes: Partial<ProbedServiceRecord>): ProbedServiceRecord => ({
  priority: 1,
  target: '.',
  ttlSeconds: 60,
  alpn: ['h3'],
  port: undefined,
  addressHints: [],
  ...changes,
})
const NONE = { skipped: 'nobody looked' }

describe('the endpoints of a probe', () => {
  it('are the first addresses of each family in turn', () => {
    const endpoints = probedEndpoints([v6(1), v6(2), v6(3), v6(4), v4(1)], 443, 4)
    expect(endpoints.map(({ address }) => address)).toEqual([
      '192.0.2.1',
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8::3',
    ])
  })

  it('have the port of the origin, unless an address brings one', () => {
    expect(probedEndpoints([v4(1), v4(2, 8443)], 443, 4).map(({ port }) => port)).toEqual([443, 8443])
  })

  it('over UDP are the same, each with the source that named it', () => {
    expect(udpTargets(probedEndpoints([v6(1)], 443, 1), 'b.test', 'alt-svc')).toEqual([
      {
        endpoint: '[2001:db8::1]:443',
        host: 'b.test',
        source: 'alt-svc',
        udp: { address: '2001:db8::1', family: 6, port: 443, transport: 'udp' },
      },
    ])
  })
})

describe('the places where HTTP/3 is advertised', () => {
  it('come from Alt-Svc and from HTTPS records, each once', () => {
    const altSvc = {
      found: [
        alternative({}),
        alternative({ host: '', port: 8443 }),
        alternative({ protocol: 'h2', port: 1 }),
      ],
    }
    const records = {
      found: [
        record({}),
        record({ target: '', port: 8443 }),
        record({ target: 'cdn.test.', port: 444 }),
        record({ alpn: ['h2'], port: 5 }),
        record({ priority: 0, target: 'alias.test.' }),
      ],
    }
    expect(advertisedPlaces(origin, altSvc, records)).toEqual([
      { host: 'a.test', port: 443, source: 'alt-svc' },
      { host: 'a.test', port: 8443, source: 'alt-svc' },
      { host: 'cdn.test', port: 444, source: 'https-record' },
    ])
  })

  it('are none where nothing was found', () => {
    expect(advertisedPlaces(origin, { fault: 'no' }, NONE)).toEqual([])
  })

  it('are probed when they are not the origin itself, but only three of them', () => {
    const places = [443, 1, 2, 3, 4].map(port => ({ host: 'a.test', port, source: 'alt-svc' }) as const)
    expect(alternativePlaces(origin, places).map(({ port }) => port)).toEqual([1, 2, 3])
    const elsewhere = [{ host: 'b.test', port: 443, source: 'alt-svc' }] as const
    expect(alternativePlaces(origin, elsewhere)).toEqual(elsewhere)
  })
})
