import { createRequire } from 'node:module'
import { packageRequire } from '../../base/package-require.ts'

/**
 * The native half of `@matrixai/quic` 2.0.9 (quiche 0.18.0 behind N-API), as far as it is used here. Read off
 * the binding at run time: its own declarations name methods that do not exist (`maxActiveSourceCids`), leave
 * out the event `FailedValidation`, and say `undefined` where null comes.
 *
 * Natives throw an Error whose message is the name of quiche's error, such as `StreamReset(268)`. A Rust
 * panic ends the process (SIGABRT) and cannot be caught: never hand over an empty array of keys or
 * certificates, and never call setSession after the first send.
 */
export interface QuicheBinding {
  readonly Config: {
    /** The arrays may be null, never empty. PEM is taken unseen: what cannot be read fails the handshake. */
    withBoringSslCtx(
      verifyPeer: boolean,
      verifyAllowFail: boolean,
      ca: Uint8Array | null,
      key: readonly Uint8Array[] | null,
      cert: readonly Uint8Array[] | null,
      sigalgs: string | null,
    ): NativeConfig
  }
  readonly Connection: {
    /** `serverName` null: the name of the certificate is not checked. */
    connect(
      serverName: string | null,
      scid: Uint8Array,
      local: NativeAddress,
      remote: NativeAddress,
      config: NativeConfig,
    ): NativeConnection
    accept(
      scid: Uint8Array,
      odcid: Uint8Array | null,
      local: NativeAddress,
      remote: NativeAddress,
      config: NativeConfig,
    ): NativeConnection
  }
  readonly Header: { fromSlice(data: Uint8Array, dcidLength: number): NativeHeader }
  readonly Type: { readonly Initial: number; readonly Short: number }
  readonly Shutdown: { readonly Read: number; readonly Write: number }
  negotiateVersion(scid: Uint8Array, dcid: Uint8Array, out: Uint8Array): number
  retry(
    scid: Uint8Array,
    dcid: Uint8Array,
    newScid: Uint8Array,
    token: Uint8Array,
    version: number,
    out: Uint8Array,
  ): number
  versionIsSupported(version: number): boolean
}

interface NativeAddress {
  readonly host: string
  readonly port: number
}

export interface NativeConfig {
  setTicketKey(key: Uint8Array): void
  /** Of the connections that are accepted with it from now on; null: none. */
  setStatelessResetToken(token: bigint | null): void
  enableEarlyData(): void
  /** Without it setKeylog() of a connection has no effect. */
  logKeys(): void
  setApplicationProtos(protocols: readonly string[]): void
  setMaxIdleTimeout(ms: number): void
  /** `cubic`, `bbr`, `reno`. */
  setCcAlgorithmName(name: string): void
  setMaxRecvUdpPayloadSize(bytes: number): void
  setMaxSendUdpPayloadSize(bytes: number): void
  setInitialMaxData(bytes: number): void
  setInitialMaxStreamDataBidiLocal(bytes: number): void
  setInitialMaxStreamDataBidiRemote(bytes: number): void
  setInitialMaxStreamDataUni(bytes: number): void
  setInitialMaxStreamsBidi(count: number): void
  setInitialMaxStreamsUni(count: number): void
  setMaxStreamWindow(bytes: number): void
  setMaxConnectionWindow(bytes: number): void
  setActiveConnectionIdLimit(count: number): void
  setDisableActiveMigration(disable: boolean): void
  enableDgram(enabled: boolean, receiveQueue: number, sendQueue: number): void
}

/**
 * Costs in microseconds stand beside what is called often (measured on a shared vCPU; half of it is the
 * crossing).
 */
export interface NativeConnection {
  /** Creates the file. */
  setKeylog(path: string): void
  /** Before the first send only: after it the process aborts. */
  setSession(session: Uint8Array): void
  session(): Uint8Array | null
  /** 4. Decrypts where the datagram lies. */
  recv(data: Uint8Array, info: { readonly from: NativeAddress; readonly to: NativeAddress }): number
  /** 6. Null: nothing to send. */
  send(out: Uint8Array): readonly [bytes: number, info: NativeSendInfo] | null
  /** 1.7. Null: nothing is there. */
  streamRecv(stream: number, into: Uint8Array): readonly [bytes: number, isEnd: boolean] | null
  /** 1. Null: blocked, or the stream was finished and forgotten. */
  streamSend(stream: number, data: Uint8Array, isLast: boolean): number | null
  streamPriority(stream: number, urgency: number, incremental: boolean): void
  streamShutdown(stream: number, direction: number, code: number): void
  /** 0.1. Throws StreamStopped(code), and InvalidStreamState(id) when the stream is gone. */
  streamCapacity(stream: number): number
  /** 0.1 */
  streamReadable(stream: number): boolean
  streamFinished(stream: number): boolean
  peerStreamsLeftBidi(): number
  peerStreamsLeftUni(): number
  /** 0.1 */
  isReadable(): boolean
  /** 10 even for one stream: a native iterator. */
  readable(): Iterable<number>
  /** 10. In the order of their priorities; none at all while congestion control lets nothing through. */
  writable(): Iterable<number>
  dgramRecvQueueLen(): number
  dgramRecvVec(): Uint8Array | null
  /** Null: the queue is full. Throws when the peer takes none or it is too long. */
  dgramSend(data: Uint8Array): void | null
  dgramMaxWritableLen(): number | null
  /** 0.1. Milliseconds; null: none. */
  timeout(): number | null
  onTimeout(): void
  probePath(local: NativeAddress, remote: NativeAddress): number
  migrate(local: NativeAddress, remote: NativeAddress): number
  newSourceCid(scid: Uint8Array, resetToken: bigint, retireIfNeeded: boolean): number
  sourceCidsLeft(): number
  sourceId(): Uint8Array
  /** Another one behind a Retry, and behind the first packet of the server. */
  destinationId(): Uint8Array
  retiredScidNext(): Uint8Array | null
  availableDcids(): number
  pathEventNext(): NativePathEvent | null
  close(isApplication: boolean, code: number, reason: Uint8Array): void
  applicationProto(): Uint8Array
  peerCertChain(): readonly Uint8Array[] | null
  isEstablished(): boolean
  isResumed(): boolean
  isInEarlyData(): boolean
  isDraining(): boolean
  isClosed(): boolean
  isTimedOut(): boolean
  peerError(): NativeConnectionError | null
  localError(): NativeConnectionError | null
  /** 17 */
  stats(): NativeStats
  /** 7 */
  pathStats(): readonly NativePathStats[]
  sendAckEliciting(): void
}

/** There is a time for pacing too, but it cannot be read. */
interface NativeSendInfo {
  readonly from: NativeAddress
  readonly to: NativeAddress
}

export interface NativeConnectionError {
  readonly isApp: boolean
  readonly errorCode: number
  readonly reason: Uint8Array
}

interface NativeStats {
  readonly recv: number
  readonly sent: number
  readonly lost: number
  readonly recvBytes: number
  readonly sentBytes: number
  readonly peerDisableActiveMigration: boolean
}

interface NativePathStats {
  readonly localHost: NativeAddress
  readonly recv: number
  readonly active: boolean
  /** Milliseconds, whole. */
  readonly rtt: number
  readonly cwnd: number
}

export type NativePathEvent =
  | {
      readonly type: 'New' | 'Validated' | 'FailedValidation' | 'Closed'
      readonly local: NativeAddress
      readonly peer: NativeAddress
    }
  | { readonly type: 'ReusedSourceConnectionId'; readonly seq: number }
  | { readonly type: 'PeerMigrated'; readonly old: NativeAddress; readonly new: NativeAddress }

export interface NativeHeader {
  readonly ty: number
  readonly version: number
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
  /** An empty token comes as undefined from some packets and as no bytes from others. */
  readonly token?: Uint8Array | null
}

/** As the binding takes the 16 bytes of a stateless reset token. */
export function resetTokenNumber(token: Buffer): bigint {
  return BigInt(`0x${token.toString('hex')}`)
}

/** The line of versions that the rest was written and measured against. Another quiche has other traps. */
const SUPPORTED_VERSION = /^2\.0\.(?:9|[1-9]\d)$/

/** The packages with a build, by `process.platform`-`process.arch`, in the order in which they are tried. */
const BUILDS: Readonly<Record<string, readonly string[]>> = {
  'linux-x64': ['linux-x64'],
  'darwin-x64': ['darwin-x64', 'darwin-universal'],
  'darwin-arm64': ['darwin-arm64', 'darwin-universal'],
  'win32-x64': ['win32-x64'],
}

const MAX_REASON_LENGTH = 200

export type LoadedBinding =
  | { readonly binding: QuicheBinding; readonly version: string }
  | { readonly unavailable: string }

export interface BindingSource {
  /**
   * Of a package or file, as seen from where the source stands. Throws an error with the code
   * MODULE_NOT_FOUND.
   */
  require(id: string): unknown
  /** The same, seen from a file of a package: optional builds may lie below `@matrixai/quic` only. */
  from(id: string): BindingSource
}

/**
 * Loads the native half without the JavaScript of `@matrixai/quic`, which brings a dozen packages that nobody
 * here needs. Never throws: without it everything but HTTP/3 works.
 */
export function loadBinding(
  source: BindingSource = nodeSource(packageRequire()),
  platform: string = `${process.platform}-${process.arch}`,
): LoadedBinding {
  let version: string
  try {
    version = versionOf(source.require('@matrixai/quic/package.json'))
  } catch (error) {
    if (isNotFound(error)) return { unavailable: '@matrixai/quic is not installed' }
    return { unavailable: `@matrixai/quic cannot be read: ${textOf(error)}` }
  }
  if (!SUPPORTED_VERSION.test(version)) {
    return {
      unavailable: `@matrixai/quic ${version} is not the version that this build was made for (2.0.9)`,
    }
  }
  const builds = BUILDS[platform]
  if (builds === undefined) return { unavailable: `@matrixai/quic has no build for ${platform}` }
  const inside = source.from('@matrixai/quic/package.json')
  let reason = ''
  for (const build of builds) {
    try {
      const binding = inside.require(`@matrixai/quic-${build}`)
      if (isBinding(binding)) return { binding, version }
      reason ||= `@matrixai/quic-${build} is not the binding of version 2.0.9`
    } catch (error) {
      if (!isNotFound(error)) reason ||= `@matrixai/quic-${build} cannot be loaded: ${textOf(error)}`
    }
  }
  return { unavailable: reason || `@matrixai/quic-${builds[0]} is not installed` }
}

function nodeSource(require: NodeJS.Require): BindingSource {
  return { require, from: id => nodeSource(createRequire(require.resolve(id))) }
}

function versionOf(manifest: unknown): string {
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isManifest ? String(manifest.version) : 'without a version'
}

function isBinding(value: unknown): value is QuicheBinding {
  if (typeof value !== 'object' || value === null) return false
  return ['Config', 'Connection', 'Header', 'negotiateVersion', 'retry'].every(name => name in value)
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
}

/** Messages of dlopen are long and name paths of the machine in full. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const [line = ''] = text.split('\n')
  return line.length > MAX_REASON_LENGTH ? `${line.slice(0, MAX_REASON_LENGTH)}…` : line
}
