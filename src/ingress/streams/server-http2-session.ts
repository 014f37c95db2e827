import { NEVER } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import { Http2Session } from '../../http/http2/http2-session.ts'
import type { Http2SessionEvents } from '../../http/http2/session.ts'
import type { SessionEnd } from '../../http/multiplex/client-session.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../../http/multiplex/stream.ts'
import { countDefence } from '../ingress-stats.ts'
import {
  clientCertificateOf,
  clientTlsOf,
  type IngressSession,
  type SessionContext,
  type SessionSocket,
} from '../session-context.ts'
import { listenToSocket, type SocketOwner } from '../socket-events.ts'
import { SocketRate } from '../socket-rate.ts'
import { Http2Output, type OutputEvents } from './http2-output.ts'
import { type ExchangesCarrier, SessionExchanges } from './session-exchanges.ts'
import { type ConnectionEnds, TakeWatch } from './stream-exchange-host.ts'

/**
 * A version of a piece of a read that may be kept. Node allocates the memory of each read of an accepted
 * socket for it alone, so that nobody writes to it again; but a small piece would hold all of the read, up to
 * 64 KB for a byte.
 */
function keepRead(piece: Buffer): Buffer {
  return piece.length * 4 < piece.buffer.byteLength ? Buffer.from(piece) : piece
}

/**
 * - `open`: requests come and are answered. Valid transitions: closing, closed
 * - `closing`: the session is over; its last bytes are on their way, and what still comes is thrown away
 *   until the client closes too. Valid transitions: closed
 * - `closed`: final
 */
type Phase = 'open' | 'closing' | 'closed'

const DURING = 'an event of an HTTP/2 client'

/**
 * The server side of one HTTP/2 connection: the driver of a session, over a socket. Besides what
 * SessionExchanges watches, a client that reads nothing at all is let go (writeTimeoutMs), and so is one
 * whose path is dead while something is in flight (liveness).
 */
export class ServerHttp2Session
  implements IngressSession, SocketOwner, Http2SessionEvents, ExchangesCarrier, OutputEvents
{
  readonly protocol = 'h2'
  readonly ends: ConnectionEnds
  readonly #socket: SessionSocket
  readonly #context: SessionContext
  readonly #session: Http2Session
  readonly #exchanges: SessionExchanges
  readonly #output: Http2Output
  readonly #writeWatch = new TakeWatch()
  /** Undefined: the client may take as little as it likes. */
  readonly #rate: SocketRate | undefined
  #phase: Phase = 'open'
  #lingerAtMs = NEVER
  #discardedBytes = 0
  /** A defense ended it: our side is closed when the client closes its own, or the lingering ends. */
  #isFlooder = false

  constructor(socket: SessionSocket, context: SessionContext) {
    const { limits } = context
    this.#socket = socket
    this.#context = context
    this.ends = {
      remoteAddress: socket.remoteAddress ?? '',
      remotePort: socket.remotePort ?? 0,
      localAddress: socket.localAddress ?? '',
      localPort: socket.localPort ?? 0,
      clientCertificate: clientCertificateOf(socket),
      tls: clientTlsOf(socket),
    }
    this.#session = new Http2Session({
      role: 'server',
      options: limits.http2,
      liveness: limits.liveness,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      enableConnectProtocol: true,
      events: this,
    })
    this.#exchanges = new SessionExchanges(this, context)
    context.stats.protocols.h2.connections++
    this.#output = new Http2Output(socket, this.#session, this)
    this.#rate = SocketRate.of(context.clock, socket, limits, this)
    this.#session.start(this.#exchanges.readAtMs)
    this.#exchanges.expectRequest()
    this.#exchanges.cover(this.nextDeadlineAt)
    context.silence.add(socket, socket)
    listenToSocket(socket, DURING, this)
  }

  // What comes from the socket

  receive(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'closing') this.#discard(end - start)
    if (this.#phase !== 'open') return
    this.#session.receive(buffer, start, end, this.#exchanges.beginInput())
    this.#exchanges.endInput()
  }

  /** The client closed its side: it is taken as gone, as in HTTP/1.1. */
  receiveEnd(): void {
    if (this.#phase === 'closing' && this.#isFlooder) this.#socket.end()
    if (this.#phase !== 'open') return
    if (this.#session.openStreams === 0) this.#session.close('NO_ERROR', '')
    else this.#end(new TransportError('MM_CLIENT_GONE', 'the client closed the connection within a request'))
  }

  receiveFinish(): void {
    this.#startLingering()
  }

  receiveClose(error: TransportError): void {
    this.#end(error)
  }

  /** GOAWAY in two steps (RFC 9113 6.8): requests that are on their way are still answered. */
  drain(): void {
    if (this.#phase !== 'open') return
    this.#session.drain(this.#context.clock.now())
    this.#exchanges.cover(this.nextDeadlineAt)
  }

  get hasRequests(): boolean {
    return this.#exchanges.hasRequests
  }

  destroy(): void {
    this.#end(new TransportError('MM_TRANSPORT_CLOSED', 'the listener was closed'))
  }

  // What the session reports

  onOutput(): void {
    this.#output.schedule()
  }

  onRequest(stream: Stream, head: RequestHead, endsStream: boolean): StreamEvents {
    return this.#exchanges.receive(stream, head, endsStream)
  }

  onStreamClosed(): void {
    if (this.#session.openStreams === 0) this.#exchanges.expectRequest()
  }

  onDefence(limit: string): void {
    this.#exchanges.onDefence(limit)
  }

  onEnd(end: SessionEnd): void {
    this.#exchanges.onEnd(end)
    if (this.#phase !== 'open') return
    if (end.cause === 'silent') {
      this.#destroy() // nobody takes what is left to say
      return
    }
    this.#phase = 'closing'
    this.#isFlooder = end.cause === 'flood'
    this.#output.finish()
  }

  // Nothing to do: they are the client's, or ours in the client role.
  onSettings(): void {}
  onGoaway(): void {}
  onExhausted(): void {}
  onEnding(): void {}
  onPong(): void {}
  onOrigins(): void {}
  onAltSvc(): void {}

  // What the output reports

  onBeforeFlush(): void {
    this.#exchanges.openHeld()
  }

  /** Bytes wait for the client. */
  onBehind(): void {
    if (this.#rate !== undefined) {
      this.#rate.onBehind()
      this.#exchanges.cover(this.#rate.deadlineMs)
    }
    const { limits, clock } = this.#context
    if (this.#writeWatch.deadlineMs !== NEVER || limits.writeTimeoutMs === 0) return
    this.#writeWatch.begin(this.#takenBytes, clock.now() + limits.writeTimeoutMs)
    this.#exchanges.cover(this.#writeWatch.deadlineMs)
  }

  onCaughtUp(): void {
    this.#rate?.onDrain()
  }

  onSlowWrites(): void {
    if (this.#phase === 'closed') return
    const { limits, stats, scheme } = this.#context
    countDefence(stats, 'minResponseRate')
    const message = `the client took responses at less than ${limits.minResponseRate} bytes a second`
    // What the kernel holds for it is given up as well.
    if (scheme === 'http') this.#socket.resetAndDestroy()
    this.#end(new TransportError('MM_CLIENT_TOO_SLOW', message))
  }

  /**
   * A flooder has its GOAWAY and no FIN: who waits for one before it connects again (most do nothing else) is
   * kept busy with a connection that costs us nothing any more. It could have made us linger as well.
   */
  onFinished(): void {
    if (this.#isFlooder) this.#startLingering()
    else this.#socket.end()
  }

  onFault(error: TransportError): void {
    this.#end(error)
  }

  // What the exchanges ask for

  get isHoldingBack(): boolean {
    return this.#session.bufferedBytes * 2 > this.#context.limits.http2.maxBufferedBytes
  }

  /** See read-memory.ts. */
  get ownsReads(): boolean {
    return true
  }

  keep(chunk: Buffer): Buffer {
    return keepRead(chunk)
  }

  /** TCP has seen to that. */
  get isAddressProven(): boolean {
    return true
  }

  get maxRequests(): number {
    return this.#context.limits.maxRequestsPerConnection
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  scheduleHeld(): void {
    this.#output.schedule()
  }

  get nextDeadlineAt(): number {
    const slowAtMs = this.#rate?.deadlineMs ?? NEVER
    return Math.min(this.#session.nextTimeoutAt, this.#lingerAtMs, this.#writeWatch.deadlineMs, slowAtMs)
  }

  onDue(now: number): void {
    const { limits } = this.#context
    if (this.#lingerAtMs <= now) {
      this.#destroy()
      return
    }
    if (this.#writeWatch.deadlineMs <= now && !this.#isTaking()) {
      const message = `the client took nothing of the response for ${limits.writeTimeoutMs} ms`
      this.#end(new TransportError('MM_CLIENT_GONE', message))
      return
    }
    this.#rate?.check(now)
    if (this.#session.nextTimeoutAt <= now) this.#session.onTimeout(now)
  }

  get #takenBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  /** Answers whether it reads at all. */
  #isTaking(): boolean {
    const hasTaken = this.#writeWatch.end(this.#takenBytes)
    if (this.#socket.writableLength === 0) return true
    if (hasTaken) this.onBehind()
    return hasTaken
  }

  // The end

  /**
   * The client was handed everything, and our side is closed, but to a flooder. It closes first, so that no
   * reset destroys what it has not read.
   */
  #startLingering(): void {
    const { limits, clock } = this.#context
    if (this.#phase !== 'closing' || this.#lingerAtMs !== NEVER) return
    if (limits.lingerTimeoutMs === 0) this.#destroy()
    else {
      this.#lingerAtMs = clock.now() + limits.lingerTimeoutMs
      this.#exchanges.cover(this.#lingerAtMs)
    }
  }

  #discard(bytes: number): void {
    this.#discardedBytes += bytes
    if (this.#discardedBytes > this.#context.limits.maxDiscardBytes) this.#socket.pause()
  }

  /** The connection is of no use any more, and so are the exchanges that are under way. */
  #end(error: TransportError): void {
    if (this.#phase === 'closed') return
    this.#exchanges.endError = error
    this.#destroy()
    this.#session.abandon(error.message)
  }

  #destroy(): void {
    this.#phase = 'closed'
    this.#lingerAtMs = NEVER
    this.#rate?.reset()
    this.#exchanges.close()
    this.#output.close()
    this.#socket.destroy()
  }
}
