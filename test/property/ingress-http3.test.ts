import { expect, it } from 'vitest'
import type { BodySink } from '../../src/base/http/exchange.ts'
import type { IngressExchange } from '../../src/ingress/ingress-exchange.ts'
import { fc } from '../support/property.ts'
import { type Asked, FakeHttp3Client } from '../unit/ingress/fake-http3-client.ts'

const own = (chunk: Buffer): Buffer => Buffer.from(chunk)

/** Sends the body back as it comes, with back-pressure, and the trailers behind it. */
function echo(exchange: IngressExchange): void {
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    exchange.respondStart(200, ['content-length', String(body?.length ?? 0)])
    if (body !== null) exchange.respondData(Buffer.from(body), own)
    exchange.respondEnd([])
    return
  }
  const { events } = exchange
  exchange.events = {
    onDrain: () => body.resume(),
    onAborted: error => {
      events?.onAborted(error)
      body.cancel()
    },
  }
  exchange.respondStart(200, [])
  const sink: BodySink = {
    write: chunk => exchange.respondData(Buffer.from(chunk), own),
    end: trailers => exchange.respondEnd(trailers),
    fail: error => exchange.abort(error),
  }
  body.attach(sink)
}

/** What the client does with one of its requests. */
const requestArbitrary = fc.record({
  bodyBytes: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 3000 }),
    fc.integer({ min: 3000, max: 120_000 }),
  ),
  pieceBytes: fc.integer({ min: 500, max: 30_000 }),
  hasTrailers: fc.boolean(),
  /** After so many ms it does not want it any more. */
  resetAfterMs: fc.option(fc.integer({ min: 0, max: 200 }), { freq: 4, nil: undefined }),
  /** So long after the one before. */
  afterMs: fc.integer({ min: 0, max: 40 }),
})

it('every request is answered with its own body, whatever the network loses and whichever requests beside it are given up', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.record({
        // (At a tenth, once in a few hundred runs no handshake comes through before its deadline.)
        lossRate: fc.double({ min: 0, max: 0.05, noNaN: true }),
        reorderRate: fc.double({ min: 0, max: 0.2, noNaN: true }),
        duplicateRate: fc.double({ min: 0, max: 0.1, noNaN: true }),
      }),
      fc.array(requestArbitrary, { minLength: 1, maxLength: 8 }),
      async (seed, conditions, requests) => {
        const client = FakeHttp3Client.established({
          seed,
          conditions: { latencyMs: 10, ...conditions },
          handler: echo,
        })
        const asked: { request: (typeof requests)[number]; body: Buffer; one: Asked }[] = []
        for (const [index, request] of requests.entries()) {
          await client.pass(request.afterMs)
          const body = Buffer.alloc(request.bodyBytes, index + 1)
          const one = client.ask({ method: 'POST', ends: false })
          let sent = 0
          const send = (): void => {
            while (sent < body.length && one.reset === undefined) {
              const piece = body.subarray(sent, sent + request.pieceBytes)
              sent += piece.length
              if (!one.stream.write(piece, own)) return
            }
            one.stream.end(request.hasTrailers ? ['x-sum', String(index)] : [])
          }
          one.onWritable = send
          send()
          if (request.resetAfterMs !== undefined)
            client.pair.clock.setTimer(request.resetAfterMs, () => one.stream.reset('CANCEL'))
          asked.push({ request, body, one })
        }
        const lasting = asked.filter(({ request }) => request.resetAfterMs === undefined)
        await client.until(() => lasting.every(({ one }) => one.isOver), 120_000)
        for (const { body, one } of lasting)
          expect([one.statuses, one.reset, one.body.equals(body)]).toEqual([[200], undefined, true])
        client.session.drain()
        await client.until(() => client.isGone && client.pair.client.isOver, 120_000)
        // Those of the test itself, and what is on its way to nobody.
        await client.pass(500)
        // Each was notified once at the most, and nothing is left that would go off later.
        expect(client.aborted.length).toBeLessThanOrEqual(asked.length - lasting.length)
        expect(client.stats.badRequests).toEqual({})
        expect(client.pair.clock.pendingTimers()).toBe(0)
      },
    ),
    { numRuns: 40 },
  )
})
