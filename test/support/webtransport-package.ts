import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installPackage, linkModule } from './installed-package.ts'

const PACKAGE = '@fails-components/webtransport'
const SOURCE = fileURLToPath(new URL(`../../node_modules/${PACKAGE}/`, import.meta.url))
/** What the package loads, and does not name among its dependencies. */
const TRANSPORT = `${PACKAGE}-transport-http3-quiche`

interface PackageStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array> & { sendOrder: number }
}

interface StreamOptions {
  readonly sendOrder?: number
  readonly sendGroup?: object
  readonly waitUntilAvailable?: boolean
}

export interface PackageSession {
  readonly ready: Promise<void>
  readonly closed: Promise<{ closeCode: number; reason: string }>
  readonly draining: Promise<void>
  readonly protocol: string
  readonly userData: Record<string, unknown>
  readonly peerAddress: string
  readonly incomingBidirectionalStreams: ReadableStream<PackageStream>
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>
    readonly maxDatagramSize: number
    createWritable(): WritableStream<Uint8Array>
  }
  createBidirectionalStream(options?: StreamOptions): Promise<PackageStream>
  createUnidirectionalStream(options?: StreamOptions): Promise<PackageStream['writable']>
  createSendGroup(): object
  notifySessionDraining(): void
  close(info?: { closeCode?: number; reason?: string }): void
  getStats(): Promise<{ smoothedRtt: number; datagrams: { lostOutgoing: number } }>
}

export interface PackageServer {
  readonly ready: Promise<void>
  readonly closed: Promise<void>
  address(): { port: number }
  startServer(): void
  stopServer(): void
  updateCert(cert: string, key: string): void
  sessionStream(path: string): ReadableStream<PackageSession>
  setRequestCallback(callback: (asked: { header: Record<string, string | string[]> }) => unknown): void
}

/** `@fails-components/webtransport`, as far as the tests use it. Its own types need another resolution. */
export interface WebTransportPackage {
  readonly quicheLoaded: Promise<void>
  readonly WebTransport: new (url: string, options?: object) => PackageSession
  readonly Http3Server: new (options: object) => PackageServer
}

/** A folder of a user's, with that package, ours, and the package of two lines that puts ours in its place. */
export async function installWebTransportPackage(): Promise<
  Disposable & { readonly directory: string; load(): Promise<WebTransportPackage> }
> {
  const installed = await installPackage()
  const { directory } = installed
  const scope = join(directory, 'node_modules', '@fails-components')
  // A copy: what it imports is looked for beside the real place of a link.
  cpSync(SOURCE, join(scope, 'webtransport'), { recursive: true })
  linkModule(directory, 'debug')
  mkdirSync(join(directory, 'transport'))
  const manifest = { name: TRANSPORT, version: '1.6.8', type: 'module', exports: './index.js' }
  writeFileSync(join(directory, 'transport', 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(directory, 'transport', 'index.js'), "export * from 'middlemile/webtransport-quiche'\n")
  symlinkSync(join(directory, 'transport'), join(directory, 'node_modules', TRANSPORT)) // as npm does
  return {
    directory,
    load: () => import(pathToFileURL(join(scope, 'webtransport', 'lib', 'index.node.js')).href),
    [Symbol.dispose]: () => installed[Symbol.dispose](),
  }
}
