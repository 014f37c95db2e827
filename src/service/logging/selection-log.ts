import type { Logger } from 'pino'
import type { SelectionEvent } from '../../entry/events.ts'

/** A dial has the lines of its connection. */
type Logged = Exclude<SelectionEvent, { type: 'dial-ended' }>

/**
 * Logs how protocols are chosen: what carries requests from now on and what is thought of HTTP/3 at info,
 * since these are few; races and evidence at debug.
 *
 *   shop: requests go over h3 (faster): predicted to be 21 % faster than tcp
 *   shop: HTTP/3 at origin.example:443 is broken: no answer over UDP while TCP worked
 */
export function logSelection(logger: Logger, event: Logged, origin: string): void {
  switch (event.type) {
    case 'decision': {
      const { lane, rule, because } = event.decision
      logger.info(
        { origin, lane, rule, because },
        `${origin}: requests go over ${lane} (${rule}): ${because}`,
      )
      return
    }
    case 'http3-status': {
      const { alternative, status, because } = event
      logger.info(
        { origin, alternative, status, because },
        `${origin}: HTTP/3 at ${alternative} is ${STATUS_WORDS[status]}: ${because}`,
      )
      return
    }
    case 'race-ended': {
      const { race, winner } = event
      const course = race.map(({ atMs, lane, event: what }) => `${lane} ${what} at ${Math.round(atMs)}ms`)
      const outcome = winner === undefined ? 'no lane gave a connection' : `${winner} won`
      const steps = course.length === 0 ? '' : ` (${course.join(', ')})`
      logger.debug({ origin, winner, race }, `${origin}: race: ${outcome}${steps}`)
      return
    }
    case 'evidence':
      logger.debug(
        { origin, source: event.source, fact: event.fact },
        `${origin}: learned from ${event.source}: ${event.fact}`,
      )
  }
}

const STATUS_WORDS = {
  pending: 'to be tried',
  confirmed: 'confirmed',
  failedRecently: 'to be tried again after it failed',
  broken: 'broken',
} as const
