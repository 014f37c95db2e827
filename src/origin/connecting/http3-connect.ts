import type { Clock } from '../../base/clock.ts'
import type { Connection, ConnectionListener } from '../../base/events/connection.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { QuicConnection, QuicHandshake, QuicLink } from '../../quic/engine.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { EarlyDataWatch } from './early-data-watch.ts'
import type { Http3Dialed } from './http3-dialer.ts'
import { makeHttp3Connection } from './make-connection.ts'
import { certificateFacts } from './peer-tickets.ts'

export interface Http3ConnectParts {
  readonly dialed: Http3Dialed
  readonly listener: ConnectionListener
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly clock: Clock
  readonly onDefence: (limit: string) => void
  readonly onOrigins: (connection: MultiplexedConnection) => void
  readonly onEarlyData: (connection: Connection, outcome: 'accepted' | 'rejected') => void
  /** See Connection.altUsed. */
  readonly altUsed: string | undefined
  /** The handshake is complete. */
  readonly onConnected: () => void
  /** The connection was made, maybe in early data; it may be able to move to other paths. */
  readonly onLink: (connection: Connection, link: QuicLink) => void
}

export interface Http3Connected {
  readonly connection: Connection
  readonly quic: QuicConnection
}

/**
 * Puts HTTP/3 over a dialed link, and learns from what comes of it: tickets, the outcome of early data, the
 * record.
 */
export function connectHttp3(parts: Http3ConnectParts): Http3Connected {
  const { dialed, listener, settings, record, clock, onDefence, onEarlyData, altUsed, onConnected, onLink } =
    parts
  const { link, endpoint, handshake, meter, offeredTicket, tickets, rememberedSettings, onLinger } = dialed
  const at = formatEndpoint(endpoint)
  const startedAt = clock.now() - handshake.timings.tlsMs
  const learn = (): void => {
    record.onConnected({ protocol: 'h3', endpoint: at, handshake, offeredTicket }, clock.now())
    onConnected()
  }
  const isEarly = handshake.kind === 'early_data'
  if (!isEarly) learn()

  const watch = offeredTicket
    ? new EarlyDataWatch(listener, {
        onHarm: () => {
          tickets?.purge()
          if (isEarly && handshake.earlyData === 'none') {
            // A dial that fails says so by itself; this one had been said to stand.
            const failed = { outcome: 'failed', error: 'no handshake followed early data' } as const
            record.onAttempts(
              handshake.attempts.map(attempt =>
                attempt.outcome === 'connected' ? { ...attempt, ...failed } : attempt,
              ),
              clock.now(),
            )
          }
        },
      })
    : undefined

  const onHandshake = (complete: QuicHandshake): void => {
    watch?.onHandshake()
    if (!isEarly) return
    tickets?.onHandshake(complete)
    // The session has said before what became of it; a server that resumes and says nothing of early data has
    // refused it.
    const outcome = handshake.earlyData === 'accepted' ? 'accepted' : 'rejected'
    handshake.earlyData = outcome
    if (outcome === 'rejected') handshake.kind = complete.isResumed ? 'resumed' : 'full'
    handshake.timings.tlsMs = clock.now() - startedAt
    Object.assign(handshake, certificateFacts(complete, tickets), meter.read(link))
    learn()
    onEarlyData(connection, outcome)
  }
  if (!isEarly) watch?.onHandshake()
  const connection = makeHttp3Connection({
    link,
    endpoint,
    handshake,
    listener: watch ?? listener,
    settings,
    clock,
    rememberedSettings,
    onHandshake,
    onTicket: ticket => tickets?.put(ticket),
    onLinger: tickets === undefined ? undefined : onLinger,
    onDefence,
    onOrigins: parts.onOrigins,
    altUsed,
  })
  watch?.watch(connection, settings.timeouts.connectMs, clock)
  onLink(connection, link)
  return { connection, quic: link.connection }
}
