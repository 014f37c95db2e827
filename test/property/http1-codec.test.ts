import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { CHUNK_END, encodeChunkHead, encodeLastChunk } from '../../src/http/http1/codec/field-encoder.ts'
import { encodeRequestHead, encodeResponseHead } from '../../src/http/http1/codec/head-encoder.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'
import { type Decoding, decodeRequests, decodeResponse } from '../unit/http/http1/codec/decoding.ts'
import {
  cuts,
  cutsOf,
  type Field,
  fields,
  method,
  mutations,
  path,
  request,
  response,
} from './http1-messages.ts'

/** What must not depend on how the bytes are cut. */
function essence(decoding: Decoding<unknown>): unknown {
  return { messages: decoding.messages, code: decoding.error?.code, processed: decoding.error?.processed }
}

const everyByte = (length: number): number[] => Array.from({ length }, (_, index) => index)
const flat = (list: readonly Field[]): string[] =>
  list.flatMap(({ name, value }) => [name.toLowerCase(), value])

describe('the HTTP/1.1 codec, for any message', () => {
  it('reads a request as it was meant, however it is cut', () => {
    fc.assert(
      fc.property(request, cuts, ({ text, method, path, host, fields, body }, shares) => {
        const whole = decodeRequests(text)
        expect(whole.error).toBeUndefined()
        const [message] = whole.messages
        expect(message).toMatchObject({ body: body.content, head: { method, path, authority: host } })
        expect(message?.trailers).toEqual(flat(body.trailers))
        expect(message?.head.headers.filter((_, i, list) => list[i - (i % 2)] !== 'content-length')).toEqual(
          flat(fields),
        )
        expect(decodeRequests(text, { cuts: cutsOf(text.length, shares) })).toEqual(whole)
        expect(decodeRequests(text, { cuts: everyByte(text.length) })).toEqual(whole)
      }),
      { numRuns: 1000 },
    )
  })

  it('reads a response as it was meant, however it is cut', () => {
    fc.assert(
      fc.property(response, cuts, ({ text, status, reason, body }, shares) => {
        const whole = decodeResponse(text)
        expect(whole.error).toBeUndefined()
        const message = whole.messages.at(-1)
        expect(message).toMatchObject({ body: body.content, head: { status, statusText: reason } })
        expect(message?.trailers).toEqual(flat(body.trailers))
        expect(decodeResponse(text, { cuts: cutsOf(text.length, shares) })).toEqual(whole)
        expect(decodeResponse(text, { cuts: everyByte(text.length) })).toEqual(whole)
      }),
      { numRuns: 1000 },
    )
  })

  it('reads requests that follow one another', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 2, maxLength: 4 }), cuts, (list, shares) => {
        const text = list.map(one => one.text).join('')
        const { messages, error } = decodeRequests(text, { cuts: cutsOf(text.length, shares) })
        expect(error).toBeUndefined()
        expect(messages.map(({ head, body }) => [head.method, head.path, body])).toEqual(
          list.map(({ method, path, body }) => [method, path, body.content]),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('returns the same result for faulty ones, however they are cut', () => {
    fc.assert(
      fc.property(fc.oneof(request, response), mutations, cuts, (one, mutate, shares) => {
        const text = mutate(one.text)
        for (const decode of [decodeRequests, decodeResponse]) {
          const whole = essence(decode(text))
          expect(essence(decode(text, { cuts: cutsOf(text.length, shares) }))).toEqual(whole)
          expect(essence(decode(text, { cuts: everyByte(text.length) }))).toEqual(whole)
        }
      }),
      { numRuns: volume(1000, 3000) },
    )
  })

  it('fails with a TransportError or not at all, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom('', 'GET / HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n'),
        (noise, start) => {
          const bytes = Buffer.concat([Buffer.from(start), noise])
          // The helper lets any other error through.
          decodeRequests(bytes)
          decodeResponse(bytes)
        },
      ),
      { numRuns: volume(1000, 3000) },
    )
  })
})

describe('the HTTP/1.1 encoder, for any message', () => {
  it('writes requests that are read as they were meant', () => {
    fc.assert(
      fc.property(
        method,
        path,
        fields,
        fc.option(fc.string({ maxLength: 50 })),
        (method, path, fields, body) => {
          const headers = flat(fields)
          const head = encodeRequestHead(
            { method, authority: 'a:1', path, headers },
            body === null ? 'none' : 'chunked',
          )
          const data = Buffer.from(body ?? '')
          const chunk =
            data.length === 0 ? '' : `${encodeChunkHead(data.length)}${data.toString('latin1')}${CHUNK_END}`
          const { messages, error } = decodeRequests(
            body === null ? head : `${head}${chunk}${encodeLastChunk(['x-t', 'v'])}`,
          )
          expect(error).toBeUndefined()
          expect(messages).toHaveLength(1)
          expect(messages[0]).toMatchObject({
            head: { method, path, authority: 'a:1' },
            body: data.toString('latin1'),
            trailers: body === null ? [] : ['x-t', 'v'],
          })
          expect(
            messages[0]?.head.headers.filter((_, i, list) => list[i - (i % 2)] !== 'content-length'),
          ).toEqual(headers)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('writes exactly one message, or refuses, whatever it contains', () => {
    // Anything at all, with the dangerous characters in the majority.
    const anything = fc
      .array(
        fc.oneof(
          fc.constantFrom('\r', '\n', '\r\n', ' ', ':', '\0', 'a', 'b', '\u010a', '\u560a', '\xff'),
          fc.string({ maxLength: 2 }),
        ),
        { maxLength: 6 },
      )
      .map(parts => parts.join(''))
    const mostly = (good: string): fc.Arbitrary<string> =>
      fc.oneof({ weight: 4, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: anything })
    let refused = 0
    let written = 0
    fc.assert(
      fc.property(
        mostly('GET'),
        mostly('a'),
        mostly('/p'),
        mostly('x-a'),
        mostly('v'),
        mostly('websocket'),
        (method, authority, path, name, value, upgrade) => {
          let head: string
          try {
            head = encodeRequestHead({ method, authority, path, headers: [name, value], upgrade }, 'none')
          } catch (error) {
            expect(error).toBeInstanceOf(TransportError)
            expect((error as TransportError).code).toBe('MM_INVALID_ARGUMENT')
            refused++
            return
          }
          written++
          const bytes = Buffer.from(head, 'latin1')
          const { messages, error, taken } = decodeRequests(bytes, { ends: false })
          expect(error).toBeUndefined()
          expect([messages.length, taken]).toEqual([1, bytes.length])
          expect(messages[0]?.head).toMatchObject({ method, authority })
          expect(messages[0]?.head.headers).toEqual([name, value.replace(/^[ \t]+|[ \t]+$/g, '')])
        },
      ),
      { numRuns: 5000 },
    )
    expect(Math.min(refused, written)).toBeGreaterThan(500)
  })

  it('writes responses that are read as they were meant, or refuses', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 700 }),
        fc.string({ maxLength: 10 }),
        fields,
        (status, statusText, fields) => {
          const headers = flat(fields)
          const hasBody = status >= 200 && status !== 204 && status !== 304
          let head: string
          try {
            head = encodeResponseHead({ status, statusText, headers }, hasBody ? 0 : 'none', {
              minorVersion: 1,
              keepAlive: true,
              upgrade: 'x',
            })
          } catch (error) {
            expect((error as TransportError).code).toBe('MM_INVALID_ARGUMENT')
            return
          }
          const { messages, error } = decodeResponse(head, { ends: false, upgrade: 'x' })
          expect(error).toBeUndefined()
          expect(messages).toHaveLength(1)
          expect(messages[0]?.head).toMatchObject({ status })
        },
      ),
      { numRuns: 1000 },
    )
  })
})
