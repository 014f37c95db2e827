/**
 * What one field section costs, encoded and decoded: npm run bench -- micro/qpack
 * The same fields as in micro/hpack. The decoder's answers reach the encoder with every section, as they do on a connection.
 */
import { Bench } from 'tinybench'
import { writePrefixInteger } from '../../src/header-compression/prefix-integer.ts'
import { QpackDecoder } from '../../src/header-compression/qpack-decoder.ts'
import { QpackEncoder } from '../../src/header-compression/qpack-encoder.ts'

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
const requests = Array.from({ length: COPIES }, () => copyOf(request))
let turn = 0
const next = <T>(list: readonly T[]): T => list[turn++ % list.length]!

const LIMITS = { maxTableBytes: 4096, maxBlockedStreams: 16, maxListBytes: 65_536, maxFields: 128 }

/** Both ends of one direction of a connection. */
class Pair {
  readonly encoder = new QpackEncoder({ maxTableBytes: 4096 })
  readonly decoder = new QpackDecoder(LIMITS)
  #streamId = 0

  constructor() {
    this.encoder.setPeerLimits(4096, 16)
  }

  encodeResponse(list: readonly string[]): number {
    const { encoder } = this
    encoder.begin((this.#streamId += 4))
    encoder.add(':status', '200')
    encoder.addAll(list)
    return this.#end()
  }

  encodeRequest(path: string, list: readonly string[]): number {
    const { encoder } = this
    encoder.begin((this.#streamId += 4))
    encoder.add(':method', 'GET')
    encoder.add(':scheme', 'https')
    encoder.add(':authority', 'www.example.com')
    encoder.add(':path', path)
    encoder.addAll(list)
    return this.#end()
  }

  /** The encoder's part of an acknowledgment. */
  acknowledge(): void {
    const bytes = this.decoder.takeDecoderStream()
    if (bytes !== undefined) this.encoder.receiveDecoderStream(bytes, 0, bytes.length)
  }

  decode(length: number): void {
    const decoded = this.decoder.decode(this.#streamId, this.encoder.bytes, 0, length)
    if (typeof decoded === 'string') throw new Error(decoded)
  }

  /** The next stream is 4 again: none is under way. */
  restart(): void {
    this.#streamId = 0
  }

  #end(): number {
    const length = this.encoder.end()
    const instructions = this.encoder.takeEncoderStream()
    if (instructions !== undefined) this.decoder.receiveEncoderStream(instructions, 0, instructions.length)
    return length
  }

  /** As on a connection that has carried some. */
  warm(encode: () => number): this {
    for (let i = 0; i < 20; i++) {
      this.decode(encode())
      this.acknowledge()
    }
    return this
  }
}

const BATCH = 100
const bench = new Bench({ time: 1000, warmupTime: 300 })
function add(name: string, task: () => unknown): void {
  bench.add(name, () => {
    for (let i = 0; i < BATCH; i++) task()
  })
}

function both(name: string, encode: (pair: Pair) => number): void {
  const pair = new Pair()
  pair.warm(() => encode(pair))
  add(`${name}: encode, decode, acknowledge`, () => {
    pair.decode(encode(pair))
    pair.acknowledge()
  })
}

/** One section, as it comes again and again. */
function decodeOnly(name: string, encode: (pair: Pair) => number): void {
  const pair = new Pair()
  pair.warm(() => encode(pair))
  const section = Buffer.from(pair.encoder.bytes.subarray(0, encode(pair)))
  let streamId = 0
  add(`${name}, ${section.length} bytes, known: decode, answer every 100th`, () => {
    pair.decoder.decode(streamId, section, 0, section.length)
    streamId += 4
    if (streamId % 400 === 0) pair.decoder.takeDecoderStream()
  })
}

/** Section Acknowledgments for the streams 4 to 400. */
const ACKNOWLEDGMENTS = Buffer.concat(
  Array.from({ length: 100 }, (_, i) => {
    const out = Buffer.alloc(4)
    return out.subarray(0, writePrefixInteger(out, 0, 0x80, 7, 4 * (i + 1)))
  }),
)

/** What the sender has to do: a hundred sections, and what the peer answers. */
function encodeOnly(name: string, encode: (pair: Pair) => number): void {
  const pair = new Pair()
  pair.warm(() => encode(pair))
  let sections = 0
  add(`${name}: encode, be acknowledged`, () => {
    if (sections === 0) pair.restart()
    encode(pair)
    if (++sections < 100) return
    sections = 0
    pair.encoder.receiveDecoderStream(ACKNOWLEDGMENTS, 0, ACKNOWLEDGMENTS.length)
  })
}

add('a response for the first time, on a new connection: encode, decode', () => {
  const pair = new Pair()
  pair.decode(pair.encodeResponse(response))
})
both('a response with three literals, in new strings', pair => pair.encodeResponse(next(responses)))
both('a response with three literals, the same list', pair => pair.encodeResponse(response))
both('a request, the path a literal, in new strings', pair =>
  pair.encodeRequest('/assets/main.js', next(requests)),
)
both('a request, path /, the same list', pair => pair.encodeRequest('/', request))
encodeOnly('a request, the path a literal, in new strings', pair =>
  pair.encodeRequest('/assets/main.js', next(requests)),
)
encodeOnly('a request, path /, the same list', pair => pair.encodeRequest('/', request))
decodeOnly('a response with three literals', pair => pair.encodeResponse(response))
decodeOnly('a request', pair => pair.encodeRequest('/', request))
await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`)
  console.log(
    `${task.name}: ${Math.round((result.latency.p50 * 1e6) / BATCH)} ns (p99 ${Math.round((result.latency.p99 * 1e6) / BATCH)})`,
  )
}
