import { impairTcp } from '../../src/bench/impair/tcp-relay.ts'
import { type CertificateFiles, writeCertificateFiles } from '../../test/support/certificate-files.ts'
import { type NginxCounters, nginxCounters } from '../../test/support/nginx-counters.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'

/** How long each address keeps idle connections. */
const KEEP_ALIVE_SECONDS = [5, 10, 20, 40, 75] as const
const ORIGINS_PER_ADDRESS = 10
export const ORIGINS = KEEP_ALIVE_SECONDS.length * ORIGINS_PER_ADDRESS

/** One way, between a proxy and its origins. */
export const DELAY_MS = 10

/** One of the names that share addresses: the popular ones are spread over all of them. */
export interface OriginName {
  readonly host: string
  /** Of the relay before its server. */
  readonly address: string
}

export const ORIGIN_NAMES: readonly OriginName[] = Array.from({ length: ORIGINS }, (_, i) => ({
  host: `o${String(i).padStart(2, '0')}.test`,
  address: addressOf(i % KEEP_ALIVE_SECONDS.length),
}))

function addressOf(index: number): string {
  return `127.0.1.${index + 1}`
}

/** The origins of one subject: one nginx on all the addresses, behind a relay on each that adds the delay. */
export interface OriginServers extends AsyncDisposable {
  /** Of the relays. */
  readonly port: number
  readonly certificates: CertificateFiles
  /** All that was accepted so far, and what is open now. */
  counters(): Promise<NginxCounters>
}

export async function startOriginServers(): Promise<OriginServers> {
  const directory = makeTemporaryDirectory('many-origins')
  const stops: (() => Promise<void>)[] = [async () => directory.remove()]
  const stop = async (): Promise<void> => {
    for (const each of stops.reverse()) await each()
  }
  try {
    const names = ORIGIN_NAMES.map(({ host }) => host)
    const certificates = await writeCertificateFiles(directory.path, undefined, names)
    const statusPort = await freePort()
    const serverPort = await freePort()
    const { server } = await startNginxProcess({
      directory: directory.path,
      http: nginxConfig(certificates, serverPort, statusPort),
      ports: [statusPort],
    })
    stops.push(() => server.stop())
    const delay = { delayMs: DELAY_MS }
    const port = await freePort()
    for (const [index] of KEEP_ALIVE_SECONDS.entries()) {
      const host = addressOf(index)
      const target = { host, port: serverPort }
      const relay = await impairTcp({ target, host, port, seed: index, toServer: delay, toClient: delay })
      stops.push(async () => relay[Symbol.asyncDispose]())
    }
    const counters = nginxCounters(statusPort)
    await counters.reset()
    return { port, certificates, counters: () => counters.read(), [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function nginxConfig({ certFile, keyFile }: CertificateFiles, port: number, statusPort: number): string {
  const servers = KEEP_ALIVE_SECONDS.map(
    (seconds, index) => `
  server {
    listen ${addressOf(index)}:${port} ssl http2 backlog=4096;
    keepalive_timeout ${seconds}s;
    location / { return 200 "${'x'.repeat(1_000)}"; }
  }`,
  )
  return `
  ssl_certificate ${certFile};
  ssl_certificate_key ${keyFile};
  ssl_session_cache shared:sessions:4m;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:${statusPort};
    location = /nginx-status { stub_status; }
  }${servers.join('')}`
}
