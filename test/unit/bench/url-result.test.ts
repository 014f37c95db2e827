import { describe, expect, it } from 'vitest'
import type { LoadRound } from '../../../src/bench/results/load-measurement.ts'
import {
  type Conditions,
  describePlan,
  hostOf,
  otherSubjects,
  portOf,
  protocolSubjects,
  type UrlPlan,
} from '../../../src/bench/url-plan.ts'
import { urlResult } from '../../../src/bench/url-result.ts'
import { roundOf } from './load-report-of.ts'

const PLAN: UrlPlan = {
  url: new URL('https://origin.example:8443/a?b'),
  subjects: protocolSubjects('h2,h3,auto'),
  request: { label: '/a', method: 'GET', path: '/a?b' },
  arrival: { kind: 'closed', concurrency: 8 },
  warmUp: { requests: 0, seconds: 0 },
  measure: { requests: Number.POSITIVE_INFINITY, seconds: 3 },
  rounds: 6,
  seed: 1,
  isCold: false,
  isResumed: false,
  isEarly: false,
  ca: undefined,
  resolve: {},
  conditions: undefined,
}

const LOSSY: UrlPlan = { ...PLAN, conditions: { toServer: {}, toClient: { lossRate: 0.01 } } }

/** One request of so many bytes in each of them. */
function roundsOf(bytes: number): Map<string, LoadRound[]> {
  const round = (protocols: readonly string[]): LoadRound =>
    roundOf([10], {
      receivedBytes: bytes,
      byProtocol: Object.fromEntries(protocols.map(protocol => [protocol, 1])),
    })
  return new Map([
    ['h2', [round(['h2'])]],
    ['http/1.1', [round(['http/1.1'])]],
    ['h3', [round(['h3'])]],
    ['auto', [round(['h2', 'h3'])]],
  ])
}

const resultOf = (plan: UrlPlan, rounds = roundsOf(1_000), brokenOff?: string) =>
  urlResult(plan, { rounds, unavailable: [], brokenOff, isLocal: true })

const compared = (result: ReturnType<typeof resultOf>): string[] => [
  ...new Set(result.cases[0]?.ratios.map(({ subject, to }) => `${subject} / ${to}`)),
]

describe('the result of a run', () => {
  it('compares all other subjects with the first', () => {
    expect(compared(resultOf(PLAN))).toEqual(['http/1.1 / h2', 'h3 / h2', 'auto / h2'])
  })

  it('compares rates of a closed loop, tails of an open one, first bytes of cold ones', () => {
    const keys = (plan: UrlPlan) => [...new Set(resultOf(plan).cases[0]?.ratios.map(({ metric }) => metric))]
    expect(keys(PLAN)).toContain('requestsPerSecond')
    expect(keys({ ...PLAN, isCold: true })).toEqual(['p50Ms', 'firstByteP50Ms', 'cpuMsPerRequest'])
    const shown = (plan: UrlPlan) => resultOf(plan).metrics.map(({ key }) => key)
    expect(shown(PLAN)).toContain('requestsPerSecond')
    expect(shown({ ...PLAN, isCold: true })).not.toContain('requestsPerSecond')
  })

  it('judges HTTP/3 beside our own client over TCP, and not where losses slow down QUIC alone', () => {
    const subjects = [...protocolSubjects('http/1.1x6,h2,h3,auto'), ...otherSubjects('undici')]
    const rounds = new Map(
      subjects.map(({ name, protocol = 'h2' }) => [
        name,
        [roundOf([10], { receivedBytes: 100_000, byProtocol: { [protocol]: 1 } })],
      ]),
    )
    const judged = (conditions: UrlPlan['conditions']): string[] => [
      ...new Set(
        resultOf({ ...PLAN, subjects, conditions }, rounds).cases[0]?.http3?.map(
          ({ subject, to }) => `${subject} / ${to}`,
        ),
      ),
    ]
    expect(judged(undefined)).toEqual(['h3 / http/1.1x6', 'h3 / h2'])
    expect(judged(LOSSY.conditions)).toEqual([])
  })

  it('says why the run ended early', () => {
    expect(resultOf(PLAN, roundsOf(1), 'it was interrupted').cases[0]?.notes).toContain(
      'broken off: it was interrupted',
    )
  })

  it('is a table without rows when nothing was measured', () => {
    expect(resultOf(PLAN, new Map()).cases[0]).toMatchObject({ subjects: [], ratios: [] })
  })

  it('lists the limits of what was measured, and of nothing else', () => {
    const plan = { ...PLAN, subjects: [...protocolSubjects('h2x2'), ...otherSubjects('curl')] }
    const limits = (names: readonly string[]): string =>
      (resultOf(plan, new Map(names.map(name => [name, [roundOf([1])]]))).limits ?? []).join('\n')
    expect(limits(['h2x2'])).toContain('h2x2: 2 pools of one connection each')
    expect(limits(['h2x2'])).not.toContain('curl')
    expect(limits(['curl'])).toContain('curl: the start of its process')
    expect(limits(['h2x2'])).not.toContain('relay')
  })
})

describe('losses that QUIC feels and TCP does not', () => {
  it('leave nothing to compare where bodies are larger than a first window', () => {
    const result = resultOf(LOSSY, roundsOf(100_000))
    expect(compared(result)).toEqual(['http/1.1 / h2'])
    expect(result.cases[0]?.notes).toEqual(
      expect.arrayContaining([
        expect.stringContaining('h3 is not compared with h2: losses slow QUIC down'),
        expect.stringContaining('auto is not compared with h2'),
      ]),
    )
  })

  it('are those of a full queue as well', () => {
    const narrow = { bytesPerSecond: 125_000 }
    const result = resultOf(
      { ...PLAN, conditions: { toServer: narrow, toClient: narrow } },
      roundsOf(100_000),
    )
    expect(compared(result)).toEqual(['http/1.1 / h2'])
  })

  it('do not matter where bodies are smaller', () => {
    expect(compared(resultOf(LOSSY))).toEqual(['http/1.1 / h2', 'h3 / h2', 'auto / h2'])
  })

  it('report every pair that is not judged, once', () => {
    const subjects = protocolSubjects('http/1.1,h2,h3')
    const rounds = new Map(
      subjects.map(({ name, protocol = '' }) => [
        name,
        [roundOf([10], { receivedBytes: 100_000, byProtocol: { [protocol]: 1 } })],
      ]),
    )
    const notes = resultOf({ ...LOSSY, subjects }, rounds).cases[0]?.notes ?? []
    expect(notes.map(note => note.split(':', 1)[0])).toEqual([
      'h3 is not compared with http/1.1',
      'h3 is not compared with h2',
    ])
  })
})

describe('a delay, which TCP has no slow start over', () => {
  const delayed = (conditions: Conditions): UrlPlan => ({
    ...PLAN,
    conditions: { toServer: conditions, toClient: conditions },
  })

  it.each<Conditions>([{ delayMs: 20 }, { jitterMs: 20 }])(
    'leaves nothing to compare where bodies are larger than a first window: %j',
    conditions => {
      const result = resultOf(delayed(conditions), roundsOf(100_000))
      expect(compared(result)).toEqual(['http/1.1 / h2'])
      expect(result.cases[0]?.http3).toBeUndefined()
      expect(result.cases[0]?.notes).toContainEqual(
        expect.stringContaining('h3 is not compared with h2: QUIC has a slow start over the delay'),
      )
    },
  )

  it('does not matter where bodies are smaller, or where there is none', () => {
    expect(compared(resultOf(delayed({ delayMs: 20 })))).toHaveLength(3)
    const none: Conditions = { delayMs: 0, jitterMs: 0, lossRate: 0, reorderRate: 0 }
    expect(compared(resultOf(delayed(none), roundsOf(100_000)))).toHaveLength(3)
  })

  it('with reordering leaves nothing to compare, however small bodies are', () => {
    const result = resultOf(delayed({ delayMs: 20, reorderRate: 0.2 }), roundsOf(1))
    expect(compared(result)).toEqual(['http/1.1 / h2'])
    expect(result.cases[0]?.notes).toContainEqual(
      expect.stringContaining('h3 is not compared with h2: packets of QUIC are reordered'),
    )
    expect(result.limits).toContainEqual(expect.stringContaining('reordering is of datagrams alone'))
  })
})

describe('a plan', () => {
  it('is described in one sentence', () => {
    expect(describePlan(PLAN)).toBe(
      'GET https://origin.example:8443/a?b: 8 requests at a time (closed loop); 6 rounds of 3 s',
    )
    const bursts = (pauseMs: number): string =>
      describePlan({ ...PLAN, arrival: { kind: 'bursts', requests: 20, pauseMs } })
    expect(bursts(0)).toContain('a?b: 20 requests at once, again and again; 6')
    expect(bursts(500)).toContain('a?b: 20 requests at once, again and again after 500 ms of silence; 6')
    const open: UrlPlan = {
      ...PLAN,
      arrival: { kind: 'open', perSecond: 20, spacing: 'poisson', maxInFlight: 8 },
      measure: { requests: 10, seconds: 3 },
      rounds: 1,
      isCold: true,
      isResumed: true,
    }
    expect(describePlan(open)).toBe(
      'GET https://origin.example:8443/a?b: 20 requests/s, at random times, whatever became of those before (open loop), a new connection for each, resumed; 1 round of 3 s or 10 requests',
    )
  })

  it.each([
    ['https://a.example/', 443, 'a.example'],
    ['http://a.example/', 80, 'a.example'],
    ['https://[::1]:8443/', 8443, '::1'],
  ])('%s has port %d at %s', (text, port, host) => {
    expect([portOf(new URL(text)), hostOf(new URL(text))]).toEqual([port, host])
  })
})
