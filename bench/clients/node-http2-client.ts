import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { BenchClient, ClientSetting } from './client-job.ts'

type Done = (bytes: number, error?: unknown) => void

/** As large as ours, so that bulk compares the code and not a setting. */
const STREAM_WINDOW_BYTES = 8_388_608
const CONNECTION_WINDOW_BYTES = 16_777_216

/** Node's own HTTP/2: one session, made and driven directly, with large windows. */
export function nodeHttp2(setting: ClientSetting): Promise<BenchClient> {
  return start(setting, true)
}

/**
 * The same with the windows that it has by itself: 65,535 bytes, for each stream and for all of them
 * together.
 */
export function nodeHttp2Defaults(setting: ClientSetting): Promise<BenchClient> {
  return start(setting, false)
}

async function start({ origin, ca }: ClientSetting, largeWindows: boolean): Promise<BenchClient> {
  const session = connect(origin, {
    ca,
    settings: { enablePush: false, ...(largeWindows ? { initialWindowSize: STREAM_WINDOW_BYTES } : {}) },
  })
  if (largeWindows) {
    // Before the connection stands there is nothing to set it on.
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES))
  }
  // Every request reports it too.
  session.on('error', () => undefined)
  return {
    send: (path, done) => send(session, path, done),
    close: () => new Promise(resolve => session.close(resolve)),
  }
}

function send(session: ClientHttp2Session, path: string, done: Done): void {
  let stream: ClientHttp2Stream
  try {
    stream = session.request({ ':path': path }, { endStream: true })
  } catch (error) {
    done(0, error)
    return
  }
  let bytes = 0
  let status: number | undefined
  let settled = false
  const settle = (error?: unknown): void => {
    if (settled) return
    settled = true
    done(bytes, error)
  }
  stream.on('response', (headers: IncomingHttpHeaders & { ':status'?: number }) => {
    status = headers[':status']
  })
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  stream.on('end', () => settle(status === 200 ? undefined : new Error(`status ${status}`)))
  stream.on('error', settle)
  stream.on('close', () => settle(new Error('the stream closed without an end')))
}
