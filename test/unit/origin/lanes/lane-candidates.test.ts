import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../../src/base/events/connection.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { Protocol } from '../../../../src/base/http/protocol.ts'
import { LANE_NAMES, type LaneName } from '../../../../src/base/http/protocol.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import { laneCandidates } from '../../../../src/origin/lanes/lane-candidates.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'

const ORIGIN = parseOrigin('https://shop.test')
const KEY = 'shop.test:443'
const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 10, tlsMs: 20 },
  attempts: [],
}

interface Situation {
  options?: OriginOptions
  /** What the origin chose over TCP. */
  speaks?: Protocol
  hasConcurrency?: boolean
  fault?: string
  /** What happened with HTTP/3: nothing is advertised without it. */
  http3?: (record: OriginRecord) => void
  now?: number
}

function look({ options = {}, speaks, hasConcurrency = true, fault, http3, now = 0 }: Situation) {
  const record = new OriginRecord({ host: 'shop.test', port: 443 })
  if (speaks !== undefined)
    record.onConnected({ protocol: speaks, endpoint: 'e', handshake: HANDSHAKE, offeredTicket: false }, 0)
  if (http3 !== undefined) record.onAltSvc('h3=":443"; ma=3600', 'alt-svc', 0, 0)
  http3?.(record)
  let loads = 0
  const settings = new SettingsBook({ defaults: options }).settingsFor(ORIGIN)
  const http3Fault = () => {
    loads++
    return fault
  }
  return { ...laneCandidates({ record, settings, hasConcurrency, http3Fault, now }), loads }
}
const eligible = (situation: Situation): LaneName[] =>
  look(situation).candidates.flatMap(({ lane, isEligible }) => (isEligible ? [lane] : []))
const because = (lane: LaneName, situation: Situation) =>
  look(situation).candidates.find(candidate => candidate.lane === lane)?.because

const failed = (record: OriginRecord) => {
  record.http3Status(KEY).onHttp3Failed('nobody answers', 0)
  record.onTcpWorked(0)
}
const worked = (record: OriginRecord) => record.http3Status(KEY).onHttp3Worked(0)

describe('the candidates among the lanes', () => {
  it('are all named, in their order, each with a reason', () => {
    const { candidates } = look({})
    expect(candidates.map(({ lane }) => lane)).toEqual(LANE_NAMES)
    for (const candidate of candidates) expect(candidate.because).not.toBe('')
  })

  it.each<[string, Situation, LaneName[]]>([
    ['nothing is known', {}, ['tcp']],
    ['the origin speaks HTTP/1.1 only', { speaks: 'http/1.1' }, ['tcp']],
    ['it speaks h2', { speaks: 'h2' }, ['tcp', 'h2-spread', 'http/1.1']],
    ['it speaks h2, and there was one request at a time', { speaks: 'h2', hasConcurrency: false }, ['tcp']],
    [
      'spreading is off',
      { speaks: 'h2', options: { select: { spreadConnections: 1 } } },
      ['tcp', 'http/1.1'],
    ],
    ['one connection is allowed', { speaks: 'h2', options: { pool: { maxConnections: 1 } } }, ['tcp']],
    ['HTTP/1.1 is not allowed', { speaks: 'h2', options: { protocols: ['h3', 'h2'] } }, ['tcp', 'h2-spread']],
    ['HTTP/3 is advertised', { http3: () => {} }, ['h3', 'tcp']],
    ['HTTP/3 worked', { http3: worked }, ['h3', 'tcp']],
    ['HTTP/3 is advertised and not allowed', { http3: worked, options: { protocols: ['h2'] } }, ['tcp']],
    ['HTTP/3 is advertised, and the machine has none', { http3: worked, fault: 'off' }, ['tcp']],
    ['HTTP/3 is broken', { http3: failed }, ['tcp']],
    ['HTTP/3 was broken', { http3: failed, now: 1_000 }, ['h3', 'tcp']],
    ['the advertisement has run out', { http3: worked, now: 3_600_000 }, ['tcp']],
    ['everything is there', { speaks: 'h2', http3: worked }, ['h3', 'tcp', 'h2-spread', 'http/1.1']],
  ])('include those that are allowed when %s', (_what, situation, lanes) => {
    expect(eligible(situation)).toEqual(lanes)
  })

  it.each<[LaneName, Situation, string]>([
    ['h3', {}, 'unknown whether the origin speaks it: nobody has looked'],
    ['h3', { speaks: 'h2' }, 'nothing says that the origin speaks it'],
    ['h3', { http3: worked, options: { protocols: ['h2'] } }, 'not allowed by the configuration'],
    ['h3', { http3: worked, fault: 'HTTP/3 is off: no build' }, 'HTTP/3 is off: no build'],
    ['h3', { http3: failed }, 'broken for another 1 s after 1 failure: nobody answers'],
    ['tcp', {}, 'every origin is reached over TCP'],
    ['tcp', { speaks: 'h2' }, 'the origin chose h2 by ALPN'],
    ['h2-spread', {}, 'unknown whether the origin speaks h2: nobody has looked'],
    ['http/1.1', {}, 'unknown what TCP speaks: nobody has looked'],
    ['h2-spread', { speaks: 'http/1.1' }, 'the origin speaks no h2'],
    ['h2-spread', { speaks: 'h2' }, 'h2 over up to 6 connections'],
    ['h2-spread', { speaks: 'h2', hasConcurrency: false }, 'there was one request at a time only'],
    ['http/1.1', { speaks: 'http/1.1' }, 'it would be no other than TCP'],
    ['http/1.1', { speaks: 'h2' }, 'a connection for each request'],
    ['http/1.1', { speaks: 'h2', options: { pool: { maxConnections: 1 } } }, 'pool.maxConnections is 1'],
  ])('say why a lane may carry or not: %s %j', (lane, situation, words) => {
    expect(because(lane, situation)).toBe(words)
  })

  it('say which protocol TCP speaks, or would', () => {
    const spoken = (situation: Situation) => look(situation).candidates[1]?.protocol
    expect(spoken({ speaks: 'http/1.1' })).toBe('http/1.1')
    expect(spoken({ options: { protocols: ['h3', 'http/1.1', 'h2'] } })).toBe('http/1.1')
    expect(spoken({})).toBe('h2')
  })

  it('load the engine only where HTTP/3 is advertised and allowed', () => {
    expect(look({ speaks: 'h2' }).loads).toBe(0)
    expect(look({ http3: worked, options: { protocols: ['h2'] } }).loads).toBe(0)
    expect(look({ http3: worked }).loads).toBe(1)
  })

  it.each<[string, Situation, boolean]>([
    ['nothing is advertised', {}, false],
    ['it was advertised, and never tried', { http3: () => {} }, true],
    ['it worked', { http3: worked }, false],
    ['it is broken', { http3: failed }, false],
    ['its time to be left alone is over', { http3: failed, now: 1_000 }, true],
    [
      'a trial of it is under way',
      {
        http3: record => {
          failed(record)
          record.http3Status(KEY).onTrialStarted(1_000)
        },
        now: 1_001,
      },
      false,
    ],
    ['the machine has none', { http3: () => {}, fault: 'off' }, false],
  ])('make HTTP/3 worth a handshake or not: %s', (_what, situation, isWorth) => {
    expect(look(situation).mayVerifyHttp3).toBe(isWorth)
  })

  it('report the status of the alternative, whether it may carry or not', () => {
    expect(look({}).http3).toBeUndefined()
    expect(look({ http3: () => {} }).http3).toEqual({ key: KEY, name: 'pending' })
    expect(look({ http3: failed, fault: 'off' }).http3).toEqual({ key: KEY, name: 'broken' })
  })
})
