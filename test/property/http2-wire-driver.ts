import type { Socket } from 'node:net'
import type { HeaderList } from '../../src/base/http/headers.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../src/http/http2/http2-session.ts'
import type { Http2SessionEvents } from '../../src/http/http2/session.ts'
import type { Stream, StreamEvents } from '../../src/http/multiplex/stream.ts'

/** Our session on a socket, as simply as it can be: one write in flight, taken when the loop turns. */
export function driveSession(
  role: 'client' | 'server',
  socket: Socket,
  onRequest: Http2SessionEvents['onRequest'],
): Http2Session {
  let isWriting = false
  const flush = (): void => {
    if (isWriting || session.outputBytes === 0 || socket.destroyed) return
    isWriting = true
    const bytes = Buffer.concat(session.takeOutput())
    socket.write(bytes, () => {
      isWriting = false
      session.releaseOutput()
      flush()
    })
  }
  const session = new Http2Session({
    role,
    options: { ...DEFAULT_HTTP2_OPTIONS, streamWindowBytes: 30_000, maxStreamWindowBytes: 100_000 },
    maxHeaderBytes: 65_536,
    maxHeaderCount: 256,
    enableConnectProtocol: false,
    events: {
      onOutput: () => void setImmediate(flush),
      onRequest,
      onEnd: () => {
        flush()
        socket.end()
      },
      onSettings() {},
      onGoaway() {},
      onExhausted() {},
      onEnding() {},
      onStreamClosed() {},
      onPong() {},
      onOrigins() {},
      onAltSvc() {},
      onDefence() {},
    },
  })
  socket.on('data', chunk => session.receive(chunk, 0, chunk.length, performance.now()))
  socket.on('error', () => undefined)
  socket.on('close', () => session.abandon('the socket closed'))
  session.start(performance.now())
  return session
}

/** What was seen of one message, in the same words for both implementations. */
export interface Observed {
  /** Method and path, or the status. */
  start: string
  fields: HeaderList
  body: string
  trailers: HeaderList
  /** `end`, or the name of an error code. */
  outcome: string
}

export function emptyObserved(): Observed {
  return { start: '', fields: [], body: '', trailers: [], outcome: '' }
}

/** Notes everything of a stream of ours; `done` is called at its end. */
export function observe(
  observed: Observed,
  onHead: () => void,
  done: () => void,
): StreamEvents & { onWritable: () => void } {
  const chunks: Buffer[] = []
  const finish = (outcome: string): void => {
    observed.body = Buffer.concat(chunks).toString('latin1')
    observed.outcome = outcome
    done()
  }
  return {
    onResponse: ({ status, headers }) => {
      if (status < 200) return
      observed.start = String(status)
      observed.fields = headers
      onHead()
    },
    onData: chunk => void chunks.push(Buffer.from(chunk)),
    onEnd: trailers => {
      observed.trailers = trailers
      finish('end')
    },
    onWritable() {},
    onReset: ({ code }) => finish(code),
  }
}

/** Writes a body in chunks, as fast as the stream takes it, then ends it. */
export function pour(stream: Stream, events: StreamEvents, body: Buffer, trailers: HeaderList): void {
  let at = 0
  const go = (): void => {
    while (at < body.length) {
      const chunk = body.subarray(at, at + 7000)
      at += chunk.length
      if (!stream.write(chunk, piece => Buffer.from(piece))) return
    }
    stream.end(trailers)
    events.onWritable = () => undefined
  }
  events.onWritable = go
  go()
}
