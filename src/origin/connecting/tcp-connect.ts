import type { Clock } from '../../base/clock.ts'
import type { Connection, ConnectionListener } from '../../base/events/connection.ts'
import type { EarlyDataOutcome } from '../../base/events/observer.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { unreadProbe } from '../../connect/native/socket-calls.ts'
import type { DialResult } from '../../connect/tcp/dial-request.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { EarlyDataWatch } from './early-data-watch.ts'
import { makeConnection } from './make-connection.ts'

export interface TcpConnectParts {
  readonly dialed: DialResult
  readonly listener: ConnectionListener
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly clock: Clock
  /** What it says of what the origin would speak; undefined: it was left no choice. */
  readonly chosen: Protocol | undefined
  readonly onAltSvc: (origin: string, value: string) => void
  readonly onDefence: (limit: string) => void
  readonly onOrigins: (connection: MultiplexedConnection) => void
  readonly onEarlyData: (connection: Connection, outcome: EarlyDataOutcome) => void
}

/**
 * Puts a protocol over what was dialed over TCP, and learns from it; where it is in early data, when its
 * handshake is complete.
 */
export function connectTcp(parts: TcpConnectParts): Connection {
  const { dialed, settings, record, clock, chosen, onAltSvc, onDefence, onOrigins, onEarlyData } = parts
  const { alpnProtocol, endpoint, handshake, offeredTicket, early } = dialed
  const at = formatEndpoint(endpoint)
  const learn = (): void =>
    record.onConnected({ protocol: chosen, endpoint: at, handshake, offeredTicket }, clock.now())

  let { listener } = parts
  let watch: EarlyDataWatch | undefined
  if (early === undefined) learn()
  else {
    watch = new EarlyDataWatch(listener, { onHarm: () => early.purgeTickets() })
    listener = watch
    // Before the connection asks to be told: what it sends then finds everything settled.
    early.onOpen(() => {
      watch?.onHandshake()
      learn()
      onEarlyData(connection, early.outcome)
    })
  }
  dialed.socket.unref() // see EventLoopReference
  const connection = makeConnection(alpnProtocol, {
    socket: dialed.socket,
    port: dialed.readPort,
    endpoint,
    handshake,
    listener,
    settings,
    clock,
    early,
    hasUnread: unreadProbe(dialed.tcp),
    knownStreams: record.capacity?.value,
    onAltSvc,
    onDefence,
    onOrigins,
  })
  watch?.watch(connection, early?.limitMs ?? 0, clock)
  return connection
}
