import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { SimulatedEngine } from '../support/simulated-quic/simulated-engine.ts'
import { Http3Rig, type Http3RigOptions } from './http3-rig.ts'
import { TrailedBody } from './trailed-body.ts'

const EARLY = { mayBeEarly: true }
const LINK = { latencyMs: 20, lossRate: 0.02, reorderRate: 0.1, maxDatagramBytes: 1200 }

/** A rig whose server answers with the path, and what a ticket of it is good for. */
async function echoing(options: Http3RigOptions = {}): Promise<Http3Rig> {
  const rig = await Http3Rig.start({ conditions: { latencyMs: 20, maxDatagramBytes: 1200 }, ...options })
  rig.server.onRequest = request => request.answer({ body: Buffer.from(request.head.path) })
  return rig
}

describe('a GOAWAY over HTTP/3', () => {
  it('lets everything end that a client has begun before it was notified of it', async () => {
    let told = 0
    for (let seed = 1; seed <= 20; seed++) {
      const rig = await echoing({ seed, conditions: LINK })
      await rig.settle()
      const before = Array.from({ length: 10 }, (_, i) => rig.fetch(`/before/${i}`))
      await rig.until(() => rig.server.requests.length >= 5)
      rig.server.drain()
      // The client does not know yet.
      const after = Array.from({ length: 10 }, (_, i) => rig.fetch(`/after/${i}`))
      await rig.finish([...before, ...after])
      for (const { error, status } of [...before, ...after]) expect([error, status]).toEqual([undefined, 200])
      await rig.until(() => rig.log.at(-1)?.startsWith('closed') ?? false)
      const ends = rig.log.filter(line => line !== 'stream-closed')
      expect(ends.at(-1)).toBe('closed peer-closed')
      if (ends[0] === 'draining peer-closed') told++
    }
    // Where it was lost, the end came first.
    expect(told).toBeGreaterThan(15)
  })

  it('that was lost makes late requests come back unprocessed, and another connection answers them', async () => {
    const conditions = { latencyMs: 20, lossRate: 0, maxDatagramBytes: 1200 }
    const rig = await echoing({ conditions })
    await rig.settle()
    const slow = rig.fetch('/slow')
    const ready = rig.server.onRequest
    rig.server.onRequest = request => {
      if (request.head.path === '/slow') rig.timers.setTimer(1000, () => ready(request))
      else ready(request)
    }
    await rig.until(() => rig.server.requests.length === 1)
    // Whatever carries the server's control stream is lost for half a second, in which the last GOAWAY is
    // sent too.
    const start = rig.pair.now
    rig.pair.drop(
      (from, { frames }) =>
        from === 'server' &&
        rig.pair.now < start + 500 &&
        frames.some(frame => frame.type === 'stream' && frame.stream === 3),
    )
    rig.server.drain()
    await rig.pass(300)
    const late = Array.from({ length: 5 }, (_, i) => rig.fetch(`/late/${i}`))
    await rig.finish([slow, ...late])
    for (const { error } of late) expect(error?.processed).toBe('no')
    expect(rig.server.requests.map(({ head }) => head.path)).toEqual(['/slow'])
    expect(slow.error).toBeUndefined()
    expect(slow.body.toString()).toBe('/slow')
    await rig.until(() => rig.log.at(-1)?.startsWith('closed') ?? false)
    const second = await echoing({ clock: rig.pair.clock, seed: 2, conditions })
    const again = late.map((_, i) => second.fetch(`/late/${i}`))
    await second.finish(again)
    again.forEach((exchange, i) => expect(exchange.body.toString()).toBe(`/late/${i}`))
  })

  it('of a server that ends with its last answer leaves that whole', async () => {
    const rig = await echoing()
    await rig.settle()
    rig.server.onRequest = request => {
      rig.timers.setTimer(1000, () => request.answer({ body: Buffer.alloc(5000, 1) }))
    }
    const exchange = rig.fetch('/slow')
    await rig.until(() => rig.server.requests.length === 1)
    rig.server.drain()
    await rig.finish([exchange])
    expect([exchange.error, exchange.bytes]).toEqual([undefined, 5000])
    await rig.until(() => rig.server.end !== undefined)
  })

  it('of a client that drains lets what is open end, and then the connection', async () => {
    const rig = await echoing()
    await rig.settle()
    const exchange = rig.fetch('/last')
    rig.connection.drain('drained')
    await rig.finish([exchange])
    expect(exchange.body.toString()).toBe('/last')
    await rig.until(() => rig.log.includes('closed drained'))
    await rig.until(() => rig.server.end !== undefined)
    expect(rig.server.end?.isError).toBe(false)
  })
})

describe('early data over HTTP/3', () => {
  /** A ticket of a connection that went well. */
  async function ticketOf(engine: SimulatedEngine) {
    const rig = await echoing({ engine })
    await rig.finish([rig.fetch('/first')])
    await rig.until(() => rig.tickets.length > 0)
    return rig.tickets[0]!
  }

  it('is answered within one round trip', async () => {
    const engine = new SimulatedEngine()
    const rig = await echoing({ engine, ticket: await ticketOf(engine) })
    const exchange = rig.fetch('/early', EARLY)
    await rig.finish([exchange])
    expect(exchange).toMatchObject({ status: 200, tookMs: 40 })
    expect(rig.server.requests[0]!.wasEarly).toBe(true)
    expect(rig.connection.handshake).toMatchObject({ kind: 'early_data', earlyData: 'accepted' })
  })

  it('carries only requests that may be early, while the rest waits for the handshake', async () => {
    const engine = new SimulatedEngine()
    const rig = await echoing({ engine, ticket: await ticketOf(engine) })
    const [early, later] = [rig.fetch('/early', EARLY), rig.fetch('/later')]
    await rig.finish([early, later])
    expect([early.tookMs, later.tookMs]).toEqual([40, 80])
    expect(rig.server.requests.map(({ head, wasEarly }) => [head.path, wasEarly])).toEqual([
      ['/early', true],
      ['/later', false],
    ])
  })

  it('that was rejected is answered correctly, in two', async () => {
    const engine = new SimulatedEngine()
    const ticket = await ticketOf(engine)
    const rig = await echoing({ engine, ticket, server: { tls: { ticketKey: Buffer.alloc(48, 9) } } })
    const exchanges = Array.from({ length: 10 }, (_, i) => rig.fetch(`/early/${i}`, EARLY))
    await rig.finish(exchanges)
    exchanges.forEach((exchange, i) => {
      expect(exchange).toMatchObject({ status: 200, tookMs: 80 })
      expect(exchange.body.toString()).toBe(`/early/${i}`)
    })
    expect(rig.server.requests.map(({ wasEarly }) => wasEarly)).toEqual(exchanges.map(() => false))
    expect(rig.connection.handshake).toMatchObject({ earlyData: 'rejected' })
  })

  it('that was rejected is answered correctly on a bad link, and asked once', async () => {
    const engine = new SimulatedEngine()
    const ticket = await ticketOf(engine)
    for (let seed = 1; seed <= 30; seed++) {
      const isRejected = seed % 3 > 0
      const key = isRejected ? { ticketKey: Buffer.alloc(48, seed) } : {}
      const conditions = { ...LINK, lossRate: 0.1, duplicateRate: 0.1 }
      const rig = await echoing({ engine, ticket, seed, conditions, server: { tls: key } })
      const exchanges = Array.from({ length: 10 }, (_, i) => rig.fetch(`/early/${i}`, EARLY))
      await rig.finish(exchanges)
      exchanges.forEach((exchange, i) => expect(exchange.body.toString()).toBe(`/early/${i}`))
      expect(rig.server.requests).toHaveLength(10)
      expect(rig.connection.handshake.earlyData).toBe(isRejected ? 'rejected' : 'accepted')
    }
  })

  it('that does not fit into what the server allows now waits its turn', async () => {
    const engine = new SimulatedEngine()
    const ticket = await ticketOf(engine)
    const rig = await echoing({ engine, ticket, server: { quic: { maxConcurrentStreams: 3 } } })
    const exchanges = Array.from({ length: 10 }, (_, i) => rig.fetch(`/early/${i}`, EARLY))
    await rig.finish(exchanges)
    for (const { status } of exchanges) expect(status).toBe(200)
  })
})

describe('a cancellation over HTTP/3', () => {
  it('by the client reaches the server, ends nothing else, and frees the stream', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = await Http3Rig.start({
        seed,
        conditions: LINK,
        server: { quic: { maxConcurrentStreams: 20 } },
      })
      rig.server.onRequest = request => request.answer({ body: Buffer.alloc(100_000, 1) })
      await rig.settle()
      const exchanges = Array.from({ length: 20 }, (_, i) => rig.fetch(`/${i}`))
      await rig.until(() => exchanges.some(({ bytes }) => bytes > 0))
      exchanges.forEach((exchange, i) => {
        if (i % 2 === 0 && !exchange.isDone) {
          exchange.controller!.abort(new TransportError('MM_ABORTED', 'enough'))
        }
      })
      await rig.finish(exchanges)
      const aborted = exchanges.filter(({ error }) => error?.code === 'MM_ABORTED')
      expect(aborted.length).toBeGreaterThan(0)
      for (const { error, bytes } of exchanges) if (error === undefined) expect(bytes).toBe(100_000)
      await rig.until(() => rig.server.requests.filter(({ reset }) => reset !== undefined).length > 0)
      // Their places are free again, as soon as the server has said so.
      await rig.until(() => rig.connection.capacity === 20)
      const more = Array.from({ length: 20 }, (_, i) => rig.fetch(`/more/${i}`))
      await rig.finish(more)
      for (const { bytes, error } of more) expect([error, bytes]).toEqual([undefined, 100_000])
      await rig.settle()
      expect(rig.pair.client.connection.openStreams).toBe(rig.pair.server.connection.openStreams)
    }
  })

  it('of an upload stops its source, and is seen by the server', async () => {
    const rig = await echoing({ server: { quic: { streamWindowBytes: 20_000 } } })
    await rig.settle()
    rig.server.onHead = ({ stream }) => stream.pause()
    const body = new TrailedBody(Buffer.alloc(1_000_000), [])
    const exchange = rig.fetch('/upload', { method: 'POST', body })
    await rig.pass(1000)
    // The window of the stream, what the session takes ahead, and a chunk.
    expect(body.takenBytes).toBeLessThan(20_000 + 131_072 + 10_000)
    exchange.controller!.abort(new TransportError('MM_ABORTED', 'enough'))
    await rig.finish([exchange])
    await rig.until(() => rig.server.requests[0]!.reset !== undefined)
    expect(rig.server.requests[0]!.reset?.cause).toBe('peer')
    const next = rig.fetch('/next')
    await rig.finish([next])
    expect(next.status).toBe(200)
  })

  it('by the server ends the exchange with an error, and no other one', async () => {
    const rig = await Http3Rig.start({ conditions: { latencyMs: 20, maxDatagramBytes: 1200 } })
    rig.server.onRequest = request => {
      if (request.head.path !== '/broken') return request.answer({ body: Buffer.alloc(50_000, 2) })
      request.stream.respond(200, [], false)
      request.stream.write(Buffer.alloc(1000), piece => Buffer.from(piece))
      rig.timers.setTimer(50, () => request.stream.reset('INTERNAL_ERROR'))
    }
    await rig.settle()
    const broken = rig.fetch('/broken')
    const others = [rig.fetch('/one'), rig.fetch('/two')]
    await rig.finish([broken, ...others])
    expect(broken.error).toBeInstanceOf(TransportError)
    expect(broken.bytes).toBe(1000)
    for (const { bytes, error } of others) expect([bytes, error]).toEqual([50_000, undefined])
  })

  it('before the head is an error too, and reports what is known of it', async () => {
    const rig = await echoing()
    rig.server.onRequest = request => request.stream.reset('INTERNAL_ERROR')
    await rig.settle()
    const exchange = rig.fetch('/')
    await rig.finish([exchange])
    expect(exchange.error?.processed).toBe('unknown')
  })
})

describe('a peer that vanishes', () => {
  it('is found by the liveness watch while an exchange waits, long before the idle timeout', async () => {
    const conditions = { latencyMs: 20, lossRate: 0, maxDatagramBytes: 1200 }
    const rig = await Http3Rig.start({ conditions })
    rig.server.onRequest = () => {}
    await rig.settle()
    const exchange = rig.fetch('/')
    await rig.until(() => rig.server.requests.length === 1)
    conditions.lossRate = 1
    await rig.finish([exchange])
    expect(exchange.error).toBeInstanceOf(TransportError)
    expect(exchange.tookMs).toBeGreaterThan(15_000)
    expect(exchange.tookMs).toBeLessThan(26_000)
    expect(rig.log.at(-1)).toMatch(/^closed /)
  })

  it('does not end a connection on which an answer takes its time', async () => {
    const rig = await echoing()
    rig.server.onRequest = request => {
      rig.timers.setTimer(120_000, () => request.answer({ body: Buffer.from('at last') }))
    }
    await rig.settle()
    const exchange = rig.fetch('/')
    await rig.finish([exchange])
    expect(exchange.body.toString()).toBe('at last')
  })
})
