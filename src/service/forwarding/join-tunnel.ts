import { type Duplex, pipeline } from 'node:stream'
import { guardedListener } from '../../base/guard.ts'
import { systemClock } from '../../entry/events.ts'

/**
 * How long a client that has all of a tunnel that is over may take to end it, too. To close at once could
 * cost it what it has not read yet.
 */
const LINGER_MS = 10_000
const MAX_LISTENERS = 20

/**
 * Carries bytes both ways until both sides have ended, or one of them broke: that destroys the other one as
 * well, and needs no further report, since both peers see the end of their connection. An end is passed on as
 * an end, and the other direction may still flow; but an origin that is reached by HTTP/1.1 closes with its
 * end. Then its last bytes are the client's, and what the client still says goes nowhere (RFC 9110 9.3.6).
 *
 * `onCarried` is notified of bytes as they come, since a tunnel may last for days: those from the client,
 * and those from the origin.
 */
export function joinTunnel(
  client: Duplex,
  origin: Duplex,
  onCarried: (fromClient: number, fromOrigin: number) => void,
): void {
  // TLS, pipes and what counts listen to one socket: more than Node's guess at a leak.
  client.setMaxListeners(MAX_LISTENERS)
  origin.setMaxListeners(MAX_LISTENERS)
  // A side may break once more after its pipeline has ended and listens no longer.
  client.on('error', ignoreEnd)
  origin.on('error', ignoreEnd)
  pipeline(origin, client, ignoreEnd)
  // No pipeline: it would destroy the client with the close of the origin, whose last bytes are still on
  // their way.
  client.pipe(origin)
  const guard = <A extends unknown[]>(listener: (...args: A) => void) =>
    guardedListener('an event of a tunnel', listener, () => {
      client.destroy()
      origin.destroy()
    })
  // After the pipes: they hold back a side whose other side does not read, and this only counts what comes.
  client.on(
    'data',
    guard((chunk: Buffer) => onCarried(chunk.length, 0)),
  )
  origin.on(
    'data',
    guard((chunk: Buffer) => onCarried(0, chunk.length)),
  )
  const onClientClosed = guard(() => {
    if (!client.readableEnded) origin.destroy()
  })
  const onFinished = guard(() => linger(client))
  const onOriginClosed = guard(() => {
    if (!origin.readableEnded) client.destroy()
    else if (client.writableFinished) linger(client)
    else client.once('finish', onFinished)
    client.resume()
  })
  client.once('close', onClientClosed)
  origin.once('close', onOriginClosed)
}

function linger(client: Duplex): void {
  if (client.closed) return
  const timer = systemClock.setTimer(LINGER_MS, () => client.destroy())
  client.once('close', () => timer.cancel())
}

function ignoreEnd(): void {}
