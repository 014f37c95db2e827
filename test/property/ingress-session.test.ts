import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../src/base/http/exchange.ts'
import type { IngressExchange } from '../../src/ingress/ingress-exchange.ts'
import { fc } from '../support/property.ts'
import { FakeClient, own } from '../unit/ingress/fake-client.ts'

interface Planned {
  body: string
  coding: 'none' | 'length' | 'chunked'
  /** Answered within the handler, or when all input was sent and the answers before it are out. */
  isSync: boolean
  isChunkedAnswer: boolean
}

const planned: fc.Arbitrary<Planned> = fc.record({
  body: fc.string({ unit: fc.constantFrom('a', '0', '\r', '\n'), maxLength: 40 }),
  coding: fc.constantFrom('none', 'length', 'chunked'),
  isSync: fc.boolean(),
  isChunkedAnswer: fc.boolean(),
})

function encode({ body, coding }: Planned, index: number): string {
  if (coding === 'none') return `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`
  const start = `POST /${index} HTTP/1.1\r\nHost: a\r\n`
  if (coding === 'length') return `${start}Content-Length: ${body.length}\r\n\r\n${body}`
  const pieces = body.match(/[^]{1,7}/g) ?? []
  const chunks = pieces.map(piece => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')
  return `${start}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
}

/** Reads the body and then answers with the path and it. */
function answerWithBody(exchange: IngressExchange, isChunkedAnswer: boolean): void {
  let text = `${exchange.path}:`
  const finish = (): void => {
    exchange.respondStart(200, isChunkedAnswer ? [] : ['content-length', String(text.length)])
    for (const piece of text.match(/[^]{1,9}/g) ?? []) exchange.respondData(Buffer.from(piece), own)
    exchange.respondEnd([])
  }
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    if (body !== null) text += Buffer.from(body).toString()
    finish()
    return
  }
  const source: BodySource = body
  source.attach({
    write: chunk => {
      text += Buffer.from(chunk).toString()
      return true
    },
    end: finish,
    fail: error => expect.unreachable(error.message),
  })
}

/** The bodies of a run of responses, in order. */
function decodeBodies(output: string): string[] {
  const bodies: string[] = []
  let rest = output
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n') + 4
    const head = rest.slice(0, headEnd)
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    rest = rest.slice(headEnd)
    const length = /content-length: (\d+)/.exec(head)?.[1]
    if (length !== undefined) {
      bodies.push(rest.slice(0, Number(length)))
      rest = rest.slice(Number(length))
      continue
    }
    let body = ''
    for (;;) {
      const sizeEnd = rest.indexOf('\r\n')
      const size = Number.parseInt(rest.slice(0, sizeEnd), 16)
      body += rest.slice(sizeEnd + 2, sizeEnd + 2 + size)
      rest = rest.slice(sizeEnd + 2 + size + 2)
      if (size === 0) break
    }
    bodies.push(body)
  }
  return bodies
}

describe('Http1Session', () => {
  it('answers every request once and in order, however the bytes are cut and whenever the answers come', () => {
    fc.assert(
      fc.property(
        fc.array(planned, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
        (plan, cuts) => {
          const waiting: (() => void)[] = []
          const client = new FakeClient({}, exchange => {
            const { isSync, isChunkedAnswer } = plan[Number(exchange.path.slice(1))] as Planned
            const go = (): void => answerWithBody(exchange, isChunkedAnswer)
            if (isSync) go()
            else waiting.push(go)
          })
          const input = plan.map(encode).join('')
          for (let at = 0, i = 0; at < input.length; i++) {
            const size = cuts[i % cuts.length] as number
            client.send(input.slice(at, at + size))
            at += size
            expect(waiting.length).toBeLessThanOrEqual(1)
            // One at a time, and some of them while more input is to come.
            if (i % 3 === 0) waiting.shift()?.()
          }
          while (waiting.length > 0) waiting.shift()?.()
          const expected = plan.map(({ body, coding }, i) => `/${i}:${coding === 'none' ? '' : body}`)
          expect(decodeBodies(client.output)).toEqual(expected)
          expect(client.stats.requests).toBe(plan.length)
          expect(client.aborted).toEqual([])
          expect(client.clock.pendingTimers()).toBe(1)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('ends every exchange exactly once, whatever a client sends and whenever it goes', () => {
    const words = [
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\n',
      'Content-Length: 5\r\n',
      '\r\n',
    ]
    words.push('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n', '0\r\n\r\n', 'hello', 'X: \r', '\0')
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 30 }), fc.nat(30), (pieces, goesAt) => {
        const client = new FakeClient({}, answerGet)
        pieces.forEach((piece, i) => {
          if (i === goesAt) client.session.receiveEnd()
          client.send(piece)
        })
        client.session.destroy()
        // Not one is left that could still speak.
        const written = client.output.length
        for (const exchange of client.exchanges) {
          exchange.respondData(Buffer.from('late'), own)
          exchange.respondEnd([])
        }
        expect(client.output.length).toBe(written)
        const open = client.exchanges.filter(exchange => exchange.method !== 'GET')
        expect(client.aborted.length).toBe(open.length)
        expect(client.clock.pendingTimers()).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})

/** Anything but GET stays open, as one whose origin is slow. */
function answerGet(exchange: IngressExchange): void {
  if (exchange.method !== 'GET') return
  exchange.respondStart(200, [])
  exchange.respondEnd([])
}
