import type { Clock } from '../../base/clock.ts'
import type { Finding, ProbedFastOpen } from '../../base/events/probe-report.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { FastOpen } from '../../connect/fast-open/fast-open.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { probeFastOpen } from './fast-open.ts'

/** Looks for TCP Fast Open at an address of an origin. Rejects as probeFastOpen does. */
export type FastOpenProbe = (
  endpoint: Endpoint,
  origin: Origin,
  settings: OriginSettings,
  signal: AbortSignal,
) => Promise<Finding<ProbedFastOpen>>

/** In the origin's name, with its trust, and within its time for a connect. */
export function fastOpenProbe(clock: Clock, fastOpen: FastOpen): FastOpenProbe {
  return (endpoint, origin, { tls, protocols, timeouts }, signal) => {
    const serverName = (tls.serverName ?? origin.host).replace(/\.$/, '')
    const timeoutMs = timeouts.connectMs + timeouts.tlsMs
    return probeFastOpen(endpoint, { clock, fastOpen, tls, serverName, protocols, timeoutMs }, signal)
  }
}
