import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { answer } from '../../../src/testing/origin-answers.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { ControlClient } from '../../support/control-client.ts'
import { readDefences } from '../../support/defences.ts'
import { type HttpServer, startHttpServer } from '../../support/http-server.ts'
import { ask, CONNECTION_FAULTS, ENDS, FLOODS, MALFORMED, post } from '../../support/http2-client-attacks.ts'
import { indexedLiteral, literals, reference, requestBlock, statusOf } from '../../support/http2-fields.ts'
import { connectHttp2Peer } from '../../support/http2-peer.ts'
import {
  continuation,
  data,
  FLAG,
  goaway,
  headers,
  PREFACE,
  ping,
  SETTING,
  settings,
  TYPE,
  windowUpdate,
} from '../../support/http2-wire.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { until } from '../../support/until.ts'

/**
 * What a connector may grow by under one attack, in MiB: far below what each of them would take if nothing
 * held it.
 */
const ALLOWED_GROWTH_MIB = 100

describe('a hostile HTTP/2 client', () => {
  let origin: HttpServer
  /** What it was asked for, the control client's requests left out. */
  let seen: string[] = []
  let connector: ConnectorProcess
  let control: ControlClient
  let memoryBefore: number

  beforeAll(async () => {
    origin = await startHttpServer((request, response) => {
      if (request.url !== '/control') seen.push(`${request.method} ${request.url}`)
      if (request.url === '/stuck') request.socket.pause()
      else answer(request, response)
    })
    connector = await startConfiguredConnector({
      origins: { quick: { url: origin.url, pool: { maxConnections: 256 } } },
    })
    control = new ControlClient(connector.url, 'shop.test', '/control')
    // What grows once (code, compiled code) is not growth under attack.
    for (let round = 0; round < 30; round++) {
      using peer = await connectHttp2Peer(connector.port)
      for (let i = 0; i < 50; i++) peer.send(ask(2 * i + 1))
      await peer.untilFrame(/^DATA 99$/)
    }
    memoryBefore = readProcessMemory(connector.cli.pid).now
  }, 60_000)
  afterAll(async () => {
    await control?.[Symbol.asyncDispose]()
    await connector?.[Symbol.asyncDispose]()
    await origin?.[Symbol.asyncDispose]()
  })
  // Whatever it was: the process is alive, others have noticed nothing, and memory is where it was.
  afterEach(async () => {
    const { statuses, failures, slowestMs } = await control.report()
    expect(failures).toEqual([])
    expect(Object.keys(statuses)).toEqual(['200'])
    expect(slowestMs).toBeLessThan(3_000)
    expect(readProcessMemory(connector.cli.pid).now - memoryBefore).toBeLessThan(ALLOWED_GROWTH_MIB)
    expect(connector.cli.stderr).toBe('')
  })

  const defences = (): Promise<Record<string, number>> => readDefences(connector.adminUrl, 'ingress')

  it.for(FLOODS.map(flood => [flood.name, flood] as const))(
    'that sends a flood of %s is sent away, and it is counted',
    // Again on a machine that is very busy: what still comes when we stop reading makes TCP send a reset,
    // which destroys the GOAWAY that was not read yet.
    { timeout: 30_000, retry: 2 },
    async ([, { run, answer, limit = '' }]) => {
      const before = (await defences())[limit] ?? 0
      using peer = await connectHttp2Peer(connector.port)
      await run(peer)
      expect((await peer.untilClosed()).at(-1)).toMatch(answer)
      expect((await defences())[limit] ?? 0).toBeGreaterThan(before)
    },
  )

  it.for(CONNECTION_FAULTS.map(fault => [fault.name, fault] as const))(
    'that sends %s gets its error code',
    async ([, { run, answer }]) => {
      using peer = await connectHttp2Peer(connector.port)
      await run(peer)
      await peer.untilFrame(answer)
    },
  )

  it.for(MALFORMED)(
    'that sends %s loses its stream, and not its connection, and the origin receives nothing',
    async ([, frames]) => {
      using peer = await connectHttp2Peer(connector.port, { settings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
      const marker = `/marker-${Math.random()}`
      seen = []
      peer.send(...frames)
      await peer.untilFrame(/^RST_STREAM 1 (?:PROTOCOL_ERROR|FLOW_CONTROL_ERROR)$/)
      // What is answered behind it was read behind it.
      peer.send(ask(3, marker))
      const head = await peer.untilFrame(/^HEADERS 3$/)
      expect(statusOf(head.payload)).toBe(200)
      // A head that is good has gone on before its body turns out to be none.
      expect(seen).toEqual(frames.length === 1 ? [`GET ${marker}`] : [...seen.slice(0, -1), `GET ${marker}`])
      expect(peer.log.filter(line => line.startsWith('GOAWAY'))).toEqual([])
    },
  )

  it('that has 16,000 fields made out of 16 KB (HPACK bomb) gets 431, again and again', async () => {
    const before = (await defences())['maxHeaderBytes'] ?? 0
    using peer = await connectHttp2Peer(connector.port, { settings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
    const bomb = Buffer.alloc(16_000, reference(62))
    peer.send(headers(1, Buffer.concat([requestBlock(), indexedLiteral('x', 'y'.repeat(3_900))]), ENDS))
    const attempts = 200
    for (let i = 1; i <= attempts; i++)
      peer.send(headers(2 * i + 1, Buffer.concat([requestBlock(), bomb]), ENDS))
    await peer.untilFrame(new RegExp(`^HEADERS ${2 * attempts + 1}$`))
    const statuses = peer.frames
      .filter(({ type }) => type === TYPE.HEADERS)
      .map(({ payload }) => statusOf(payload))
    expect(statuses.filter(status => status === 431)).toHaveLength(attempts)
    expect((await defences())['maxHeaderBytes']).toBe(before + attempts)
    peer.send(ask(2 * attempts + 3))
    expect(statusOf((await peer.untilFrame(new RegExp(`^HEADERS ${2 * attempts + 3}$`))).payload)).toBe(200)
  })

  it('that sends a header list above maxHeaderBytes gets 431, or is sent away when it is far above', async () => {
    const long = (bytes: number): Buffer[] => {
      const block = Buffer.concat([requestBlock(), literals(['x', 'y'.repeat(bytes)])])
      const pieces = [headers(1, block.subarray(0, 16_000), FLAG.END_STREAM)]
      for (let at = 16_000; at < block.length; at += 16_000) {
        const isLast = at + 16_000 >= block.length
        pieces.push(continuation(1, block.subarray(at, at + 16_000), isLast ? FLAG.END_HEADERS : 0))
      }
      return pieces
    }
    using peer = await connectHttp2Peer(connector.port, { settings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
    peer.send(...long(66_000))
    const answer = await peer.untilFrame(/^HEADERS 1$|^GOAWAY \d ENHANCE_YOUR_CALM$/)
    if (answer.type === TYPE.HEADERS) expect(statusOf(answer.payload)).toBe(431)
  })

  it('that opens more streams than allowed has those refused, and the others answered', async () => {
    using peer = await connectHttp2Peer(connector.port)
    for (let i = 0; i < 140; i++) peer.send(ask(2 * i + 1, '/slow?ms=1500'))
    await peer.untilFrame(/^RST_STREAM 279 REFUSED_STREAM$/)
    await peer.until(() => peer.log.filter(line => line.startsWith('HEADERS')).length === 128, '128 answers')
    expect(peer.log.filter(line => line.endsWith('REFUSED_STREAM'))).toHaveLength(12)
    expect((await defences())['maxConcurrentStreams']).toBeGreaterThanOrEqual(12)
  })

  it('that starts at the last stream id gets an answer', async () => {
    using peer = await connectHttp2Peer(connector.port)
    peer.send(ask(0x7fffffff))
    await peer.untilFrame(/^DATA 2147483647$/)
  })

  it('that sends GOAWAY gets the answers that it waits for', async () => {
    using peer = await connectHttp2Peer(connector.port)
    peer.send(ask(1, '/slow?ms=100'), goaway(0), ping())
    await peer.untilFrame(/^DATA 1$/)
    expect((await peer.untilClosed()).filter(line => line.startsWith('RST_STREAM'))).toEqual([])
  })

  it('that opens no window makes nobody else wait, and gets its bodies when it does (CVE-2019-9517)', {
    timeout: 20_000,
  }, async () => {
    using peer = await connectHttp2Peer(connector.port, { settings: { [SETTING.INITIAL_WINDOW_SIZE]: 0 } })
    const bytes = 1_000_000
    for (let i = 0; i < 100; i++) peer.send(ask(2 * i + 1, `/bytes/${bytes}`))
    await peer.untilFrame(/^HEADERS 199$/)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(peer.log.filter(line => line.startsWith('DATA'))).toEqual([])
    const { statuses, failures, slowestMs } = await control.report()
    expect([failures, Object.keys(statuses)]).toEqual([[], ['200']])
    expect(slowestMs).toBeLessThan(3_000)
    expect(readProcessMemory(connector.cli.pid).now - memoryBefore).toBeLessThan(ALLOWED_GROWTH_MIB)
    // Of ten of them it wants the rest after all.
    peer.send(windowUpdate(0, 0x7ffe0000))
    for (let i = 0; i < 10; i++) peer.send(windowUpdate(2 * i + 1, bytes))
    const received = (streamId: number): number =>
      peer.frames
        .filter(({ type, streamId: id }) => type === TYPE.DATA && id === streamId)
        .reduce((sum, { payload }) => sum + payload.length, 0)
    await peer.until(
      () => Array.from({ length: 10 }, (_, i) => received(2 * i + 1)).every(got => got === bytes),
      'ten whole bodies',
    )
  })

  it('that sends no HTTP at all, or stops within the preface, is sent away', async () => {
    for (const bytes of [
      Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'),
      Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]),
      Buffer.concat([PREFACE, Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
    ]) {
      using peer = await connectHttp2Peer(connector.port, { isSilent: true, acknowledges: false })
      peer.send(bytes)
      await peer.untilClosed()
    }
  })

  it('that is gone in the middle of a frame leaves nothing behind', async () => {
    for (let round = 0; round < 50; round++) {
      using peer = await connectHttp2Peer(connector.port)
      peer.send(ask(1, '/silent'), post(3), data(3, Buffer.alloc(1_000)).subarray(0, 500))
      if (round % 2 === 0) await peer.untilFrame(/^SETTINGS 0$/)
    }
    const open = async (): Promise<number> => {
      const page = (await (await fetch(`${connector.adminUrl}/pools`)).json()) as {
        pools: { streams: number }[] // the page is ours
      }
      return page.pools.reduce((sum, { streams }) => sum + streams, 0)
    }
    await expect.poll(open, { timeout: 5_000 }).toBeLessThanOrEqual(1)
  })
})

describe('a hostile HTTP/2 client that does not read', () => {
  it('makes us hold no more answers than maxQueuedReplies', { timeout: 30_000 }, async () => {
    const origin = await startQuickOrigin()
    const high = 1_000_000_000
    await using connector = await startConfiguredConnector({
      // No rate stands in the way: what ends this is what waits for the peer. Its linger waits as well,
      // where the kernel has no room left for it.
      ingress: { writeTimeout: '2s', http2: { maxPingsPerSecond: high, maxSettingsPerSecond: high } },
      origins: { quick: { url: origin.url } },
    })
    await using control = new ControlClient(connector.url, 'shop.test')
    for (const one of [ping(), settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 7 })]) {
      using peer = await connectHttp2Peer(connector.port)
      peer.socket.pause()
      const many = Buffer.concat(Array.from({ length: 10_000 }, () => one))
      const memory = readProcessMemory(connector.cli.pid).now
      // The kernel takes some MB before anybody has to wait.
      const sent = await peer.flood(index => (index < 400 ? many : undefined))
      expect(sent).toBeLessThan(400)
      expect(readProcessMemory(connector.cli.pid).now - memory).toBeLessThan(ALLOWED_GROWTH_MIB)
    }
    expect(await readDefences(connector.adminUrl, 'ingress')).toMatchObject({ maxQueuedReplies: 2 })
    expect((await control.report()).failures).toEqual([])
    await origin.close()
  })

  it('and is slow with its field blocks and bodies is sent away', { timeout: 20_000 }, async () => {
    const origin = await startQuickOrigin()
    await using connector = await startConfiguredConnector({
      ingress: { headerTimeout: '300ms', requestTimeout: '300ms', http2: { fieldBlockTimeout: '300ms' } },
      origins: { quick: { url: origin.url } },
    })
    using blocks = await connectHttp2Peer(connector.port)
    blocks.send(headers(1, requestBlock().subarray(0, 5), FLAG.END_STREAM))
    expect((await blocks.untilClosed()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM')
    expect(await readDefences(connector.adminUrl, 'ingress')).toMatchObject({ fieldBlockTimeoutMs: 1 })

    using bodies = await connectHttp2Peer(connector.port, { settings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
    bodies.send(post(1), data(1, 'x'))
    // A complete answer, or a reset when the origin's had begun.
    const answer = await bodies.untilFrame(/^HEADERS 1$|^RST_STREAM 1/)
    if (answer.type === TYPE.HEADERS) expect(statusOf(answer.payload)).toBe(408)
    bodies.send(ask(3))
    expect(statusOf((await bodies.untilFrame(/^HEADERS 3$/)).payload)).toBe(200)

    using frames = await connectHttp2Peer(connector.port, { isSilent: true })
    frames.send(PREFACE.subarray(0, 10))
    await frames.untilClosed()
    await until(() => origin.requestsSeen() >= 1, 'the request of the innocent')
    await origin.close()
  })
})
