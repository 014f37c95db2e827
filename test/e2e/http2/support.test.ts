import { describe, expect, it } from 'vitest'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { curl } from '../../support/curl.ts'
import { parseH2loadReport, runH2load } from '../../support/h2load.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { requestBlock, responseBlock, statusOf } from '../../support/http2-fields.ts'
import { connectHttp2Peer, startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { data, FLAG, goaway, headers, SETTING, TYPE } from '../../support/http2-wire.ts'
import { runNghttp } from '../../support/nghttp.ts'
import { startNghttpd } from '../../support/nghttpd.ts'
import { startNginx } from '../../support/nginx.ts'
import { isRunning } from '../../support/process-tree.ts'
import { requireBinary } from '../../support/require-binary.ts'

/** What the HTTP/2 tests stand on: servers and clients of others, tried on each other. */
describe('the real HTTP/2 servers', () => {
  it.for([
    ['nginx', startNginx],
    ['haproxy', startHaproxy],
    ['caddy', startCaddy],
    ['nghttpd', startNghttpd],
  ] as const)('%s answers over TLS and in cleartext', async ([name, start], ctx) => {
    const missing = requireBinary(name, 'curl')
    ctx.skip(missing !== undefined, missing)
    await using server = await start({ http2: true })
    const h2cUrl = 'h2cUrl' in server ? server.h2cUrl : server.plainUrl
    const trust = ['--cacert', server.certificates.caFile]
    const secure = await curl([...trust, '--http2', `${server.url}/1k`])
    expect(secure).toMatchObject({ exitCode: 0, status: 200, httpVersion: '2' })
    expect(secure.body.equals(bodyOf(1024))).toBe(true)
    const plain = await curl(['--http2-prior-knowledge', `${h2cUrl}/1k`])
    expect(plain).toMatchObject({ exitCode: 0, status: 200, httpVersion: '2' })
    expect(plain.body.equals(bodyOf(1024))).toBe(true)
  })

  it('say how many streams they take', async ctx => {
    const missing = requireBinary('nginx', 'haproxy', 'nghttpd', 'nghttp')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, http2MaxConcurrentStreams: 7 })
    await using haproxy = await startHaproxy({ http2: true, http2MaxConcurrentStreams: 8 })
    await using nghttpd = await startNghttpd({ maxConcurrentStreams: 9 })
    const limit = async (url: string): Promise<string | undefined> =>
      /recv SETTINGS frame[^[]*\n(?:.+\[SETTINGS.+\n)*?.+MAX_CONCURRENT_STREAMS\(0x03\):(\d+)/.exec(
        (await runNghttp(`${url}/1k`)).trace,
      )?.[1]
    expect(await limit(nginx.h2cUrl)).toBe('7')
    expect(await limit(haproxy.h2cUrl)).toBe('8')
    expect(await limit(nghttpd.h2cUrl)).toBe('9')
  })

  it('nginx ends an HTTP/2 connection after keepaliveRequests', async ctx => {
    const missing = requireBinary('nginx', 'h2load')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, keepaliveRequests: 10 })
    expect((await runNghttp(`${nginx.h2cUrl}/1k`, ['--multiply=10'])).received).toContain('GOAWAY')
    expect(await nginx.counters()).toMatchObject({ connections: 1, requests: 10 })
  })

  it('nghttpd pads, echoes, adds trailers, and leaves no process behind', async ctx => {
    const missing = requireBinary('nghttpd', 'nghttp', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nghttpd = await startNghttpd({ padding: 100, trailer: 'x-checksum: abc', echoesUploads: true })
    const processes = [...nghttpd.tlsServer.processes(), ...nghttpd.plainServer.processes()]
    const got = await runNghttp(`${nghttpd.h2cUrl}/100k`)
    expect(got.exitCode).toBe(0)
    expect(got.responses).toHaveLength(1)
    expect(got.responses[0]).toMatchObject({ status: 200, headers: { 'content-length': '102400' } })
    expect(got.dataBytes).toBeGreaterThan(BODY_BYTES['100k'])
    expect(got.trace).toContain('x-checksum: abc')
    const input = bodyOf(50_000)
    const echoed = await curl(['--http2-prior-knowledge', '--data-binary', '@-', `${nghttpd.h2cUrl}/x`], {
      input,
    })
    expect(echoed.body.equals(input)).toBe(true)
    expect(processes).toHaveLength(2)
    await nghttpd.stop()
    expect(processes.filter(isRunning)).toEqual([])
  })
})

describe('h2load', () => {
  it('counts what was answered, by status and protocol', async ctx => {
    const missing = requireBinary('nghttpd', 'h2load')
    ctx.skip(missing !== undefined, missing)
    await using nghttpd = await startNghttpd()
    const all = { requests: 200, clients: 2, streams: 10 }
    const good = await runH2load({ ...all, url: `${nghttpd.h2cUrl}/1k` })
    expect(good).toMatchObject({
      requests: { total: 200, started: 200, done: 200, succeeded: 200, failed: 0, errored: 0, timeout: 0 },
      statuses: { '2xx': 200, '4xx': 0 },
      protocol: 'h2c',
    })
    const bad = await runH2load({ ...all, url: `${nghttpd.url}/absent` })
    expect(bad).toMatchObject({ requests: { failed: 200 }, statuses: { '4xx': 200 }, protocol: 'h2' })
  })

  it('says when nobody answers', async ctx => {
    const missing = requireBinary('h2load')
    ctx.skip(missing !== undefined, missing)
    const none = await runH2load({ url: 'http://127.0.0.1:1/', requests: 3 })
    expect(none).toMatchObject({ requests: { succeeded: 0, errored: 3 }, protocol: undefined })
  })

  it('has a report that cannot be mistaken', () => {
    expect(() => parseH2loadReport('requests: 3 total')).toThrow('not a report of h2load')
  })
})

describe('the scripted peer', () => {
  it('is a client to nghttpd', async ctx => {
    const missing = requireBinary('nghttpd')
    ctx.skip(missing !== undefined, missing)
    await using nghttpd = await startNghttpd()
    using peer = await connectHttp2Peer(nghttpd.h2cPort, { settings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
    for (const [streamId, path, status] of [
      [1, '/1k', 200],
      [3, '/absent', 404],
    ] as const) {
      peer.send(headers(streamId, requestBlock(path), FLAG.END_HEADERS | FLAG.END_STREAM))
      const head = await peer.untilFrame(new RegExp(`^HEADERS ${streamId}$`))
      expect(statusOf(head.payload)).toBe(status)
    }
    const bodies = peer.frames.filter(({ type, streamId }) => type === TYPE.DATA && streamId === 1)
    expect(Buffer.concat(bodies.map(({ payload }) => payload)).equals(bodyOf(1024))).toBe(true)
    peer.send(headers(5, Buffer.from([0xff]), FLAG.END_HEADERS))
    expect((await peer.untilClosed()).at(-1)).toMatch(/^GOAWAY \d COMPRESSION_ERROR$/)
  })

  it('is an origin to curl and nghttp', async ctx => {
    const missing = requireBinary('curl', 'nghttp')
    ctx.skip(missing !== undefined, missing)
    await using origin = await startHttp2PeerOrigin({
      onRequest: (peer, streamId) =>
        peer.send(
          headers(streamId, responseBlock(418, [['x-y', 'z']])),
          data(streamId, 'tea', FLAG.END_STREAM),
          goaway(streamId),
        ),
    })
    const got = await curl(['--http2-prior-knowledge', origin.url])
    expect(got).toMatchObject({ exitCode: 0, status: 418, httpVersion: '2', headers: { 'x-y': ['z'] } })
    expect(got.body.toString()).toBe('tea')
    expect((await runNghttp(origin.url)).responses).toMatchObject([{ status: 418, headers: { 'x-y': 'z' } }])
    expect(origin.peers).toHaveLength(2)
  })
})
