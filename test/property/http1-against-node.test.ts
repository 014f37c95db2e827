import { METHODS } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../src/base/http/headers.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'
import { completeMessages, decodeRequests, decodeResponse } from '../unit/http/http1/codec/decoding.ts'
import { mutations, request, response } from './http1-messages.ts'
import { nodeReadsRequests, nodeReadsResponse } from './node-parser.ts'

/**
 * Our parser against Node's, over well-formed messages and faulty ones. Where the two disagree ours must be
 * the stricter: what we read as a complete message Node has read as the same one. That Node reads more than
 * we do is fine, and counted.
 *
 * Where we accept what Node refuses, on purpose:
 *  1. A method that is a token but not on Node's list. RFC 9110 9.1 lets methods be added; a proxy passes
 *     them on.
 *  2. What follows a request with `Upgrade: h2c`. We do as if that field were not there (RFC 9110 7.8 lets
 *     any upgrade be ignored); Node's parser stops behind any request that asks for an upgrade.
 */
// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/http1-against-node.test.ts
const RUNS = Number(process.env['RUNS'] ?? volume(1500, 4000))

/** `part` is in `whole`, in order. */
function isSublist(part: HeaderList, whole: readonly string[]): boolean {
  let from = 0
  for (let i = 0; i < part.length; i += 2) {
    while (from < whole.length && (whole[from] !== part[i] || whole[from + 1] !== part[i + 1])) from += 2
    if (from >= whole.length) return false
    from += 2
  }
  return true
}

/** Three of four are faulty. */
const requests = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 2 }), fc.option(mutations, { freq: 3 }))
  .map(([list, mutate]) => {
    const text = list.map(one => one.text).join('')
    return mutate === null ? text : mutate(text)
  })
const responses = fc
  .tuple(response, fc.option(mutations, { freq: 3 }), fc.constantFrom('GET', 'GET', 'HEAD'))
  .map(([one, mutate, method]) => {
    const text = method === 'HEAD' ? one.text.slice(0, one.text.length - one.body.encoded.length) : one.text
    return { method, text: mutate === null ? text : mutate(text) }
  })

describe('the HTTP/1.1 parser in comparison with that of Node', () => {
  it('reads every request that it accepts as the same', async () => {
    let accepted = 0
    let stricter = 0
    await fc.assert(
      fc.asyncProperty(requests, async text => {
        const ours = completeMessages(decodeRequests(text))
        const node = await nodeReadsRequests(Buffer.from(text, 'latin1'))
        const theirs = node.messages.filter(message => message.isComplete)
        const unknown = ours.findIndex(({ head }) => !METHODS.includes(head.method)) // exception 1
        const compared = unknown < 0 ? ours : ours.slice(0, unknown)
        for (const [i, { head, body, trailers }] of compared.entries()) {
          if (theirs[i - 1]?.headers.includes('upgrade') === true) break // exception 2
          const other = theirs[i]
          expect(other, `Node: ${node.errors.join()}`).toBeDefined()
          expect([other?.method, other?.body]).toEqual([head.method, body])
          if (head.scheme === undefined && head.method !== 'CONNECT') expect(other?.url).toBe(head.path)
          expect(isSublist(head.headers, other?.headers ?? [])).toBe(true)
          expect(isSublist(trailers ?? [], other?.trailers ?? [])).toBe(true)
        }
        accepted += ours.length
        if (theirs.length > ours.length) stricter++
      }),
      { numRuns: RUNS },
    )
    // The comparison is worth something only if much was accepted, and if there was something to be stricter
    // about.
    expect(accepted).toBeGreaterThan(RUNS / 4)
    expect(stricter).toBeGreaterThan(RUNS / 40)
  }, 120_000)

  it('reads every response that it accepts as the same', async () => {
    let accepted = 0
    let stricter = 0
    await fc.assert(
      fc.asyncProperty(responses, async ({ method, text }) => {
        const decoding = decodeResponse(text, { method })
        const node = await nodeReadsResponse(Buffer.from(text, 'latin1'), method)
        const [theirs] = node.messages
        const ours = completeMessages(decoding).at(-1)
        if (ours === undefined) {
          if (theirs?.isComplete === true) stricter++
          return
        }
        const { head, body, trailers } = ours
        expect(theirs?.isComplete, `Node: ${node.errors.join()}`).toBe(true)
        expect([theirs?.status, theirs?.body]).toEqual([head.status, body])
        // What the response offers to switch to stands last in our list.
        const offerAt = head.headers.lastIndexOf('upgrade')
        const fields = offerAt < 0 ? head.headers : head.headers.slice(0, offerAt)
        expect(isSublist(fields, theirs?.headers ?? [])).toBe(true)
        expect(isSublist(trailers ?? [], theirs?.trailers ?? [])).toBe(true)
        const informational = decoding.messages.map(one => one.head.status).filter(status => status < 200)
        expect(node.informational).toEqual(informational)
        accepted++
      }),
      { numRuns: RUNS },
    )
    expect(accepted).toBeGreaterThan(RUNS / 4)
    expect(stricter).toBeGreaterThan(RUNS / 40)
  }, 120_000)
})
