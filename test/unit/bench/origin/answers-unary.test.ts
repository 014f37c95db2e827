import { expect, it } from 'vitest'
import { answerUnary } from '../../../../bench/origin/answers.ts'
import type { BodySink, BodySource } from '../../../../src/base/http/exchange.ts'
import type { IngressExchange } from '../../../../src/ingress/ingress-exchange.ts'

/** Writes down what it is answered with. */
function exchangeWith(body: IngressExchange['body']) {
  const told: unknown[] = []
  const exchange = {
    body,
    events: undefined,
    respondStart: (status: number, headers: readonly string[]) => told.push(status, headers),
    respondData: (chunk: Buffer) => told.push(chunk),
    respondEnd: (trailers: readonly string[]) => told.push(trailers),
  }
  // What the answers of a unary call use of it.
  return { exchange: exchange as unknown as IngressExchange, told }
}

it('the gRPC origin answers with one message, 200 bytes with its prefix, and the status in trailers', () => {
  const { exchange, told } = exchangeWith(null)
  answerUnary(exchange)
  const [status, headers, body, trailers] = told as [number, string[], Buffer, string[]] // the order of the calls
  expect([status, headers, trailers]).toEqual([
    200,
    ['content-type', 'application/grpc'],
    ['grpc-status', '0'],
  ])
  expect(body).toHaveLength(200)
  expect(body.readUInt8(0)).toBe(0)
  expect(body.readUInt32BE(1)).toBe(body.length - 5)
})

it('the gRPC origin answers when the whole request is there, not before', () => {
  let sink: BodySink | undefined
  const source: BodySource = {
    length: 200,
    isReplayable: () => false,
    attach: attached => {
      sink = attached
    },
    resume: () => undefined,
    cancel: () => undefined,
  }
  const { exchange, told } = exchangeWith(source)
  answerUnary(exchange)
  expect(sink?.write(Buffer.alloc(200))).toBe(true)
  expect(told).toEqual([])
  sink?.end([])
  expect(told[0]).toBe(200)
})
