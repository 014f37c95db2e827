import { asTransportError } from '../index.ts'
import { type Service, type ServiceConfig, type StartOptions, startService } from '../service/index.ts'
import { carrierField } from './carrier-field.ts'
import { type DemoOriginName, type OriginsReady, runningOrigins } from './demo-origins.ts'

/** Each answer says what carried it. */
const OPTIONS: StartOptions = { responseFields: carrierField }

/** A connector in front of the demo's origins, and what there is to say about its address. */
export interface DemoConnector {
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
): Promise<DemoConnector> {
  if (wantedPort === undefined || wantedPort === '') {
    return { service: await startService(demoConfig(origins, 0), OPTIONS), notice: undefined }
  }
  let notice: string
  if (/^\d{1,5}$/.test(wantedPort) && Number(wantedPort) <= 65_535) {
    try {
      return {
        service: await startService(demoConfig(origins, Number(wantedPort)), OPTIONS),
        notice: undefined,
      }
    } catch (error) {
      const failure = asTransportError(error)
      if (failure.code !== 'MM_LISTEN_FAILED') throw error
      notice = `${failure.message}; taking a free port`
    }
  } else notice = `PORT=${wantedPort} is no port; taking a free one`
  return { service: await startService(demoConfig(origins, 0), OPTIONS), notice }
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
