import { createHash, X509Certificate } from 'node:crypto'
import { createTransport } from '../../src/index.ts'
import { acceptWebTransport } from '../../src/ingress/accept-web-transport.ts'
import { listenQuic } from '../../src/ingress/quic-listener.ts'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import { serveJobs } from '../lib/child-program.ts'
import { type AnySession, ServedSessions, type SessionWork, work } from './session-work.ts'

/**
 * One end of sessions of WebTransport: `server LIBRARY` or `client LIBRARY`. Libraries are ours over HTTP/3,
 * and `@fails-components/webtransport` over its own HTTP/2.
 */
export type SessionJob =
  | { readonly kind: 'figures' }
  | {
      readonly kind: 'work'
      readonly what: SessionWork
      readonly ms: number
      readonly port: number
      readonly hash: string
    }

export interface EndFigures {
  readonly cpuSeconds: number
  readonly port: number
  readonly hash: string
  readonly bytes: number
  readonly streams: number
  readonly datagrams: number
}

interface TheirPackage {
  readonly WebTransport: new (url: string, options: object) => AnySession
  readonly Http2Server: new (
    options: object,
  ) => {
    readonly ready: Promise<void>
    startServer(): void
    address(): { port: number }
    setRequestCallback(callback: (asked: { header: object }) => Promise<object>): void
    sessionStream(path: string): AsyncIterable<AnySession>
  }
}

/** Else the package refuses its 101st stream, since it never gives credit back, and begins with 16 KB. */
const GENEROUS = {
  initialBidirectionalStreams: 1_000_000,
  initialBidirectionalSendStreams: 1_000_000,
  initialUnidirectionalStreams: 1_000_000,
  initialStreamFlowControlWindow: 6_291_456,
  initialSessionFlowControlWindow: 15_728_640,
}

const [role, library] = process.argv.slice(2)
const isOurs = library !== 'package'
/** What a path of large packets carries: loopback does. */
const quic = library === 'middlemile-16k' ? { maxUdpPayloadBytes: 16_383 } : {}
const served = new ServedSessions()
let port = 0
let hash = ''
if (role === 'server') await startServer()
serveJobs(async (job: SessionJob): Promise<EndFigures> => {
  if (job.kind === 'work') await workOnce(job)
  const { user, system } = process.cpuUsage()
  const { bytes, streams, datagrams } = served
  return { cpuSeconds: (user + system) / 1e6, port, hash, bytes, streams, datagrams }
})

async function startServer(): Promise<void> {
  const authority = await createCertificateAuthority()
  // Hashes are held to those of no more than two weeks by the package.
  const notAfter = new Date(Date.now() + 10 * 86_400_000)
  const tls = await authority.issue({ names: ['localhost'], notAfter })
  hash = createHash('sha256').update(new X509Certificate(tls.cert).raw).digest('hex')
  if (isOurs) {
    const listener = await listenQuic({
      address: { host: '127.0.0.1', port: 0 },
      tls,
      webTransport: true,
      limits: { quic },
      handler: exchange => {
        exchange.events = { onDrain() {}, onAborted() {} }
        served.serve(acceptWebTransport(exchange))
      },
    })
    port = listener.port
    return
  }
  const { Http2Server } = await theirPackage()
  const server = new Http2Server({
    port: 0,
    host: '127.0.0.1',
    secret: 'of no use here',
    cert: tls.cert,
    privKey: tls.key,
    ...GENEROUS,
  })
  server.startServer()
  await server.ready
  server.setRequestCallback(async asked => ({ ...asked, path: '/session', status: 200 }))
  port = server.address().port
  const take = async (): Promise<void> => {
    for await (const session of server.sessionStream('/session')) served.serve(session)
  }
  take().catch((error: unknown) => {
    throw error
  })
}

async function workOnce({
  what,
  ms,
  port: at,
  hash: pinned,
}: Extract<SessionJob, { kind: 'work' }>): Promise<void> {
  const url = `https://localhost:${at}/session`
  if (isOurs) {
    const tls = { certificateHashes: [pinned] }
    await using transport = createTransport({
      defaults: { protocols: ['h3'], webTransport: true, tls, quic },
    })
    const session = transport.webTransport(url)
    await session.ready
    await work(session, what, ms)
    session.close()
    return
  }
  const { WebTransport } = await theirPackage()
  const session = new WebTransport(url, {
    forceReliable: true,
    ...GENEROUS,
    serverCertificateHashes: [{ algorithm: 'sha-256', value: Buffer.from(pinned, 'hex') }],
  })
  session.closed.catch(() => {}) // it is closed below
  await session.ready
  await work(session, what, ms)
  session.close()
}

async function theirPackage(): Promise<TheirPackage> {
  // It says aloud that its transport for HTTP/3 is not there, which is not wanted here.
  const { log, error } = console
  console.log = console.error = () => {}
  const loaded: unknown = await import('@fails-components/webtransport')
  await new Promise(resolve => setTimeout(resolve, 100))
  Object.assign(console, { log, error })
  return loaded as TheirPackage // as its page describes it; its types need another resolution
}
