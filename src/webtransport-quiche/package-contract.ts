import type { QuicOptions } from '../base/options/protocol-options.ts'

/**
 * What `@fails-components/webtransport` 1.6 has on its side of the seam, as far as the adapter calls it. The
 * package hands over plain objects, and may throw whenever it is called.
 */

/** Its session: calls us by `objint`, and is called by us as `jsobj`. */
export interface PackageSession {
  state: 'connecting' | 'connected' | 'draining' | 'closed' | 'failed'
  readonly ready: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly draining: Promise<unknown>
  readonly incomBiDiController?: PackageQueue | undefined
  readonly incomUniDiController?: PackageQueue | undefined
  readonly incomDatagramController_?: PackageQueue | undefined
  readonly incomDatagramControllerBytes_?: PackageQueue | undefined
  onReady(event: { protocol?: string }): void
  onClose(event: { errorcode: number; error: string }): void
  onStream(event: NewStream): void
  onDatagramReceived(event: { datagram: Uint8Array }): void
  onGoAwayReceived(event: object): void
  onSessionStats(event: SessionStats): void
  onDatagramStats(event: DatagramStats): void
}

/** Where it keeps what nobody has taken. It never says that there is too much. */
export interface PackageQueue {
  readonly desiredSize: number | null
}

interface NewStream {
  readonly stream: object
  readonly bidirectional: boolean
  readonly incoming: boolean
  readonly sendGroupId?: bigint
  readonly sendOrder: number
}

interface DatagramStats {
  readonly timestamp: number
  readonly expiredOutgoing: number
  readonly lostOutgoing: number
}

interface SessionStats extends DatagramStats {
  readonly smoothedRtt: number
  readonly estimatedSendRateBps: number | null
}

/** Its stream. */
export interface PackageStream {
  readonly writableController?: { readonly signal?: AbortSignal } | undefined
  commitReadBuffer(event: {
    buffer?: Uint8Array
    readBytes?: number
    drained?: boolean
    fin: boolean
  }): unknown
  getReadBuffer(wanted: { byteSize: number }): {
    readonly byob?: { respond(bytes: number): void } | undefined
  }
  onStreamRecvSignal(event: { code: number; nettask: 'stopSending' | 'resetStream' }): void
  onStreamWrite(event: { success: boolean }): void
  onStreamNetworkFinish(event: { nettask: 'stopSending' | 'resetStream' | 'streamFinal' }): void
}

/** How it orders a stream. */
export interface StreamOrder {
  readonly sendGroup?: { readonly _sendGroupId?: bigint } | null
  readonly sendOrder?: number
  readonly waitUntilAvailable?: boolean
}

/** Its client: one for each session. */
export interface PackageClient {
  onClientConnected(event: { success: boolean }): void
  onClientWebTransportSupport(event: object): void
  onHttpWTSessionVisitor(event: { session: object; reliable: boolean }): void
}

/** Its server. */
export interface PackageServer {
  readonly sessionController?: Readonly<Record<string, unknown>> | undefined
  onServerListening(event: { port: number; host: string }): void
  onServerError(error: unknown): void
  onServerClose(): void
  onSessionRequest(event: SessionRequest): void
  onHttpWTSessionVisitor(event: {
    session: object
    path: string
    header: object
    peerAddress: string
    userData?: unknown
  }): void
}

/** What its request callback is asked about, and what comes back with the answer. */
export interface SessionRequest {
  readonly header: Readonly<Record<string, string | readonly string[]>>
  readonly peerAddress: string
  readonly session: object
  readonly promise: object
  readonly protocol: string
}

/** What the request callback has said. */
export interface SessionAnswer {
  readonly session: object
  readonly status?: unknown
  readonly path?: unknown
  readonly userData?: unknown
  readonly selectedProtocol?: unknown
}

/** The options of its client and of its server, as far as they mean something here. */
export interface PackageOptions {
  readonly host?: string | undefined
  readonly port?: number | string | undefined
  readonly initialStreamFlowControlWindow?: number | undefined
  readonly streamFlowControlWindowSizeLimit?: number | undefined
  readonly initialBidirectionalStreams?: number | undefined
  readonly initialUnidirectionalStreams?: number | undefined
}

/** Of each kind, as the package has it by default. */
const DEFAULT_STREAMS = 100
/** HTTP/3 has streams of its own beside them (RFC 9114 6.2). */
const HTTP3_STREAMS = 3

/** The package's options of flow control, in words of ours. What it does not say is left to our defaults. */
export function windowsOf(options: PackageOptions): Partial<QuicOptions> {
  const { initialStreamFlowControlWindow: first, streamFlowControlWindowSizeLimit: most } = options
  const { initialBidirectionalStreams, initialUnidirectionalStreams } = options
  return {
    ...(first !== undefined && { streamWindowBytes: first }),
    ...(most !== undefined && { maxStreamWindowBytes: Math.max(most, first ?? 0) }),
    ...(most === undefined && first !== undefined && { maxStreamWindowBytes: first }),
    maxConcurrentStreams: initialBidirectionalStreams ?? DEFAULT_STREAMS,
    maxUnidirectionalStreams: (initialUnidirectionalStreams ?? DEFAULT_STREAMS) + HTTP3_STREAMS,
  }
}

export interface PackageClientOptions extends PackageOptions {
  readonly serverCertificateHashes?:
    | readonly { readonly algorithm: string; readonly value: unknown }[]
    | undefined
  readonly allowPooling?: boolean | undefined
  readonly requireUnreliable?: boolean | undefined
  readonly protocols?: readonly string[] | undefined
  readonly initialBidirectionalReceiveStreams?: number | undefined
  readonly initialUnidirectionalReceiveStreams?: number | undefined
  /** Ours, as that of `tls`. */
  readonly ca?: string | readonly string[] | undefined
}

export interface PackageServerOptions extends PackageOptions {
  readonly cert: string | readonly string[]
  readonly privKey: string | readonly string[]
  readonly maxConnections?: number | undefined
}
