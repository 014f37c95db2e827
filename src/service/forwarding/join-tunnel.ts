import { type Duplex, pipeline } from 'node:stream'

/**
 * Carries bytes both ways until both sides have ended, or one of them broke. `pipeline` keeps the back-pressure, passes an end on as
 * an end (the other direction may still flow), and destroys both sides when one fails; what failed needs no further report, since
 * both peers see the end of their connection.
 */
export function joinTunnel(client: Duplex, origin: Duplex): void {
  // A side may break once more after its pipeline has ended and listens no longer.
  client.on('error', ignoreEnd)
  origin.on('error', ignoreEnd)
  pipeline(client, origin, ignoreEnd)
  pipeline(origin, client, ignoreEnd)
}

function ignoreEnd(): void {}
