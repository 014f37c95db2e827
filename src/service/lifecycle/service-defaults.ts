import type { TransportOptions } from '../../index.ts'

/**
 * Requests of strangers come at a rate that is not ours to set: what waits in vain is to make room for what
 * still has somebody waiting for it. Who embeds the module has its own requests in hand, and none of them is
 * refused for others of its own.
 */
const SERVICE_QUEUE_TARGET_MS = 500
/** So are slow readers: the connections that they hold are not to be all that an origin has. */
const SERVICE_MAX_STALLED_CONNECTIONS = 1024

/** The options with the defaults that differ in a service. */
export function withServiceDefaults(options: TransportOptions): TransportOptions {
  const { defaults } = options
  const pool = {
    queueTargetMs: SERVICE_QUEUE_TARGET_MS,
    maxStalledConnections: SERVICE_MAX_STALLED_CONNECTIONS,
    ...defaults?.pool,
  }
  return { ...options, defaults: { ...defaults, pool } }
}
