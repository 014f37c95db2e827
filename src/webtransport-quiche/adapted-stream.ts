import type { ReadableStreamDefaultReader, WritableStreamDefaultWriter } from 'node:stream/web'
import { guarded, guardedPromise } from '../base/guard.ts'
import type {
  WebTransportReceiveStream,
  WebTransportSendGroup,
  WebTransportSendStream,
} from '../webtransport/types.ts'
import { codeOfReason, WebTransportError } from '../webtransport/web-transport-error.ts'
import type { PackageStream } from './package-contract.ts'

const DURING = 'a stream of @fails-components/webtransport'

/** The sides that a stream has. */
export interface StreamSides {
  readonly readable?: WebTransportReceiveStream
  readonly writable?: WebTransportSendStream
}

/**
 * One of our streams as the package wants it (its NativeHttpWTStream). One chunk is read ahead of the
 * package's reader, and a write is answered when QUIC has taken it, so that back-pressure goes through in
 * both directions.
 */
export class AdaptedStream {
  /** The package puts its own stream here, from within onStream. */
  jsobj: PackageStream | undefined
  readonly #writable: WebTransportSendStream | undefined
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly #writer: WritableStreamDefaultWriter<Uint8Array | ArrayBuffer> | undefined
  readonly #groupOf: (id: bigint) => WebTransportSendGroup | null
  #isReading = false
  /** We have broken that side off ourselves. */
  #isStopped = false
  #isReset = false

  constructor({ readable, writable }: StreamSides, groupOf: (id: bigint) => WebTransportSendGroup | null) {
    this.#writable = writable
    this.#reader = readable?.getReader()
    this.#writer = writable?.getWriter()
    this.#groupOf = groupOf
  }

  /** The package has taken it. */
  begin(): void {
    this.#reader?.closed.catch((error: unknown) => {
      if (!this.#isStopped) this.#signal('resetStream', error)
    })
    this.#writer?.closed.catch((error: unknown) => {
      if (!this.#isReset) this.#signal('stopSending', error)
    })
    // A write that waits keeps the package from calling resetStream(): the stream would hang in it.
    const { signal } = this.jsobj?.writableController ?? {}
    const onAbort = (): void => guardedPromise(DURING, this.#reset(codeOf(signal?.reason)))
    signal?.addEventListener('abort', onAbort, { once: true })
  }

  /** Nobody wants it: the package cannot take it. */
  refuse(): void {
    this.#isStopped = true
    this.#isReset = true
    this.#reader?.cancel().catch(ignore)
    this.#writer?.abort().catch(ignore)
  }

  // What the package calls

  startReading(): void {
    if (this.#isReading || this.#reader === undefined) return
    this.#isReading = true
    this.#reader.read().then(({ value, done }) => {
      this.#isReading = false
      if (done) this.#onEnd()
      else this.#tell(stream => void stream.commitReadBuffer(chunkEvent(value)))
    }, ignore) // `closed` says it
  }

  stopReading(): void {}
  drainReads(): void {}

  stopSending(code: number): void {
    this.#isStopped = true
    const reason = new WebTransportError('MM_ABORTED', 'not wanted', {
      source: 'stream',
      streamErrorCode: code,
    })
    const finish = (): void => this.#tell(stream => stream.onStreamNetworkFinish({ nettask: 'stopSending' }))
    this.#reader?.cancel(reason).then(finish, finish)
  }

  resetStream(code: number): void {
    const finish = (): void => this.#tell(stream => stream.onStreamNetworkFinish({ nettask: 'resetStream' }))
    this.#reset(code).then(finish, finish)
  }

  writeChunk(bytes: Uint8Array): void {
    const answer = (success: boolean): void => this.#tell(stream => stream.onStreamWrite({ success }))
    this.#writer?.write(bytes).then(
      () => answer(true),
      () => answer(false),
    )
  }

  streamFinal(): void {
    const finish = (): void => this.#tell(stream => stream.onStreamNetworkFinish({ nettask: 'streamFinal' }))
    this.#writer?.close().then(finish, finish)
  }

  updateSendOrderAndGroup({ sendOrder, sendGroupId }: { sendOrder: number; sendGroupId: bigint }): void {
    if (this.#writable === undefined) return
    this.#writable.sendGroup = this.#groupOf(sendGroupId)
    this.#writable.sendOrder = orderOf(sendOrder)
  }

  async #reset(code: number): Promise<void> {
    if (this.#isReset) return
    this.#isReset = true
    const reason = new WebTransportError('MM_ABORTED', 'broken off', {
      source: 'stream',
      streamErrorCode: code,
    })
    await this.#writer?.abort(reason)
  }

  #onEnd(): void {
    this.#tell(stream => {
      stream.commitReadBuffer({ fin: true })
      // Its stream is closed now, and one that reads into a buffer of its own waits for this.
      stream.getReadBuffer({ byteSize: 0 }).byob?.respond(0)
    })
  }

  #signal(nettask: 'stopSending' | 'resetStream', error: unknown): void {
    // The end of the session is its own report.
    if (!(error instanceof WebTransportError) || error.source !== 'stream') return
    const code = error.streamErrorCode ?? 0
    this.#tell(stream => stream.onStreamRecvSignal({ code, nettask }))
  }

  #tell(say: (stream: PackageStream) => void): void {
    const { jsobj } = this
    if (jsobj !== undefined) guarded(DURING, () => say(jsobj))
  }
}

/** Whole numbers only: the package takes any. */
export function orderOf(order: number): number {
  const most = Number.MAX_SAFE_INTEGER
  return Number.isNaN(order) ? 0 : Math.min(most, Math.max(-most, Math.trunc(order)))
}

function chunkEvent(buffer: Uint8Array): Parameters<PackageStream['commitReadBuffer']>[0] {
  return { buffer, readBytes: buffer.length, drained: true, fin: false }
}

/** The package's reasons have a `code`, which it cuts to a byte; those of W3C have `streamErrorCode`. */
function codeOf(reason: unknown): number {
  if (typeof reason !== 'object' || reason === null || !('code' in reason)) return codeOfReason(reason)
  const { code } = reason
  return typeof code === 'number' ? Math.min(255, Math.max(0, Math.trunc(code))) : 0
}

function ignore(): void {}
