import type { Clock } from '../../base/clock.ts'
import type { QuicLink } from '../../quic/engine.ts'
import { ERROR_CODES } from './frames/error-codes.ts'
import type { Session } from './session.ts'

/** Round trips that a ticket may take behind the end of the handshake, and what machines add to them. */
const ROUND_TRIPS = 2
const GRACE_MS = 25
const MAX_MS = 500

/**
 * Keeps a QUIC connection whose session is over until a ticket has come (and SETTINGS, if they have not), for
 * two round trips at the most, and closes it then. Who resumed, sent early data and has his answer is done
 * within a round trip, but the server hands out the next ticket only behind the handshake: without this wait
 * each second connection of a row of short ones would go without.
 */
export function waitForTicket(
  link: QuicLink,
  session: Pick<Session, 'onLateTurn'>,
  clock: Clock,
  hasTicket: () => boolean,
): Promise<void> {
  const { connection } = link
  return new Promise(resolve => {
    const end = (): void => {
      resolve()
      timer.cancel()
      connection.close(true, ERROR_CODES.H3_NO_ERROR, '')
      link.unref()
      link.owner = undefined
      link.schedule()
    }
    const delayMs = Math.min(MAX_MS, connection.stats().rttMs * ROUND_TRIPS + GRACE_MS)
    const timer = clock.setTimer(delayMs, end)
    link.ref()
    link.owner = {
      onTurn: () => {
        if (!session.onLateTurn() || hasTicket()) end()
      },
      onClosed: end,
    }
    link.schedule()
  })
}
