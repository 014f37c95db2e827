import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../../../../src/http/http2/http2-session.ts'
import type { Http2SessionEvents } from '../../../../../src/http/http2/session.ts'
import type { StreamEvents } from '../../../../../src/http/multiplex/stream.ts'

const ONE_WAY_MS = 20
const MIB = 1_048_576

const NOTHING: Http2SessionEvents & StreamEvents = {
  onOutput() {},
  onSettings() {},
  onGoaway() {},
  onExhausted() {},
  onRequest: () => NOTHING,
  onStreamClosed() {},
  onPong() {},
  onOrigins() {},
  onAltSvc() {},
  onDefence() {},
  onEnding() {},
  onResponse() {},
  onData() {},
  onEnd() {},
  onWritable() {},
  onReset() {},
}

/** How long a download takes over a way of 40 ms there and back and any bandwidth, on a virtual clock. */
function downloadMs(bytes: number, maxStreamWindowBytes: number): number {
  const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
  const make = (role: 'client' | 'server', events: Partial<Http2SessionEvents>): Http2Session =>
    new Http2Session({
      role,
      options: { ...DEFAULT_HTTP2_OPTIONS, maxStreamWindowBytes },
      maxHeaderBytes: 65_536,
      maxHeaderCount: 100,
      enableConnectProtocol: false,
      events: { ...NOTHING, ...events },
    })
  const server = make('server', {
    onRequest(stream) {
      stream.respond(200, [], false)
      stream.write(Buffer.alloc(bytes), keep)
      stream.end([])
      return NOTHING
    },
  })
  const client = make('client', {})
  const onTheWay: { to: Http2Session; dueMs: number; piece: Buffer }[] = []
  let nowMs = 0
  let endedMs: number | undefined
  const flush = (from: Http2Session, to: Http2Session): void => {
    while (from.outputBytes > 0) {
      for (const piece of from.takeOutput())
        onTheWay.push({ to, dueMs: nowMs + ONE_WAY_MS, piece: Buffer.from(piece) })
      from.releaseOutput()
    }
  }
  client.start(nowMs)
  server.start(nowMs)
  const request = {
    method: 'GET',
    scheme: 'https',
    authority: 'a',
    path: '/',
    protocol: undefined,
    headers: [],
  }
  client.open(request, true, { ...NOTHING, onEnd: () => void (endedMs = nowMs) }, nowMs)
  for (let turn = 0; endedMs === undefined && turn < 1_000_000; turn++) {
    flush(client, server)
    flush(server, client)
    const next = onTheWay.shift()
    if (next === undefined) break
    nowMs = next.dueMs
    next.to.receive(next.piece, 0, next.piece.length, nowMs)
  }
  if (endedMs === undefined) throw new Error('the download stands still')
  return endedMs
}

describe('the window over a path with a long delay', () => {
  it('grows with the bandwidth-delay product until it is no limit any more', () => {
    const held = downloadMs(40 * MIB, DEFAULT_HTTP2_OPTIONS.streamWindowBytes)
    const bulk = downloadMs(40 * MIB, MIB)
    const grown = downloadMs(40 * MIB, DEFAULT_HTTP2_OPTIONS.maxStreamWindowBytes)
    expect(held).toBeGreaterThan(5000) // 256 KiB in 40 ms
    expect(bulk).toBeGreaterThan(1500) // 1 MiB in 40 ms
    expect(grown).toBeLessThan(bulk / 2)
  })
})
