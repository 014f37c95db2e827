import type { Logger } from 'pino'
import { type ConnectionMigrated, formatPathEnd } from '../../entry/events.ts'
import { duration } from './duration-text.ts'

/**
 * Logs what became of a connection that moved to another path, or was to: a move at info, everything else as
 * a warning.
 *
 *   shop h3#7: moved from 192.0.2.7:50123 to 192.0.2.8:50124 (silent), gap 180ms: nothing came for 120 ms
 *   while data flowed shop h3#7: not moved from 192.0.2.7:50123 (timeouts), redial: the peer forbids
 *   migration
 */
export function logMigration(logger: Logger, event: ConnectionMigrated, origin: string): void {
  const { connection, report } = event
  const { cause, outcome, gapMs, because } = report
  const from = formatPathEnd(report.from)
  const to = report.to === undefined ? undefined : formatPathEnd(report.to)
  const name = `${origin} ${connection.protocol}#${connection.id}`
  const fields = {
    origin,
    protocol: connection.protocol,
    connection: connection.id,
    cause,
    outcome,
    from,
    ...(to !== undefined && { to }),
    ...(gapMs !== undefined && { gapMs }),
    because,
  }
  if (outcome === 'moved') {
    const gap = gapMs === undefined ? '' : `, gap ${duration(gapMs)}`
    logger.info(fields, `${name}: moved from ${from} to ${to ?? '?'} (${cause})${gap}: ${because}`)
  } else logger.warn(fields, `${name}: not moved from ${from} (${cause}), ${outcome}: ${because}`)
}
