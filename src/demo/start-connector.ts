import type { DispatchHandle, HeaderList } from '../entry/dispatch.ts'
import { asTransportError } from '../index.ts'
import { type Service, type ServiceConfig, type StartOptions, startService } from '../service/index.ts'
import { type DemoOriginName, type OriginsReady, runningOrigins } from './demo-origins.ts'

/**
 * Says with each answer what carried it, and what a handshake cost or would have cost: `Proxy-Status:
 * middlemile; next-protocol=h2; details="connection 3, reused: it spared a handshake of 81 ms"` (RFC 9209:
 * next-protocol is what was spoken to the origin, details is for people).
 */
export function carrierField({
  connection,
  reused,
}: Pick<DispatchHandle, 'connection' | 'reused'>): HeaderList {
  if (connection === undefined) return []
  const { connectMs, tlsMs } = connection.handshake.timings
  const took = `a handshake of ${(connectMs + tlsMs).toFixed(0)} ms`
  const what = reused ? `reused: it spared ${took}` : `new: it cost ${took}`
  const { protocol, id } = connection
  return ['proxy-status', `middlemile; next-protocol=${protocol}; details="connection ${id}, ${what}"`]
}

/** A connector in front of the demo's origins, and what there is to say about its address. */
interface DemoConnector {
  readonly service: Service
  /** Set when it is not the one that was asked for. */
  readonly notice: string | undefined
}

/**
 * Starts it on the wanted port, or on a free one when none is wanted or that one cannot be had: a demo always
 * starts.
 */
export async function startConnector(
  origins: OriginsReady,
  wantedPort: string | undefined,
  log: StartOptions,
): Promise<DemoConnector> {
  const options: StartOptions = { ...log, responseFields: carrierField } // each answer says what carried it
  if (wantedPort === undefined || wantedPort === '') {
    return { service: await startService(demoConfig(origins, 0), options), notice: undefined }
  }
  let notice: string
  if (/^\d{1,5}$/.test(wantedPort) && Number(wantedPort) <= 65_535) {
    try {
      return {
        service: await startService(demoConfig(origins, Number(wantedPort)), options),
        notice: undefined,
      }
    } catch (error) {
      const failure = asTransportError(error)
      if (failure.code !== 'MM_LISTEN_FAILED') throw error
      notice = `${failure.message}; taking a free port`
    }
  } else notice = `PORT=${wantedPort} is no port; taking a free one`
  return { service: await startService(demoConfig(origins, 0), options), notice }
}

/** The demo's configuration: what is said here could stand in a YAML file. */
function demoConfig(origins: OriginsReady, port: number): ServiceConfig {
  return {
    listen: [{ address: `127.0.0.1:${port}` }],
    admin: { address: '127.0.0.1:0' },
    log: { level: 'warn' },
    shutdown: { drainTimeout: '5s' },
    origins: Object.fromEntries(
      runningOrigins(origins).map(({ name, port }) => [
        name,
        {
          url: `https://localhost:${port}`,
          endpoints: ['127.0.0.1'],
          hosts: [hostOf(name)],
          tls: { ca: origins.ca },
          // Who speaks nothing else has to be known for it.
          ...(name === 'quic' && { protocols: ['h3' as const] }),
        },
      ]),
    ),
    // Whoever names no host of the demo, such as a browser, gets the quick one.
    routes: [{ host: '*', origin: 'quick' }],
  }
}

/** The Host that leads to an origin. */
export function hostOf(name: DemoOriginName): string {
  return `${name}.demo`
}
