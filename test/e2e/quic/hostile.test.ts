import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { QuicServerTls } from '../../../src/quic/engine.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { CLIENT, QuicPair, readAll, SERVER } from '../../support/quic-pair.ts'

/** What nobody honest sends, and what a long life costs. */

let tls: { readonly ca: string }
let serverTls: QuicServerTls

beforeAll(async () => {
  const authority = await createCertificateAuthority()
  tls = { ca: authority.cert }
  serverTls = await authority.issue({ names: ['localhost'] })
})

const newPair = (): QuicPair => new QuicPair(theEngine(), { tls, serverTls })

/** Deterministic, so that a failure can be had again. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe.skipIf(noQuic !== undefined)('hostile datagrams', () => {
  it('10,000 random and mutated ones hurt no stream of a live connection', async () => {
    const pair = newPair()
    pair.run()
    const next = random(7)
    const seen: Buffer[] = []
    pair.lose = (_, datagram) => {
      if (seen.length < 200) seen.push(datagram.subarray())
      // receive() decrypts in place: a copy is what a stranger on the path would have.
      if (seen.length < 200) seen[seen.length - 1] = Buffer.from(datagram)
      return false
    }
    const junk = (): Buffer => {
      const source = seen[Math.floor(next() * seen.length)]
      if (source === undefined || next() < 0.3) return randomBytes(Math.floor(next() * 1400))
      const mutated = Buffer.from(source)
      for (let i = 0; i < 3; i += 1) mutated[Math.floor(next() * mutated.length)] = Math.floor(next() * 256)
      return mutated
    }
    const body = randomBytes(500)
    for (let i = 0; i < 500; i += 1) {
      const stream = pair.client.openStream('bidirectional')!
      expect(pair.client.write(stream, body, true)).toBe(500)
      pair.toServer()
      for (let k = 0; k < 10; k += 1) {
        pair.server.receive(junk(), CLIENT, SERVER, 0)
        pair.client.receive(junk(), SERVER, CLIENT, 0)
      }
      expect(readAll(pair.server, stream)).toEqual({ bytes: body, isEnd: true })
      pair.server.write(stream, body, true)
      pair.run()
      expect(readAll(pair.client, stream)).toEqual({ bytes: body, isEnd: true })
      pair.run()
    }
    expect(pair.client.end).toBeUndefined()
    expect(pair.server.end).toBeUndefined()
  })

  it('bit flips in a handshake end it or do not, and nothing else happens', () => {
    const next = random(11)
    let established = 0
    for (let i = 0; i < 300; i += 1) {
      const pair = newPair()
      pair.lose = (_, datagram) => {
        if (next() < 0.3) datagram[Math.floor(next() * datagram.length)]! ^= 1 << Math.floor(next() * 8)
        return false
      }
      pair.run(10)
      if (pair.client.isEstablished) established += 1
      expect(pair.client.end?.cause).not.toBe('unusable')
    }
    expect(established).toBeGreaterThan(50)
  })

  it('empty datagrams are ignored', () => {
    const pair = newPair()
    pair.client.receive(Buffer.alloc(0), SERVER, CLIENT, 0)
    pair.server.receive(Buffer.alloc(0), CLIENT, SERVER, 0)
    pair.run()
    pair.client.receive(Buffer.alloc(0), SERVER, CLIENT, 0)
    expect(pair.client.isEstablished).toBe(true)
    expect(pair.client.end).toBeUndefined()
  })

  it('any bytes are a header, or none', () => {
    const next = random(13)
    const engine = theEngine()
    for (let i = 0; i < 5000; i += 1) {
      const datagram = randomBytes(Math.floor(next() * 100))
      const copy = Buffer.from(datagram)
      const header = engine.readHeader(datagram, 16)
      expect(datagram.equals(copy)).toBe(true)
      if (header === undefined) continue
      // RFC 8999: of versions that we do not know, ids may have 255 bytes.
      if (header.isVersionSupported || !header.isLong) expect(header.destinationId.length).toBeLessThan(21)
      else expect(engine.negotiateVersion(header).length).toBeGreaterThan(10)
    }
    expect(engine.readHeader(Buffer.alloc(0), 16)).toBeUndefined()
    const longest = Buffer.alloc(1200, 0xff)
    const header = engine.readHeader(longest, 16)
    expect(header?.destinationId.length).toBe(255)
    expect(engine.negotiateVersion(header!).length).toBeGreaterThan(515)
  })
})

describe.skipIf(noQuic !== undefined)('a QUIC endpoint over a long life', () => {
  it('keeps nothing of 2,000 connections', async () => {
    const churn = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        const pair = newPair()
        pair.run()
        const stream = pair.client.openStream('bidirectional')!
        pair.client.write(stream, Buffer.alloc(100), true)
        pair.run()
        readAll(pair.server, stream)
        pair.client.close(true, 0x100, '')
        pair.run()
        // Finalizers of the native objects run between turns of the loop only.
        if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve))
      }
    }
    await churn(1000)
    const before = process.memoryUsage.rss()
    await churn(1000)
    // Leaking them would take 75 MB (measured: 75 KB a pair).
    expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(30)
  }, 60_000)

  it('keeps little of cancelled requests', async () => {
    const pair = newPair()
    pair.run()
    for (let i = 0; i < 2000; i += 1) {
      const stream = pair.client.openStream('bidirectional')
      if (stream === undefined) throw new Error(`no stream for request ${i}`)
      pair.client.write(stream, Buffer.alloc(50), true)
      pair.toServer()
      readAll(pair.server, stream)
      pair.server.write(stream, Buffer.alloc(50), false)
      pair.run()
      pair.client.stop(stream, 0x10c)
      pair.run()
      pair.client.ping()
      pair.run()
    }
    expect(pair.client.streamsLeft('bidirectional')).toBeGreaterThan(60)
    expect(pair.serverEvents.filter(({ type }) => type === 'stopped').length).toBe(2000)
  })

  it('keeps the connection of downloads that are given up, which asks for another one in the end', () => {
    const pair = newPair()
    pair.run()
    const control = pair.client.openStream('bidirectional')!
    pair.client.write(control, Buffer.alloc(50), true)
    pair.run()
    readAll(pair.server, control)
    for (let i = 0; i < 60; i += 1) {
      const stream = pair.client.openStream('bidirectional')!
      pair.client.write(stream, Buffer.alloc(50), true)
      pair.run()
      readAll(pair.server, stream)
      for (let sent = 0; sent < 1_000_000; ) {
        const taken = pair.server.write(stream, Buffer.alloc(65_536), false)
        if (taken === 0) break
        sent += taken
        pair.run()
      }
      pair.client.stop(stream, 0x10c)
      pair.run()
      expect(pair.client.end).toBeUndefined()
    }
    expect(pair.clientEvents.filter(({ type }) => type === 'worn-out').length).toBe(1)
    pair.server.write(control, Buffer.alloc(100), true)
    pair.run()
    expect(readAll(pair.client, control)).toEqual({ bytes: Buffer.alloc(100), isEnd: true })
  })

  it('does not treat many small messages as a flood', () => {
    // Small, so that 10,000 tell what 80,000 would.
    const quic = { maxSurplusBytes: 500_000 }
    const pair = new QuicPair(theEngine(), { tls, serverTls, quic, serverQuic: quic })
    pair.run()
    const stream = pair.client.openStream('bidirectional')!
    for (let i = 0; i < 10_000; i += 1) {
      expect(pair.client.write(stream, Buffer.alloc(3), false)).toBe(3)
      pair.toServer()
      readAll(pair.server, stream)
      pair.server.write(stream, Buffer.alloc(3), false)
      pair.toClient()
      readAll(pair.client, stream)
    }
    expect([pair.client.end, pair.server.end]).toEqual([undefined, undefined])
    const events = [...pair.clientEvents, ...pair.serverEvents]
    expect(events.filter(({ type }) => type === 'worn-out')).toEqual([])
  }, 60_000)
})
