import { describe, expect, it } from 'vitest'
import type { PathEvent } from '../../../../src/quic/driven-connection.ts'
import type { UdpAddress } from '../../../../src/quic/engine.ts'
import { PathBounces } from '../../../../src/quic/quiche/path-bounces.ts'

const LOCAL = { host: '192.0.2.9', port: 443 }
const FIRST = { host: '192.0.2.1', port: 1000 }
const SECOND = { host: '192.0.2.1', port: 1001 }
const THIRD = { host: '192.0.2.3', port: 1000 }

const small = (text: string): Buffer => Buffer.from(text)
const event = (outcome: PathEvent['outcome'], remote: UdpAddress): PathEvent => ({
  outcome,
  local: LOCAL,
  remote,
})
/** What quiche says when it has followed its client. */
const moveTo = (to: UdpAddress): PathEvent[] => [
  event('new', to),
  event('validated', to),
  event('peer-migrated', to),
]

function movedAt(now: number, ...places: readonly UdpAddress[]): PathBounces {
  const visits = new PathBounces(FIRST)
  for (const place of places) visits.onPathEvents(moveTo(place), now)
  return visits
}

/**
 * Two datagrams in a row from there: where the first one is told to have come from; undefined: it was not
 * kept back.
 */
function visitedAt(visits: PathBounces, now: number, from = SECOND): UdpAddress | undefined {
  if (visits.onDatagram(small('a'), from, now).length > 0) return undefined
  const [first, second] = visits.onDatagram(small('b'), from, now)
  expect(first?.datagram).toEqual(small('a'))
  expect(second).toEqual({ datagram: small('b'), from })
  return first?.from
}

describe('a client that has not migrated', () => {
  it('is reported as it is, wherever a datagram comes from', () => {
    const visits = new PathBounces(FIRST)
    expect(visits.onDatagram(small('a'), FIRST, 0)).toEqual([{ datagram: small('a'), from: FIRST }])
    expect(visits.onDatagram(small('b'), SECOND, 0)).toEqual([{ datagram: small('b'), from: SECOND }])
    expect(visits.isCurrent(FIRST)).toBe(true)
    expect(visits.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('stays where it is until its new address is validated', () => {
    const visits = new PathBounces(FIRST)
    visits.onPathEvents([event('new', SECOND)], 0)
    expect(visits.isCurrent(FIRST)).toBe(true)
    expect(visits.onDatagram(small('a'), SECOND, 0)).toHaveLength(1)
  })
})

describe('an address that a client left', () => {
  it('is bounced four times, to it with a datagram from the new one and back with the next', () => {
    const visits = movedAt(1_000, SECOND)
    const times = [1_000, 1_001, 1_099, 1_100, 1_499, 1_500, 3_499, 3_500, 9_000]
    const visited = times.filter(now => visitedAt(visits, now) !== undefined)
    expect(visited).toEqual([1_000, 1_100, 1_500, 3_500])
    expect(visits.name).toBe('settled')
  })

  it('is the source address of the bounced datagram', () => {
    expect(visitedAt(movedAt(0, SECOND), 0)).toEqual(FIRST)
  })

  it('is bounced as well when it was left before the last one', () => {
    const visits = movedAt(0, SECOND, THIRD)
    expect([visitedAt(visits, 0, THIRD), visitedAt(visits, 0, THIRD)]).toEqual([FIRST, SECOND])
    expect(visitedAt(visits, 0, THIRD)).toBeUndefined()
  })

  it("is not taken for the client's address because of the bounce", () => {
    const visits = movedAt(0, SECOND)
    visitedAt(visits, 0)
    visits.onPathEvents([event('peer-migrated', FIRST), event('peer-migrated', SECOND)], 1)
    expect(visits.isCurrent(SECOND)).toBe(true)
    expect(visitedAt(visits, 1)).toBeUndefined()
  })

  it("is the client's address again when it goes back", () => {
    const visits = movedAt(0, SECOND)
    visits.onPathEvents([event('peer-migrated', FIRST)], 1)
    expect(visits.isCurrent(FIRST)).toBe(true)
    expect(visitedAt(visits, 1, FIRST)).toEqual(SECOND)
  })

  it('is not bounced when its path has failed, even if that is reported between the two datagrams', () => {
    const visits = movedAt(0, SECOND)
    visits.onPathEvents([event('failed', FIRST)], 0)
    expect(visitedAt(visits, 0)).toBeUndefined()
    const others = movedAt(0, SECOND)
    expect(others.onDatagram(small('a'), SECOND, 0)).toEqual([])
    others.onPathEvents([event('closed', FIRST)], 0)
    expect(others.onDatagram(small('b'), SECOND, 0).map(({ from }) => from)).toEqual([SECOND, SECOND])
  })
})

describe('a datagram that is held back for a bounce', () => {
  it('is delivered unchanged after 100 ms, and the bounce is tried three times more', () => {
    const visits = movedAt(0, SECOND)
    let tries = 0
    // The last visit is due after 2.5 s: these are three visits with four tries each.
    for (let now = 0; now < 2_400; now += 100) {
      if (visits.onDatagram(small('a'), SECOND, now).length > 0) continue
      tries += 1
      expect(visits.nextAt).toBe(now + 100)
      expect(visits.onTimer(now + 99)).toEqual([])
      expect(visits.onTimer(now + 100)).toEqual([{ datagram: small('a'), from: SECOND }])
    }
    expect(tries).toBe(12)
  })

  it('is delivered first and unchanged when one comes from elsewhere', () => {
    const visits = movedAt(0, SECOND)
    visits.onDatagram(small('a'), SECOND, 0)
    expect(visits.onDatagram(small('b'), THIRD, 1)).toEqual([
      { datagram: small('a'), from: SECOND },
      { datagram: small('b'), from: THIRD },
    ])
  })

  it('is delivered unchanged when the client has migrated again meanwhile', () => {
    const visits = movedAt(0, SECOND)
    visits.onDatagram(small('a'), SECOND, 0)
    visits.onPathEvents(moveTo(THIRD), 1)
    expect(visits.onDatagram(small('b'), THIRD, 1)).toEqual([
      { datagram: small('a'), from: SECOND },
      { datagram: small('b'), from: THIRD },
    ])
  })
})

describe('an address that is not validated', () => {
  it('is bounced as well, since the client may have been there', () => {
    const visits = new PathBounces(FIRST)
    visits.onPathEvents([event('new', SECOND)], 0)
    expect(visitedAt(visits, 19, FIRST)).toBeUndefined()
    expect(visitedAt(visits, 20, FIRST)).toEqual(SECOND)
  })

  it('gets no more than 300 bytes of credit by a bounce', () => {
    const visits = new PathBounces(FIRST)
    visits.onPathEvents([event('new', SECOND)], 0)
    expect(visits.onDatagram(Buffer.alloc(101), FIRST, 500)).toHaveLength(1)
    expect(visits.onDatagram(Buffer.alloc(100), FIRST, 500)).toHaveLength(0)
  })

  it('takes a bounded amount of memory, however many there are', () => {
    const visits = new PathBounces(FIRST)
    for (let port = 1; port <= 1_000; port += 1) visits.onPathEvents([event('new', { ...SECOND, port })], 0)
    let made = 0
    while (visitedAt(visits, 9_000, FIRST) !== undefined) made += 1
    expect(made).toBe(60)
  })
})
