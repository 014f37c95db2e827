import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { CloseReason, Connection } from '../../base/events/connection.ts'
import {
  formatPathEnd,
  type MigrationOutcome,
  type MigrationReport,
} from '../../base/events/migration-report.ts'
import type { Observer } from '../../base/events/observer.ts'
import type { Origin } from '../../base/http/origin.ts'
import { isHere } from '../../base/local-addresses.ts'
import type { LinkMover, QuicLink } from '../../quic/engine.ts'
import { age, type KnownFact } from '../../select/evidence/evidence.ts'
import type { MigrateOptions, MigrationFigures, MigrationResult } from '../stats.ts'

export interface ConnectionMovesParts {
  readonly origin: Origin
  readonly isTrusted: boolean
  readonly clock: Clock
  readonly observer: Observer
  /** Gives the connection no more exchanges. */
  readonly retire: (connection: Connection, reason: CloseReason) => void
}

/** What of a link is looked at here. */
export type MovingLink = Pick<QuicLink, 'local' | 'mover'>

type Known = MigrationFigures['last'][number] & { readonly at: number }

/** Reports that are kept for an origin. */
const MAX_REPORTS = 8

const NO_SECOND_PATH = 'its QUIC engine has no second path'
const NOT_TRUSTED =
  'the origin is not marked as trusted, and a hostile peer could hang this process once two paths exist (native-notes/quic-engine.md)'

/**
 * The moves of an origin's connections to other paths: who may, what became of them, and what follows where
 * one cannot.
 */
export class ConnectionMoves {
  readonly #parts: ConnectionMovesParts
  readonly #links = new WeakMap<Connection, MovingLink>()
  readonly #counts: Record<MigrationOutcome, number> = {
    moved: 0,
    'validation-failed': 0,
    refused: 0,
    redial: 0,
    ended: 0,
  }
  #last: readonly Known[] = []

  constructor(parts: ConnectionMovesParts) {
    this.#parts = parts
  }

  /** A connection was made over the link. */
  onConnected(connection: Connection, link: MovingLink): void {
    this.#links.set(connection, link)
    const { mover } = link
    if (mover === undefined) return
    mover.onReport = report => this.#onReport(connection, report)
    mover.onRedial = (_because, isPathDead) => {
      // A path on which nothing comes any more would hold what is under way until its timeouts: it is lost
      // now, and sent again where the rules allow it.
      if (isPathDead) connection.close('path-failed')
      else this.#parts.retire(connection, 'path-failed')
    }
  }

  /** Whether it has moved to another path, or tried to. */
  hasMoved(connection: Connection): boolean {
    return (this.#links.get(connection)?.mover?.reports.length ?? 0) > 0
  }

  /**
   * This machine has these addresses now: connections from another one move, or are lost where they cannot.
   */
  onAddresses(connections: readonly Connection[], present: ReadonlySet<string>): void {
    for (const connection of connections) {
      const link = this.#links.get(connection)
      if (link === undefined) continue
      if (link.mover !== undefined) link.mover.onAddresses(present)
      else if (!isHere(link.local.host, present)) connection.close('path-failed')
    }
  }

  /** Moves all that can be moved. Never rejects. */
  migrate(connections: Iterable<Connection>, to: MigrateOptions): Promise<readonly MigrationResult[]> {
    return Promise.all(Array.from(connections, connection => this.#migrate(connection, to)))
  }

  get figures(): MigrationFigures {
    return {
      outcomes: { ...this.#counts },
      last: this.#last.map(({ connectionId, report }) => ({ connectionId, report })),
    }
  }

  /** For `explain`. */
  facts(connections: Iterable<Connection>, now: number): KnownFact[] {
    const facts: KnownFact[] = [
      this.#parts.isTrusted
        ? { fact: 'HTTP/3 connections may move to another path', evidence: 'the origin is trusted' }
        : { fact: 'HTTP/3 connections stay on their first path', evidence: NOT_TRUSTED },
    ]
    for (const connection of connections) {
      const refusal = this.#links.get(connection)?.mover?.refusal
      if (refusal !== undefined) facts.push({ fact: `${nameOf(connection)} cannot move`, evidence: refusal })
    }
    for (const { connectionId, report, at } of this.#last) {
      facts.push({
        fact: `h3#${connectionId} ${migrationText(report)}`,
        evidence: `${report.because}, ${age(now - at)}`,
      })
    }
    return facts
  }

  #onReport(connection: Connection, report: MigrationReport): void {
    const { origin, clock, observer } = this.#parts
    this.#counts[report.outcome] += 1
    this.#last = [...this.#last, { connectionId: connection.id, report, at: clock.now() }].slice(-MAX_REPORTS)
    observer({ type: 'migration', origin, connection, report })
  }

  async #migrate(connection: Connection, to: MigrateOptions): Promise<MigrationResult> {
    const { id: connectionId, protocol } = connection
    const mover = this.#links.get(connection)?.mover
    const refusal = this.#refusal(connection, mover, to)
    if (mover === undefined || refusal !== undefined)
      return { connectionId, protocol, report: undefined, because: refusal ?? NO_SECOND_PATH }
    const report = await mover.migrate(to)
    return { connectionId, protocol, report, because: report.because }
  }

  #refusal(
    connection: Connection,
    mover: LinkMover | undefined,
    { address }: MigrateOptions,
  ): string | undefined {
    const { protocol, endpoint } = connection
    if (protocol !== 'h3') return `a connection over TCP cannot move, and this one speaks ${protocol}`
    if (mover === undefined) return this.#parts.isTrusted ? NO_SECOND_PATH : NOT_TRUSTED
    if (address !== undefined && isIP(address) !== endpoint.family)
      return `the connection is over IPv${endpoint.family}, and ${address} is not`
    return undefined // the mover knows what else is against it, and whether a new connection follows
  }
}

/** Throws MM_INVALID_ARGUMENT for what is no address or no port. */
export function checkMigrationTarget({ address, port }: MigrateOptions): void {
  if (address !== undefined && isIP(address) === 0)
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `not a local IP address: ${JSON.stringify(address.slice(0, 100))}`,
    )
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535))
    throw new TransportError('MM_INVALID_ARGUMENT', `not a port: ${port}`)
}

/** `moved from 127.0.0.1:5000 to 127.0.0.1:5001 (forced), gap 12 ms`. */
function migrationText({ outcome, from, to, cause, gapMs }: MigrationReport): string {
  const gap = gapMs === undefined ? '' : `, gap ${Math.round(gapMs)} ms`
  if (outcome === 'moved' && to !== undefined)
    return `moved from ${formatPathEnd(from)} to ${formatPathEnd(to)} (${cause})${gap}`
  return `did not move from ${formatPathEnd(from)} (${cause}): ${outcome}`
}

function nameOf({ protocol, id }: Connection): string {
  return `${protocol}#${id}`
}
