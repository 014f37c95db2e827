import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { HpackEncoder } from '../../../../src/http/hpack/hpack-encoder.ts'
import { QpackDecoder } from '../../../../src/http/qpack/qpack-decoder.ts'
import { QpackEncoder } from '../../../../src/http/qpack/qpack-encoder.ts'
import { referenceBytesByName } from './reference-sizes.ts'

const VECTORS = new URL('../../../vectors/qpack/', import.meta.url)
const TABLE_BYTES = 4096

/** Secrets go into no table of ours, and into those of others: without cookies the rest can be compared. */
const SECRET = new Set(['cookie', 'set-cookie'])
/** What HTTP/2 and HTTP/3 do not carry. */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

type Fields = readonly (readonly [name: string, value: string])[]

function listsOf(name: string, left: ReadonlySet<string>): Fields[] {
  const text = readFileSync(new URL(`qifs/${name}.qif`, VECTORS), 'latin1')
  const sections = text.split('\n\n').map(section => section.split('\n').filter(line => /^[^#]/.test(line)))
  return sections
    .filter(lines => lines.length > 0)
    .map(lines =>
      lines
        .map(line => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1).trim()] as const)
        .filter(([field]) => !left.has(field) && !FORBIDDEN.has(field)),
    )
}

function hpackBytes(lists: readonly Fields[]): number {
  const encoder = new HpackEncoder(TABLE_BYTES)
  let bytes = 0
  for (const fields of lists) {
    encoder.begin()
    for (const [name, value] of fields) encoder.add(name, value)
    bytes += encoder.end()
  }
  return bytes
}

/** Sections and encoder stream, to a peer that acknowledges each section at once. */
function qpackBytes(lists: readonly Fields[], maxBlockedStreams = 0): number {
  const encoder = new QpackEncoder({ maxTableBytes: TABLE_BYTES, maxBlockedStreams })
  encoder.setPeerLimits(TABLE_BYTES, 100)
  const decoder = new QpackDecoder({
    maxTableBytes: TABLE_BYTES,
    maxBlockedStreams: 100,
    maxListBytes: 1_000_000,
    maxFields: 200,
  })
  let bytes = 0
  lists.forEach((fields, index) => {
    encoder.begin(index * 4)
    for (const [name, value] of fields) encoder.add(name, value)
    const length = encoder.end()
    const section = Buffer.from(encoder.bytes.subarray(0, length))
    const instructions = encoder.takeEncoderStream()
    if (instructions !== undefined) decoder.receiveEncoderStream(instructions, 0, instructions.length)
    decoder.decode(index * 4, section, 0, length)
    const answer = decoder.takeDecoderStream()
    if (answer !== undefined) encoder.receiveDecoderStream(answer, 0, answer.length)
    bytes += length + (instructions?.length ?? 0)
  })
  return bytes
}

/** Requests through an edge: what clients say repeats, what hops say of each request does not. */
function edgeRequests(count: number): Fields[] {
  let state = 1
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >>> 8) % bound
  }
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => below(16).toString(16)).join('')
  return Array.from({ length: count }, () => [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', 'origin.example'],
    [':path', `/api/items/${below(100_000)}`],
    ['user-agent', `Mozilla/5.0 (X${below(40)}) AppleWebKit/537.36`],
    ['accept', '*/*'],
    ['x-request-id', hex(32)],
    ['traceparent', `00-${hex(32)}-${hex(16)}-01`],
    ['x-app-serial', hex(12)],
    ['via', '1.1 middlemile'],
    ['x-forwarded-for', `192.0.${below(255)}.${below(255)}`],
  ])
}

/**
 * An annotation of the test: `npm test -- --reporter=verbose` prints it, so that a change can be judged by
 * more than its bound.
 */
function ratioOf(bytes: number, reference: number, of: string): string {
  return `${bytes} bytes, ${of} ${reference}: ${(bytes / reference).toFixed(2)}`
}

describe('the size of long sets of fields', () => {
  // nghttp2 in Node 20.20.2: the payloads of its HEADERS and CONTINUATION for the same requests, one
  // connection, a table of 4096 bytes.
  it.for([
    ['fb-req', 45_618, 1.03],
    ['netbsd', 802, 1.15],
  ] as const)('by HPACK is close to that of nghttp2: %s', async ([name, reference, bound], { annotate }) => {
    const bytes = hpackBytes(listsOf(name, SECRET))
    await annotate(ratioOf(bytes, reference, 'nghttp2'))
    expect(bytes / reference).toBeLessThan(bound)
  })

  it.for([
    ['fb-req', 'ls-qpack', 1.05],
    ['fb-req', 'nghttp3', 1.07],
    ['fb-resp', 'ls-qpack', 1.25],
    ['fb-resp', 'nghttp3', 0.97],
    ['netbsd', 'ls-qpack', 1.15],
    ['netbsd', 'nghttp3', 1.32],
  ] as const)(
    'by QPACK is close to that of other encoders, secrets left out, though no stream may block: %s, %s',
    async ([name, encoder, bound], { annotate }) => {
      const bytes = qpackBytes(listsOf(name, SECRET))
      let reference = 0
      for (const [field, spent] of referenceBytesByName(encoder, name)) {
        if (!SECRET.has(field) && !FORBIDDEN.has(field)) reference += spent
      }
      await annotate(ratioOf(bytes, reference, encoder))
      expect(bytes / reference).toBeLessThan(bound)
    },
  )

  it('includes the names of fields whose values never repeat only once', () => {
    const lists = edgeRequests(1000)
    const nameless = lists.map(fields =>
      fields.map(([name, value]) => [name.startsWith(':') ? name : 'x', value] as const),
    )
    // Each name costs an index, and in QPACK, where unacknowledged entries do not count, now and then itself
    // again.
    expect(hpackBytes(lists)).toBeLessThan(hpackBytes(nameless) + 1000 * 2)
    expect(qpackBytes(lists)).toBeLessThan(qpackBytes(nameless) + 1000 * 14)
  })
})
