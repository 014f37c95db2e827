/**
 * What one field block costs, encoded and decoded: npm run bench -- micro/hpack
 * A response of ten fields (a file), as nginx writes it and as caddy does, and a request of ten as a proxy sends it.
 */
import { Bench } from 'tinybench'
import { HpackDecoder } from '../../src/header-compression/hpack-decoder.ts'
import { HpackEncoder } from '../../src/header-compression/hpack-encoder.ts'
import { STATIC_BY_NAME } from '../../src/header-compression/hpack-static-table.ts'
import { huffmanBits, writeHuffman } from '../../src/header-compression/huffman-encoder.ts'
import { writePrefixInteger } from '../../src/header-compression/prefix-integer.ts'

const response = [
  ['server', 'nginx/1.26.2'],
  ['date', 'Tue, 04 Mar 2025 10:12:13 GMT'],
  ['content-type', 'application/javascript'],
  ['content-length', '1024'],
  ['last-modified', 'Mon, 03 Mar 2025 08:00:00 GMT'],
  ['etag', '"66f1a2b3-400"'],
  ['cache-control', 'public, max-age=31536000, immutable'],
  ['vary', 'Accept-Encoding'],
  ['accept-ranges', 'bytes'],
].flat()
const request = [
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
  ['accept', '*/*'],
  ['accept-language', 'en-US,en;q=0.5'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['via', '1.1 middlemile'],
  ['x-forwarded-proto', 'https'],
].flat()

/** The same values in strings and a list of their own, as a parser makes them. */
function copyOf(list: readonly string[]): string[] {
  return list.map((text, i) => (i % 2 === 0 ? text : Buffer.from(text, 'latin1').toString('latin1')))
}
const COPIES = 64 // more than the memo of the encoder holds
const responses = Array.from({ length: COPIES }, () => copyOf(response))
const stable = response.filter(
  (_, i) => !['content-length', 'last-modified', 'etag'].includes(response[i - (i % 2)]!),
)
const stables = Array.from({ length: COPIES }, () => copyOf(stable))
const requests = Array.from({ length: COPIES }, () => copyOf(request))

function encodeResponse(encoder: HpackEncoder, list: readonly string[]): number {
  encoder.begin()
  encoder.add(':status', '200')
  encoder.addAll(list)
  return encoder.end()
}

function encodeRequest(encoder: HpackEncoder, path: string, list: readonly string[]): number {
  encoder.begin()
  encoder.add(':method', 'GET')
  encoder.add(':scheme', 'https')
  encoder.add(':authority', 'www.example.com')
  encoder.add(':path', path)
  encoder.addAll(list)
  return encoder.end()
}

/** A block as nginx writes it: the name by its static index, the value Huffman coded, everything inserted into the table. */
function nginxBlock(fields: readonly string[]): Buffer {
  const out = Buffer.alloc(4096)
  let at = 0
  out[at++] = 0x88
  for (let i = 0; i < fields.length; i += 2) {
    at = writePrefixInteger(out, at, 0x40, 6, STATIC_BY_NAME.get(fields[i]!)!.nameIndex)
    at = writePrefixInteger(out, at, 0x80, 7, (huffmanBits(fields[i + 1]!) + 7) >>> 3)
    at = writeHuffman(out, at, fields[i + 1]!)
  }
  return Buffer.from(out.subarray(0, at))
}

const LIMITS = { maxTableBytes: 4096, maxListBytes: 65_536, maxFields: 128 }
const nginx = nginxBlock(response)
// More than the decoder's cache holds, and never the same bytes twice within its memory.
const nginxFresh = Array.from({ length: 4096 }, (_, i) =>
  nginxBlock(response.map(value => (value === '1024' ? String(1024 + i) : value))),
)
// Everything indexed, as caddy does it from the second response on.
const caddyEncoder = new HpackEncoder(4096)
const caddyDecoder = new HpackDecoder(LIMITS)
for (let i = 0; i < 5; i++) {
  const length = encodeResponse(caddyEncoder, stable)
  caddyDecoder.decode(caddyEncoder.bytes, 0, length)
}
const caddy = Buffer.from(caddyEncoder.bytes.subarray(0, encodeResponse(caddyEncoder, stable)))
const caddyFresh = Array.from({ length: 4096 }, (_, i) => {
  caddyEncoder.begin()
  caddyEncoder.addAll(stable)
  caddyEncoder.add('content-length', String(1024 + i))
  return Buffer.from(caddyEncoder.bytes.subarray(0, caddyEncoder.end()))
})

const encoder = new HpackEncoder(4096)
const decoders = Array.from({ length: 2 }, () => new HpackDecoder(LIMITS))
let turn = 0
const next = <T>(list: readonly T[]): T => list[turn++ % list.length]!

/** To read the clock takes as long as one block: it is read once for many. */
const BATCH = 100
const bench = new Bench({ time: 1000, warmupTime: 300 })
function add(name: string, task: () => unknown): void {
  bench.add(name, () => {
    for (let i = 0; i < BATCH; i++) task()
  })
}
add('encode a response for the first time, on a new connection', () =>
  encodeResponse(new HpackEncoder(4096), response),
)
add('encode a response, all in the table, in new strings', () => encodeResponse(encoder, next(stables)))
add('encode a response, all in the table, the same list', () => encodeResponse(encoder, stable))
add('encode a response with three literals, in new strings', () => encodeResponse(encoder, next(responses)))
add('encode a response with three literals, the same list', () => encodeResponse(encoder, response))
add('encode a request, the path a literal, in new strings', () =>
  encodeRequest(encoder, '/assets/main.js', next(requests)),
)
add('encode a request, path /, the same list', () => encodeRequest(encoder, '/', request))
add(`decode a block of nginx, ${nginx.length} bytes, new`, () => {
  const block = next(nginxFresh)
  decoders[0]!.decode(block, 0, block.length)
})
add(`decode a block of nginx, ${nginx.length} bytes, known (insertions replayed)`, () =>
  decoders[1]!.decode(nginx, 0, nginx.length),
)
add(`decode a block of references, ${caddy.length} bytes, known`, () =>
  caddyDecoder.decode(caddy, 0, caddy.length),
)
add(`decode a block of references and one literal, ${caddyFresh[0]!.length} bytes, new`, () => {
  const block = next(caddyFresh)
  caddyDecoder.decode(block, 0, block.length)
})
await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`)
  console.log(
    `${task.name}: ${Math.round((result.latency.p50 * 1e6) / BATCH)} ns (p99 ${Math.round((result.latency.p99 * 1e6) / BATCH)})`,
  )
}
