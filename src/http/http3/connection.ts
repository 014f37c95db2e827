import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { ConnectionListener, HandshakeInfo } from '../../base/events/connection.ts'
import { containFault, guardedListener } from '../../base/guard.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { ResponseLimits } from '../../base/options/options.ts'
import type { Http3Options, LivenessOptions, QuicOptions } from '../../base/options/protocol-options.ts'
import type { QuicHandshake, QuicLink } from '../../quic/engine.ts'
import type { Carrier, SessionHost } from '../multiplex/client-session.ts'
import { MultiplexedConnection } from '../multiplex/connection.ts'
import { HTTP3_ERROR_CODES } from './frames/error-codes.ts'
import { encodeTicket, type Http3Settings, offeredWebTransport } from './frames/settings.ts'
import { Http3Session } from './http3-session.ts'
import type { Http3SessionEvents } from './session.ts'

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
function waitForTicket(
  link: QuicLink,
  session: Pick<Http3Session, 'onLateTurn'>,
  clock: Clock,
  hasTicket: () => boolean,
): Promise<void> {
  const { connection } = link
  return new Promise(resolve => {
    const end = (): void => {
      resolve()
      timer.cancel()
      connection.close(true, HTTP3_ERROR_CODES.H3_NO_ERROR, '')
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

export interface Http3ConnectionOptions {
  /** Unique in the process. */
  id: number
  /** Established, or in early data. */
  link: QuicLink
  endpoint: Endpoint
  /** Written on: what early data became is known only later. */
  handshake: HandshakeInfo
  listener: ConnectionListener
  limits: ResponseLimits
  http3: Http3Options
  quic: QuicOptions
  /** Default: nobody asks. */
  liveness?: LivenessOptions | undefined
  clock: Clock
  /** What came with the ticket that was offered. */
  rememberedSettings?: Http3Settings | undefined
  /** The handshake is complete, if it was not before. */
  onHandshake?: ((handshake: QuicHandshake) => void) | undefined
  /** Something to resume with: for the ticket store, as encodeTicket made it. */
  onTicket?: ((ticket: Buffer) => void) | undefined
  /**
   * The connection has ended, but its link lingers for a ticket: see waitForTicket. Left out: it never does.
   */
  onLinger?: ((over: Promise<void>) => void) | undefined
  /** A defence took effect: the name of its limit. */
  onDefence?: ((limit: string) => void) | undefined
  /** See MultiplexedOptions. */
  onOrigins?: ((connection: MultiplexedConnection) => void) | undefined
  /** See Connection.altUsed. */
  altUsed?: string | undefined
  /** WebTransport is offered to the origin. Default false. */
  webTransport?: boolean | undefined
  /** HTTP datagrams are taken beside that, by tunnels (RFC 9297). Default false. */
  httpDatagrams?: boolean | undefined
}

/**
 * How much longer a peer may be silent where the connection can move to another path: moves are over in two
 * seconds.
 */
const MOVER_FACTOR = 4

/** HTTP/3 towards an origin: a client session over a QUIC connection. */
export function http3Connection(options: Http3ConnectionOptions): MultiplexedConnection {
  const { link, limits, quic } = options
  // What is read goes through one buffer that all connections share.
  const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
  return new MultiplexedConnection({
    id: options.id,
    protocol: 'h3',
    endpoint: options.endpoint,
    handshake: options.handshake,
    listener: options.listener,
    maxInformational: limits.maxInformational,
    clock: options.clock,
    keep,
    onDefence: options.onDefence,
    onOrigins: options.onOrigins,
    altUsed: options.altUsed,
    start: (host, now) => {
      let isFlushing = false
      const flush = guardedListener(
        'writing to an HTTP/3 connection',
        () => {
          isFlushing = false
          session.flush()
        },
        host.onFault,
      )
      // The cork is emptied when the caller has said all that it has to say now, and before the link runs.
      const onOutput = (): void => {
        if (!isFlushing) {
          isFlushing = true
          process.nextTick(flush)
        }
        link.schedule()
      }
      const session = new Http3Session({
        role: 'client',
        quic: link.connection,
        options: options.http3,
        maxHeaderBytes: limits.maxHeaderBytes,
        maxHeaderCount: limits.maxHeaderCount,
        maxRequests: quic.maxRequestsPerConnection,
        enableConnectProtocol: false,
        enableDatagrams: options.webTransport === true || options.httpDatagrams === true,
        webTransport: options.webTransport === true ? offeredWebTransport(options.http3) : undefined,
        rememberedSettings: options.rememberedSettings,
        liveness: options.liveness,
        patience: {
          doubtMs: quic.doubtMs,
          // One that can move has time to do so first.
          unresponsiveMs: quic.unresponsiveMs * (link.mover === undefined ? 1 : MOVER_FACTOR),
        },
        events: sessionEvents(host, options, onOutput, () => session),
        keep,
      })
      link.owner = owner(host, session, link)
      session.start(now)
      link.schedule()
      return { session, carrier: carrierOver(link) }
    },
  })
}

function owner(host: SessionHost, session: Http3Session, link: QuicLink): QuicLink['owner'] {
  return {
    onTurn: () => {
      try {
        session.onTurn(host.beginInput())
        host.endInput()
      } catch (error) {
        containFault('a turn of an HTTP/3 connection', error, fault => {
          host.onFault(fault)
          link.connection.close(true, HTTP3_ERROR_CODES.H3_INTERNAL_ERROR, '')
        })
      }
    },
    onClosed: () => {
      const message = 'the QUIC connection has ended'
      host.onLost(
        'network-error',
        new TransportError('MM_CONNECTION_CLOSED', message, { processed: 'unknown' }),
      )
    },
    isWaiting: () => host.isWaiting(),
  }
}

function carrierOver(link: QuicLink): Carrier {
  return {
    // Its end is reported at once.
    isWritable: true,
    finish: () => link.schedule(),
    whenGone: () => link.whenOver(),
    ref: () => link.ref(),
    unref: () => link.unref(),
  }
}

function sessionEvents(
  { events }: SessionHost,
  options: Http3ConnectionOptions,
  onOutput: () => void,
  session: () => Http3Session,
): Http3SessionEvents {
  const { link, clock, handshake, rememberedSettings, onHandshake, onTicket, onLinger } = options
  let hasTicket = false
  const keepTicket = (ticket: Buffer, settings: Http3Settings): void => {
    hasTicket = true
    onTicket?.(encodeTicket({ ticket, settings, token: undefined }))
  }
  return {
    ...events,
    onOutput,
    onHandshake: quicHandshake => onHandshake?.(quicHandshake),
    onEarlyData: outcome => {
      handshake.earlyData = outcome
    },
    onTicket: keepTicket,
    mayCloseNow: () => {
      // Only who has used up a ticket, and would get another one, has to wait.
      const isWaiting = rememberedSettings !== undefined && !hasTicket && link.connection.isEstablished
      if (!isWaiting || onLinger === undefined) return true
      onLinger(waitForTicket(link, session(), clock, () => hasTicket))
      return false
    },
    onRequest: () => {
      throw new Error('a client session takes no requests')
    },
  }
}
