import { describe, expect, it } from 'vitest'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import type { OriginSnapshot } from '../../../../src/select/record/origin-snapshot.ts'

const PLACE = { host: 'a.example', port: 443 }
const OPTIONS = { brokenBaseMs: 1000, brokenMaxMs: 60_000 }
const WALL = 1_800_000_000_000
const HOUR = 3_600_000

const restore = (kept: unknown, wallNow = WALL) => OriginRecord.restore(kept, PLACE, OPTIONS, 1000, wallNow)
const stamped = (value: unknown, change: object = {}) => ({
  value,
  at: WALL - HOUR,
  expiresAt: WALL + HOUR,
  source: 'test',
  ...change,
})
const kept = (change: object = {}) => ({
  version: 1,
  facts: {},
  attempts: {},
  connectMs: {},
  quic: {},
  alternatives: {},
  http3: {},
  ...change,
})
const place = (port: number, change: object = {}) => ({
  host: 'a.example',
  port,
  source: 'alt-svc',
  expiresAt: WALL + HOUR,
  persists: false,
  addressHints: [],
  ...change,
})
const empty = kept() as OriginSnapshot

describe('a snapshot of an origin record', () => {
  it('of an empty record is empty', () => {
    expect(new OriginRecord().snapshot(0, WALL)).toEqual(empty)
  })

  it('is restored onto the clock of the process', () => {
    const record = restore(kept({ facts: { protocol: stamped('h2') } }))
    expect(record.protocol).toEqual({ value: 'h2', at: 1000 - HOUR, expiresAt: 1000 + HOUR, source: 'test' })
    expect(record.wallOffset).toBe(WALL - 1000)
    expect(record.facts(1000)).toEqual([{ fact: 'speaks h2', evidence: 'test, 1 h ago' }])
  })

  it('of an older version contains nothing of data that was accepted with a SYN', () => {
    const before = restore(kept({ facts: { fastOpen: stamped({ cookie: true }) } }))
    expect(before.fact('fastOpen')?.value).toEqual({ cookie: true, taken: false })
    const now = restore(kept({ facts: { fastOpen: stamped({ cookie: true, taken: true }) } }))
    expect(now.fastOpenTaken(1000)).toMatchObject({ value: true, source: 'test' })
    expect(now.snapshot(1000, WALL).facts).toMatchObject({
      fastOpen: { value: { cookie: true, taken: true } },
    })
    const odd = restore(kept({ facts: { fastOpen: stamped({ taken: true }) } }))
    expect(odd.fact('fastOpen')).toBeUndefined()
  })

  it.each([
    ['another version', kept({ version: 2, facts: { protocol: stamped('h2') } })],
    ['no object', [kept()]],
    ['what has expired', kept({ facts: { protocol: stamped('h2', { expiresAt: WALL }) } })],
    ['what comes from the future', kept({ facts: { protocol: stamped('h2', { at: WALL + 60_001 }) } })],
    ['a value that makes no sense', kept({ facts: { protocol: stamped('h4') } })],
    ['a number that makes no sense', kept({ facts: { connectMs: stamped(-1) } })],
    ['a fact that nobody knows', kept({ facts: { toString: stamped('h2') } })],
    ['what is not kept', kept({ facts: { lastFailure: stamped('MM_CONNECT_REFUSED') } })],
    ['a list of the wrong kind', kept({ attempts: [stamped({ outcome: 'failed' })] })],
    ['an outcome of the wrong kind', kept({ attempts: { a: stamped({ outcome: 'gone' }) } })],
    ['an answer of the wrong kind', kept({ quic: { a: stamped({ kind: 'loud' }) } })],
    ['a key that is too long', kept({ connectMs: { ['a'.repeat(301)]: stamped(1) } })],
    ['a status of the wrong kind', kept({ http3: { a: { name: 'pending', at: WALL } } })],
    [
      'a status without its count',
      kept({ http3: { a: { name: 'broken', at: WALL, until: WALL, reason: 'x' } } }),
    ],
    ['a status that is too old', kept({ http3: { a: { name: 'confirmed', at: WALL - 30 * 24 * HOUR } } })],
    ['estimates that are too old', kept({ estimates: { at: WALL - 7 * 24 * HOUR, value: 1 } })],
    ['estimates that are too large', kept({ estimates: { at: WALL, value: 'x'.repeat(4095) } })],
  ])('leaves out %s', (_, value) => {
    const record = restore(value)
    expect(record.snapshot(1000, WALL)).toEqual(empty)
    expect(record.estimates).toBeUndefined()
  })

  it.each([
    ['a port', { port: 0 }],
    ['a host', { host: 'a/b' }],
    ['a host in upper case', { host: 'A.example' }],
    ['an expiry', { expiresAt: WALL }],
    ['a source', { source: 'configuration' }],
    ['hints', { addressHints: 'x' }],
  ])('leaves out an alternative with an invalid %s', (_, change) => {
    const list = [place(443, change), place(444)]
    const record = restore(kept({ alternatives: { advertised: { at: WALL, list } } }))
    expect(record.alternatives.usable(1000).map(({ port }) => port)).toEqual([444])
  })

  it('keeps nothing for longer than an observation is valid', () => {
    const record = restore(
      kept({
        facts: { quicLossRatio: stamped(0.1, { at: WALL, expiresAt: WALL + 1e10 }) },
        alternatives: { advertised: { at: WALL, list: [place(443, { expiresAt: WALL + 1e11 })] } },
      }),
    )
    expect(record.fact('quicLossRatio')?.expiresAt).toBe(1000 + HOUR)
    expect(record.alternatives.usable(1000)[0]?.expiresAt).toBe(1000 + 30 * 24 * HOUR)
  })

  it('leaves out what was observed on another network', () => {
    const before = { at: WALL - 2 * HOUR }
    const record = restore(
      kept({
        networkChangedAt: WALL - HOUR - 1,
        facts: {
          protocol: stamped('h2', before),
          connectMs: stamped(5, before),
          tlsMs: stamped(7),
        },
        connectMs: { 'a:1': stamped(5, before), 'a:2': stamped(5) },
        alternatives: { advertised: { ...before, list: [place(443), place(444, { persists: true })] } },
        http3: { 'a.example:444': { name: 'confirmed', ...before } },
      }),
    )
    expect([record.protocol?.value, record.connectMs, record.tlsMs?.value]).toEqual(['h2', undefined, 7])
    expect([record.connectMsOf('a:1'), record.connectMsOf('a:2')]).toEqual([undefined, 5])
    expect(record.http3(1000)).toMatchObject({ alternative: { port: 444 }, status: 'pending' })
    expect(record.networkChangedAt).toBe(1000 - HOUR - 1)
  })

  it('is bounded whatever the file holds', () => {
    const many = <T>(member: T) =>
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, member]))
    const record = restore(
      kept({
        attempts: many(stamped({ outcome: 'failed' }, { at: WALL })),
        connectMs: many(stamped(1)),
        quic: many(stamped({ kind: 'silent' })),
        http3: many({ name: 'confirmed', at: WALL }),
        alternatives: { probed: { at: WALL, list: Array.from({ length: 50 }, (_, i) => place(i + 1)) } },
      }),
    )
    const { attempts, connectMs, quic, http3, alternatives } = record.snapshot(1000, WALL)
    expect([attempts, connectMs, quic, http3].map(part => Object.keys(part).length)).toEqual([64, 64, 64, 16])
    expect(alternatives.probed?.list).toHaveLength(8)
  })

  it('is not harmed by a member named __proto__', () => {
    const text = JSON.stringify(kept({ connectMs: { x: stamped(1) } })).replace('"x"', '"__proto__"')
    const record = restore(JSON.parse(text))
    expect(record.connectMsOf('__proto__')).toBe(1)
    expect(Object.keys(record.snapshot(1000, WALL).connectMs)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['value']).toBeUndefined()
  })

  it('keeps estimates unchanged', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    record.onEstimates({ lanes: [1, 2], gone: undefined }, 1000)
    const loop: Record<string, unknown> = {}
    loop['loop'] = loop
    record.onEstimates(loop, 2000)
    record.onEstimates(undefined, 2000)
    const snapshot = record.snapshot(3000, WALL)
    expect(snapshot.estimates).toEqual({ at: WALL - 2000, value: { lanes: [1, 2] } })
    expect(restore(snapshot).estimates).toEqual({ lanes: [1, 2] })
  })
})

describe('an origin record that learns from another process', () => {
  const others = (change: object) => kept(change)

  it('takes what is newer than its own, and keeps the rest', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    record.onCapacity(7, 'h2', 1000)
    record.http3Status('a.example:443').onHttp3Worked(1000)
    const newer = { at: WALL + 1000, expiresAt: WALL + HOUR }
    record.learn(
      others({
        facts: { capacity: stamped(100), extendedConnect: stamped(true, newer) },
        alternatives: { advertised: { at: WALL, list: [place(8443)] } },
        http3: {
          'a.example:443': { name: 'broken', at: WALL + 1500, until: WALL + 9000, failures: 1, reason: 'x' },
          'a.example:8443': { name: 'confirmed', at: WALL },
        },
        estimates: { at: WALL, value: 'theirs' },
      }),
      2000,
      WALL + 2000,
    )
    expect(record.capacity?.value).toBe(7)
    expect(record.extendedConnect?.value).toBe(true)
    const { alternative, status } = record.http3(2000)
    expect([alternative?.port, status]).toEqual([8443, 'confirmed'])
    expect(record.http3Status('a.example:443').isBroken(2000)).toBe(true)
    expect(record.estimates).toBeUndefined()
  })

  it('takes nothing that is older, and none of what it says of itself', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    const status = record.http3Status('a.example:443')
    status.onHttp3Worked(1000)
    expect(record.learn(record.snapshot(1000, WALL), 1000, WALL)).toBe(false)
    expect(record.http3Status('a.example:443')).toBe(status)
    const old = { name: 'broken', at: WALL - 1, until: WALL + HOUR, failures: 1, reason: 'x' }
    record.learn(others({ http3: { 'a.example:443': old } }), 1000, WALL)
    expect(record.http3Status('a.example:443')).toBe(status)
  })

  it('takes no failure over, which may have been made good here', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    record.learn(others({ facts: { lastFailure: stamped('MM_CONNECT_REFUSED') } }), 1000, WALL)
    expect(record.lastFailure).toBeUndefined()
  })

  it('takes nothing of the path from before its network changed, though the other has not noticed', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    record.onNetworkChanged(1000)
    const before = { at: WALL - 5000, expiresAt: WALL + HOUR }
    const facts = { connectMs: stamped(20, before), capacity: stamped(100, before) }
    record.learn(others({ facts }), 1000, WALL)
    expect([record.connectMs, record.capacity?.value]).toEqual([undefined, 100])
  })

  it('leaves alone what is no record', () => {
    const record = new OriginRecord(PLACE, OPTIONS)
    for (const junk of [undefined, null, 1, 'x', [], { version: 99 }]) record.learn(junk, 1000, WALL)
    expect(record.snapshot(1000, WALL)).toEqual(empty)
  })
})

describe('two snapshots of an origin', () => {
  const merge = OriginRecord.mergeSnapshots

  it('are merged into one with the newest of each', () => {
    const old = { at: WALL - HOUR }
    const young = { at: WALL - 1000 }
    const a = kept({
      networkChangedAt: WALL - 5000,
      facts: { protocol: stamped('h2', old), capacity: stamped(100, young) },
      alternatives: { advertised: { ...young, list: [] }, probed: { ...old, list: [place(443)] } },
      http3: { 'a.example:443': { name: 'confirmed', ...young } },
      estimates: { ...old, value: 'a' },
    })
    const b = kept({
      facts: { protocol: stamped('h3', young), capacity: stamped(1, old) },
      alternatives: { advertised: { ...old, list: [place(443)] } },
      http3: { 'a.example:443': { name: 'broken', ...old, until: WALL, failures: 1, reason: 'x' } },
      estimates: { ...young, value: 'b' },
    })
    const merged = merge(a, b)
    expect(merged).toEqual(
      kept({
        networkChangedAt: WALL - 5000,
        facts: { protocol: stamped('h3', young), capacity: stamped(100, young) },
        alternatives: { advertised: { ...young, list: [] }, probed: { ...old, list: [place(443)] } },
        http3: { 'a.example:443': { name: 'confirmed', ...young } },
        estimates: { ...young, value: 'b' },
      }),
    )
    // One that said that there are none any more wins over what another process heard before.
    expect(restore(merged).alternatives.set('advertised').list).toEqual([])
  })

  it('keep the newest where there are too many', () => {
    const of = (from: number) =>
      kept({
        connectMs: Object.fromEntries(
          Array.from({ length: 64 }, (_, i) => [`k${from + i}`, stamped(1, { at: WALL - HOUR + from + i })]),
        ),
      })
    const keys = Object.keys(merge(of(0), of(40)).connectMs)
    expect([keys.length, keys[0], keys[63]]).toEqual([64, 'k103', 'k40'])
  })

  it('leave out what does not hold any more, when the time is given', () => {
    const wrong = kept({
      facts: { protocol: stamped('h3', { at: WALL + HOUR, expiresAt: WALL + 2 * HOUR }) },
    })
    const right = kept({ facts: { protocol: stamped('h2') } })
    expect(merge(wrong, right).facts.protocol?.value).toBe('h3')
    expect(merge(wrong, right, WALL).facts.protocol?.value).toBe('h2')
  })

  it('are not merged with anything else', () => {
    expect(() => merge(kept(), { version: 2 })).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
    expect(() => merge('x', kept())).toThrow('not what is kept of an origin')
  })
})
