import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  createTransport,
  type Transport,
  type WebTransportOptions,
  type WebTransportSession,
} from '../../../src/index.ts'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import {
  type Http3Origin,
  type Http3OriginSettings,
  startHttp3Origin,
} from '../../../src/testing/http3-origin.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUdpRelay, type UdpRelay } from '../../support/udp-relay.ts'

const DAY_MS = 86_400_000

export interface BridgeWorld {
  readonly origin: Http3Origin
  readonly connector: TestConnector
  /** Of the connector, as browsers take it by its hash. */
  readonly identity: IssuedCertificate
  /** Of a client. */
  readonly transport: Transport
  /** Sessions that the origin has accepted. */
  readonly accepted: WebTransportSession[]
  open(path?: string, options?: WebTransportOptions): WebTransportSession
  /** Lines of the access log, with the members of each. */
  records(): Record<string, unknown>[]
  readonly config: ServiceConfig
  /** On one of the two legs, where it was asked for. */
  readonly relay: UdpRelay | undefined
}

type ListenEntry = NonNullable<ServiceConfig['listen']>[number]

export interface BridgeSettings {
  readonly origin?: Partial<Http3OriginSettings>
  readonly listen?: Partial<ListenEntry>
  readonly service?: Partial<ServiceConfig>
  /** Of the one origin. */
  readonly originOptions?: object
  /** On which leg a relay lies. Default: on none. */
  readonly isRelayed?: 'client' | 'origin'
}

/** A client, a connector that takes sessions, and an origin that does; all end with the test. */
export async function bridgeWorld(
  serve: (session: WebTransportSession, path: string) => unknown = () => {},
  settings: BridgeSettings = {},
): Promise<BridgeWorld> {
  const authority = await createCertificateAuthority()
  const accepted: WebTransportSession[] = []
  const origin = await startHttp3Origin({
    tls: await authority.issue({ names: ['localhost'] }),
    onSession: (session, path) => {
      accepted.push(session)
      serve(session, path)
    },
    ...settings.origin,
  })
  const identity = await authority.issue({
    names: ['127.0.0.1', 'localhost'],
    notAfter: new Date(Date.now() + 10 * DAY_MS),
  })
  const directory = makeTemporaryDirectory('bridge')
  const accessLog = join(directory.path, 'access.log')
  const { isRelayed } = settings
  let relay = isRelayed === 'origin' ? await startUdpRelay(origin.port) : undefined
  const url = relay === undefined ? origin.url : `https://localhost:${relay.port}`
  const config: ServiceConfig = {
    accessLog: { format: 'json', to: accessLog },
    ...bridgeConfig(url, authority.cert, identity, settings),
    ...settings.service,
  }
  const connector = await startConnector(config)
  if (isRelayed === 'client') relay = await startUdpRelay(connector.port)
  const port = isRelayed === 'client' ? (relay?.port ?? 0) : connector.port
  const transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  onTestFinished(async () => {
    await transport.close()
    await connector.service.close()
    await origin.close()
    await relay?.[Symbol.asyncDispose]()
    directory.remove()
  })
  return {
    origin,
    connector,
    identity,
    transport,
    accepted,
    open: (path = '/session', options = {}) =>
      transport.webTransport(`https://127.0.0.1:${port}${path}`, options),
    records: () =>
      readFileSync(accessLog, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Record<string, unknown>), // a record is an object
    config,
    relay,
  }
}

/** What a connector needs to take sessions for one origin. */
export function bridgeConfig(
  url: string,
  ca: string,
  { cert, key }: Pick<IssuedCertificate, 'cert' | 'key'>,
  { listen, originOptions }: Pick<BridgeSettings, 'listen' | 'originOptions'> = {},
): Pick<ServiceConfig, 'listen' | 'origins'> {
  return {
    listen: [
      {
        address: '127.0.0.1:0',
        tls: { cert, key },
        protocols: ['h3', 'h2', 'http/1.1'],
        webTransport: true,
        ...listen,
      },
    ],
    origins: {
      app: { url, protocols: ['h3', 'h2', 'http/1.1'], tls: { ca }, ...originOptions },
    },
  }
}
