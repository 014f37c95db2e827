import { describe, expect, it } from 'vitest'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { MigrationReport } from '../../../../src/base/events/migration-report.ts'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { ConnectionMoves, checkMigrationTarget } from '../../../../src/origin/paths/connection-moves.ts'
import type { MigrateOptions } from '../../../../src/origin/stats.ts'
import type { LinkMover } from '../../../../src/quic/engine.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { migrationReport, NO_MIGRATIONS } from '../../../support/migration-figures.ts'

const HERE = { host: '192.0.2.7', port: 5_000 }

/** Moves when it is told to, and says what the test wants of it. */
class FakeMover implements LinkMover {
  readonly reports: readonly MigrationReport[] = []
  refusal: string | undefined
  answer = migrationReport()
  onReport: LinkMover['onReport']
  onRedial: LinkMover['onRedial']
  readonly asked: unknown[] = []

  migrate(to?: MigrateOptions): Promise<MigrationReport> {
    this.asked.push(to)
    this.onReport?.(this.answer)
    return Promise.resolve(this.answer)
  }

  onAddresses(present: ReadonlySet<string>): void {
    this.asked.push([...present])
  }
}

function setUp({ isTrusted = true } = {}) {
  const clock = new FakeClock(1_000)
  const events: TransportEvent[] = []
  const log: string[] = []
  let lastId = 0
  const origin = parseOrigin('https://shop.test')
  const moves = new ConnectionMoves({
    origin,
    isTrusted,
    clock,
    observer: event => void events.push(event),
    retire: ({ id }, reason) => void log.push(`retire ${id} for ${reason}`),
  })
  const connection = (protocol: Connection['protocol'] = 'h3', family: 4 | 6 = 4): Connection => {
    lastId += 1
    const id = lastId
    const endpoint = { address: '192.0.2.1', family, port: 443, transport: 'udp' }
    const close = (reason: string) => void log.push(`close ${id} for ${reason}`)
    return { id, protocol, endpoint, close } as unknown as Connection // what is looked at here
  }
  const moving = (local = HERE) => {
    const mover = new FakeMover()
    const made = connection()
    moves.onConnected(made, { local, mover })
    return { connection: made, mover }
  }
  return { clock, events, log, origin, moves, connection, moving }
}

describe('ConnectionMoves', () => {
  it('reports each move, counts it by its outcome, and keeps the last eight', () => {
    const { moves, moving, events, origin } = setUp()
    expect(moves.figures).toEqual(NO_MIGRATIONS)
    const { connection, mover } = moving()
    const reports = Array.from({ length: 10 }, (_, i) =>
      migrationReport({ outcome: i < 9 ? 'moved' : 'redial', gapMs: i }),
    )
    for (const report of reports) mover.onReport?.(report)
    expect(events).toEqual(reports.map(report => ({ type: 'migration', origin, connection, report })))
    expect(moves.figures).toEqual({
      outcomes: { ...NO_MIGRATIONS.outcomes, moved: 9, redial: 1 },
      last: reports.slice(2).map(report => ({ connectionId: connection.id, report })),
    })
  })

  it('gives a connection that cannot move no more requests, and ends one whose path is dead', () => {
    const { moving, log } = setUp()
    moving().mover.onRedial?.('the peer forbids it', false)
    moving().mover.onRedial?.('nothing comes', true)
    expect(log).toEqual(['retire 1 for path-failed', 'close 2 for path-failed'])
  })

  it('moves every connection that can be moved, and says of the rest why it cannot', async () => {
    const { moves, moving, connection } = setUp()
    const [good, stuck] = [moving(), moving()]
    stuck.mover.answer = migrationReport({
      outcome: 'refused',
      because: 'asked for: the peer forbids migration',
    })
    const tcp = connection('h2')
    const six = moving()
    Object.assign(six.connection.endpoint, { family: 6 })
    const to = { address: '127.0.0.2', port: 6_000 }
    const all = [good.connection, stuck.connection, tcp, six.connection]
    const results = await moves.migrate(all, to)
    expect(results).toEqual([
      { connectionId: 1, protocol: 'h3', report: good.mover.answer, because: 'it was asked for' },
      { connectionId: 2, protocol: 'h3', report: stuck.mover.answer, because: stuck.mover.answer.because },
      {
        connectionId: tcp.id,
        protocol: 'h2',
        report: undefined,
        because: 'a connection over TCP cannot move, and this one speaks h2',
      },
      {
        connectionId: six.connection.id,
        protocol: 'h3',
        report: undefined,
        because: 'the connection is over IPv6, and 127.0.0.2 is not',
      },
    ])
    expect([good, stuck, six].map(({ mover }) => mover.asked)).toEqual([[to], [to], []])
    expect(moves.figures.outcomes.moved).toBe(1)
  })

  it('says that an origin is not marked as trusted', async () => {
    const { moves, connection } = setUp({ isTrusted: false })
    const made = connection()
    moves.onConnected(made, { local: HERE, mover: undefined })
    const [result] = await moves.migrate([made], {})
    expect(result).toMatchObject({
      report: undefined,
      because: expect.stringContaining('not marked as trusted'),
    })
    expect(moves.facts([made], 0)).toEqual([
      {
        fact: 'HTTP/3 connections stay on their first path',
        evidence: expect.stringContaining('not marked as trusted'),
      },
    ])
  })

  it('does not name trust as the reason where the engine has no second path', async () => {
    const { moves, connection } = setUp()
    const made = connection()
    moves.onConnected(made, { local: HERE, mover: undefined })
    expect(await moves.migrate([made], {})).toMatchObject([{ because: 'its QUIC engine has no second path' }])
  })

  it('passes the addresses of the machine to connections that can move, and ends those that cannot and have lost theirs', () => {
    const { moves, moving, connection, log } = setUp()
    const present = new Set(['127.0.0.1', '192.0.2.8'])
    const { connection: able, mover } = moving()
    const made = (host: string) => {
      const fixed = connection()
      moves.onConnected(fixed, { local: { host, port: 1 }, mover: undefined })
      return fixed
    }
    const all = [able, made('192.0.2.7'), made('192.0.2.8'), made('127.0.0.5'), connection('h2')]
    moves.onAddresses(all, present)
    expect(mover.asked).toEqual([['127.0.0.1', '192.0.2.8']])
    expect(log, 'all of 127.0.0.0/8 is there').toEqual([`close ${all[1]?.id} for path-failed`])
    moves.onAddresses(all.slice(3), new Set(['192.0.2.8']))
    expect(log.slice(1), 'none of it is').toEqual([`close ${all[3]?.id} for path-failed`])
  })

  it('explains which connections may move, which cannot at present, and the last moves', () => {
    const { moves, moving, clock } = setUp()
    const { connection, mover } = moving()
    mover.refusal = 'no connection id is left'
    mover.onReport?.(migrationReport())
    clock.advance(5_000)
    mover.onReport?.(
      migrationReport({ outcome: 'validation-failed', cause: 'slow', because: 'no answer from there' }),
    )
    expect(moves.facts([connection], clock.now())).toEqual([
      { fact: 'HTTP/3 connections may move to another path', evidence: 'the origin is trusted' },
      { fact: 'h3#1 cannot move', evidence: 'no connection id is left' },
      {
        fact: 'h3#1 moved from 127.0.0.1:5000 to 127.0.0.1:5001 (forced), gap 12 ms',
        evidence: 'it was asked for, 5 s ago',
      },
      {
        fact: 'h3#1 did not move from 127.0.0.1:5000 (slow): validation-failed',
        evidence: 'no answer from there, just now',
      },
    ])
  })
})

describe('checkMigrationTarget', () => {
  it.each([
    {},
    { address: '127.0.0.2' },
    { address: '::1', port: 1 },
    { port: 65_535 },
    { address: undefined, port: undefined },
  ])('takes %j', to => {
    expect(() => checkMigrationTarget(to)).not.toThrow()
  })

  it.each([
    { address: '' },
    { address: 'localhost' },
    { address: '127.0.0.1:5000' },
    { port: 0 },
    { port: 65_536 },
    { port: 1.5 },
    { port: Number.NaN },
  ])('refuses %j', to => {
    expect(() => checkMigrationTarget(to)).toThrowError(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
  })
})
