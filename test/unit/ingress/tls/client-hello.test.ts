import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_HELLO_BYTES,
  readClientHello,
  readClientHelloRecords,
} from '../../../../src/ingress/tls/client-hello.ts'

/** What OpenSSL sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return await new Promise(resolve => {
    const below = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk)
        done()
      },
    })
    connect({ ...options, socket: below }).on('error', () => {})
  })
}

const named = await helloOf({ servername: 'shop.example' })
const nameless = await helloOf({})
const old = await helloOf({ servername: 'old.example', maxVersion: 'TLSv1.2' })

/** The same message in records of other sizes. */
function split(hello: Buffer, sizes: readonly number[]): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0, turn = 0; at < message.length; turn += 1) {
    const part = message.subarray(at, at + (sizes[turn % sizes.length] ?? 1))
    const head = Buffer.of(22, 3, 1, part.length >> 8, part.length & 0xff)
    records.push(head, part)
    at += part.length
  }
  return Buffer.concat(records)
}

describe('a ClientHello of OpenSSL', () => {
  it('contains the server name, or none', () => {
    expect(readClientHelloRecords(named)).toEqual({ kind: 'hello', serverName: 'shop.example' })
    expect(readClientHelloRecords(nameless)).toEqual({ kind: 'hello', serverName: undefined })
    expect(readClientHelloRecords(old)).toEqual({ kind: 'hello', serverName: 'old.example' })
    expect(readClientHello(named.subarray(5))).toEqual({ kind: 'hello', serverName: 'shop.example' })
  })

  it('is incomplete until its last byte', () => {
    for (let length = 0; length < named.length; length += 1) {
      const read = readClientHelloRecords(named.subarray(0, length))
      expect(read.kind).toBe('incomplete')
      if (read.kind === 'incomplete') {
        expect(read.needsBytes).toBeGreaterThan(length)
        expect(read.needsBytes).toBeLessThanOrEqual(named.length)
      }
    }
  })

  it('may be spread over records of any size', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(sizes, given => {
        const bytes = split(named, given)
        expect(readClientHelloRecords(bytes)).toEqual({ kind: 'hello', serverName: 'shop.example' })
        expect(readClientHelloRecords(bytes.subarray(0, -1)).kind).toBe('incomplete')
      }),
    )
  })
})

/** As a reader does that gets a byte at a time: it reads again when all that was missing is there. */
function countReads(bytes: Buffer): number {
  let reads = 0
  let needsBytes = 1
  for (let length = 1; length <= bytes.length; length += 1) {
    if (length < needsBytes) continue
    reads += 1
    const read = readClientHelloRecords(bytes.subarray(0, length))
    if (read.kind !== 'incomplete') return reads
    needsBytes = read.needsBytes
  }
  return reads
}

describe('a ClientHello in records of one byte', () => {
  it('is read few times while its bytes come one by one', () => {
    expect(countReads(split(named, [1]))).toBeLessThan(50)
  })

  it('is read few times until it is as long as one may be', () => {
    const message = Buffer.alloc(MAX_HELLO_BYTES / 6)
    message.writeUInt32BE((1 << 24) | (MAX_HELLO_BYTES - 4))
    expect(countReads(split(Buffer.concat([Buffer.alloc(5), message]), [1]))).toBeLessThan(100)
  })
})

describe('bytes that are no ClientHello', () => {
  it.each([
    ['a request in cleartext', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.of(21, 3, 3, 0, 2, 2, 0)],
    ['another message', Buffer.of(22, 3, 1, 0, 4, 2, 0, 0, 0)],
    ['an empty record', Buffer.of(22, 3, 1, 0, 0)],
    ['one that is too long', Buffer.of(22, 3, 1, 0, 4, 1, 0, 0x40, 1)],
    ['a record beyond the bound', Buffer.of(22, 3, 1, MAX_HELLO_BYTES >> 8, 0)],
  ])('are left to TLS: %s', (_what, bytes) => {
    expect(readClientHelloRecords(bytes)).toEqual({ kind: 'other' })
  })

  it('are refused at the worst, whatever is changed in one', () => {
    const change = fc.tuple(fc.nat(named.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(named.length), (changes, length) => {
        const bytes = Buffer.from(named)
        for (const [at, value] of changes) bytes[at] = value
        const read = readClientHelloRecords(bytes.subarray(0, length))
        expect(['incomplete', 'hello', 'other']).toContain(read.kind)
        if (read.kind === 'incomplete') expect(read.needsBytes).toBeGreaterThan(length)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        readClientHelloRecords(Buffer.from(bytes))
        readClientHello(Buffer.from(bytes))
      }),
    )
  })
})
