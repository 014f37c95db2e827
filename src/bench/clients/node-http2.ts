import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { connect as connectTcp, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { BenchClient, ClientSetting, RequestWatch } from '../load/bench-client.ts'
import type { RequestKind } from '../load/load-job.ts'
import { ReadingPace, refuseSetting, SocketCounts, whereTo } from './client-settings.ts'
import { bodyStream, headersOf } from './made-body.ts'

/** As large as ours, so that bulk compares the code and not a setting. */
const STREAM_WINDOW_BYTES = 8_388_608
const CONNECTION_WINDOW_BYTES = 16_777_216

/**
 * Node's own HTTP/2, driven directly: as many sessions to each origin as the setting says (0: one), asked in
 * turns. One that has ended is made anew.
 */
export function nodeHttp2(setting: ClientSetting): Promise<BenchClient> {
  return start(setting, true)
}

/** The same with Node's own windows: 65,535 bytes for each stream, and for the connection. */
export function nodeHttp2Defaults(setting: ClientSetting): Promise<BenchClient> {
  return start(setting, false)
}

async function start(setting: ClientSetting, hasLargeWindows: boolean): Promise<BenchClient> {
  refuseSetting('node:http2', setting, ['h2'])
  const counts = new SocketCounts()
  const perOrigin = Math.max(1, setting.connections)
  const sessions = setting.origins.map((): (ClientHttp2Session | undefined)[] => [])
  let turn = 0
  return {
    send(request, origin, watch) {
      const url = setting.origins[origin % setting.origins.length] ?? ''
      const own = sessions[origin % sessions.length] ?? []
      const index = turn++ % perOrigin
      let session = own[index]
      if (session === undefined || session.closed || session.destroyed) {
        session = openSession(url, setting, counts, hasLargeWindows)
        own[index] = session
      }
      sendOn(session, request, watch)
    },
    facts: () => counts.facts(),
    async close() {
      // Not from within a read of theirs: see native-notes/http2.md.
      await new Promise(setImmediate)
      for (const session of sessions.flat()) session?.destroy()
    },
  }
}

function openSession(
  origin: string,
  setting: ClientSetting,
  counts: SocketCounts,
  hasLargeWindows: boolean,
): ClientHttp2Session {
  const { protocol, hostname, port } = new URL(origin)
  const to = whereTo(origin, setting) ?? {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (protocol === 'https:' ? '443' : '80') : port,
  }
  const where = { host: to.host, port: Number(to.port) }
  const socket =
    protocol === 'https:'
      ? connectTls({
          ...where,
          ALPNProtocols: ['h2'],
          ...(isIP(hostname) === 0 && { servername: hostname }),
          ...(setting.ca !== undefined && { ca: setting.ca }),
        })
      : connectTcp(where)
  socket.setNoDelay(true)
  const session = connect(origin, {
    createConnection: () => socket,
    settings: { enablePush: false, ...(hasLargeWindows && { initialWindowSize: STREAM_WINDOW_BYTES }) },
  })
  session.once('connect', () => {
    // Before the connection stands there is nothing to set it on.
    if (hasLargeWindows) session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    counts.add(socket)
  })
  // Every request reports it too.
  session.on('error', () => undefined)
  return session
}

function sendOn(session: ClientHttp2Session, request: RequestKind, watch: RequestWatch): void {
  const body = bodyStream(request)
  let stream: ClientHttp2Stream
  try {
    stream = session.request(
      { ...fieldsOf(request), ':method': request.method, ':path': request.path },
      { endStream: body === undefined },
    )
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error))
    watch.onEnd({ status: 0, bytes: 0, protocol: 'h2', error: failure })
    return
  }
  if (Buffer.isBuffer(body)) stream.end(body)
  else body?.pipe(stream)
  const pace =
    request.readBytesPerSecond === undefined ? undefined : new ReadingPace(request.readBytesPerSecond)
  let status = 0
  let bytes = 0
  let isEnded = false
  const end = (error?: Error): void => {
    if (isEnded) return
    isEnded = true
    watch.onEnd({ status, bytes, protocol: 'h2', error })
  }
  stream.on('response', headers => {
    status = Number(headers[constants.HTTP2_HEADER_STATUS] ?? 0)
    watch.onHead()
  })
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    const pauseMs = pace?.onBytes(chunk.length, performance.now()) ?? 0
    if (pauseMs < 1) return
    stream.pause()
    setTimeout(() => stream.resume(), pauseMs)
  })
  stream.on('end', () => end())
  stream.on('error', end)
  stream.on('close', () => end(new Error('the stream closed without an end')))
}

function fieldsOf(request: RequestKind): Record<string, string[]> {
  const fields: Record<string, string[]> = {}
  const list = headersOf(request)
  for (let i = 0; i < list.length; i += 2) (fields[list[i] ?? ''] ??= []).push(list[i + 1] ?? '')
  return fields
}
