import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import { openEarlyClient, sessionOfNode } from '../support/early-client.ts'
import { startNginx } from '../support/nginx.ts'
import { fc } from '../support/property.ts'
import { requireBinary } from '../support/require-binary.ts'
import { requireOpenssl } from '../support/require-openssl.ts'
import { startTamperingRelay, type Tampering, UNTOUCHED } from '../support/tampering-relay.ts'

const missing = requireOpenssl()
const IDLE_MS = 60

/**
 * The first flight of a server with one certificate is some 1,000 bytes; what follows are tickets and data.
 */
const tampering: fc.Arbitrary<Tampering> = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'reset', 'insert', 'drop', 'repeat'),
  offset: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 2500 })),
  value: fc.integer({ min: 1, max: 255 }),
  pieceBytes: fc.constantFrom(0, 0, 1, 7, 100),
})

describe.skipIf(missing !== undefined)(`a peer of OpenSSL (${missing ?? 'loaded'})`, () => {
  it('that changes the bytes of a server on their way leaves the right data or less, then the end', async () => {
    const answer = 'the right answer '.repeat(20)
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['origin.test'] })
    const server = createServer({ cert, key }, socket => {
      socket.on('error', () => {}) // it is what happens here
      socket.once('data', () => socket.write(answer))
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
    try {
      await using relay = await startTamperingRelay(port, IDLE_MS)
      const tls = { ca: authority.cert }
      const session = await sessionOfNode(port, tls.ca)
      const check = async (way: Tampering, isResumed: boolean): Promise<string> => {
        relay.tampering = way
        const used = isResumed ? session : undefined
        await using client = await openEarlyClient({
          port: relay.port,
          tls,
          alpn: null,
          session: used,
          first: 'hi',
        })
        await client.closed
        expect(answer.startsWith(client.text())).toBe(true)
        expect(client.events.filter(event => event.startsWith('error')).length).toBeLessThan(2)
        expect(client.events.at(-1)).toBe('close')
        return client.text()
      }
      expect(await check(UNTOUCHED, true)).toBe(answer)
      await fc.assert(
        fc.asyncProperty(
          tampering,
          fc.boolean(),
          async (way, isResumed) => void (await check(way, isResumed)),
        ),
        { numRuns: 250 },
      )
      expect(await check(UNTOUCHED, false)).toBe(answer)
    } finally {
      server.close()
      await once(server, 'close')
    }
  }, 60_000)

  it('that changes bytes with early data that was accepted leaves the right data or less, too', async ctx => {
    const tool = requireBinary('nginx')
    ctx.skip(tool !== undefined, tool)
    await using nginx = await startNginx({ extraServer: 'ssl_early_data on;' })
    const request = 'GET /1k HTTP/1.1\r\nhost: origin.test\r\nconnection: close\r\n\r\n'
    const tls = { ca: nginx.certificates.ca }
    const session = await sessionOfNode(nginx.tlsPort, tls.ca, { first: request })
    await using relay = await startTamperingRelay(nginx.tlsPort, IDLE_MS)
    const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)
    const check = async (way: Tampering): Promise<string> => {
      relay.tampering = way
      await using client = await openEarlyClient({ port: relay.port, tls, session, first: request })
      await client.closed
      expect(client.events.filter(event => event.startsWith('error')).length).toBeLessThan(2)
      expect(client.events.at(-1)).toBe('close')
      return bodyOf(client.text())
    }
    const whole = await check(UNTOUCHED)
    expect(whole).toHaveLength(1024)
    await fc.assert(
      fc.asyncProperty(tampering, async way => {
        expect(whole.startsWith(await check(way))).toBe(true)
      }),
      { numRuns: 200 },
    )
    expect(await check(UNTOUCHED)).toBe(whole)
  }, 60_000)

  it('that sends any bytes in place of a server leaves an error, and the end', async () => {
    const sockets = new Set<Socket>()
    let bytes = Buffer.alloc(0)
    const server = createTcpServer(socket => {
      sockets.add(socket)
      socket.on('error', () => {}) // it is what happens here
      socket.once('data', () => socket.end(bytes))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
    /** With the header of a record of each kind, so that it is looked at. */
    const record = fc
      .tuple(
        fc.constantFrom(20, 21, 22, 23, 24, 0),
        fc.constantFrom(0x303, 0x301, 0x304),
        fc.uint8Array({ maxLength: 600 }),
      )
      .map(([type, version, body]) => {
        const head = Buffer.alloc(5)
        head[0] = type
        head.writeUInt16BE(version, 1)
        head.writeUInt16BE(body.length, 3)
        return Buffer.concat([head, body])
      })
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 4000 }).map(array => Buffer.from(array)),
      fc.array(record, { maxLength: 8 }).map(records => Buffer.concat(records)),
      fc.constantFrom('HTTP/1.1 400 Bad Request\r\n\r\n', '\0'.repeat(70_000)).map(text => Buffer.from(text)),
    )
    try {
      await fc.assert(
        fc.asyncProperty(anything, async said => {
          bytes = said
          await using client = await openEarlyClient({ port, tls: { ca: '' }, first: 'hi' })
          await client.closed
          expect(client.events).toEqual([
            expect.stringMatching(/^error (ERR_SSL_|ECONNRESET|EPIPE)/),
            'close',
          ])
        }),
        { numRuns: 200 },
      )
    } finally {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }, 60_000)

  it('whose session is any bytes gets a full handshake, or none', async () => {
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['origin.test'] })
    const server = createServer({ cert, key }, socket => {
      socket.on('error', () => {}) // it is what happens here
      socket.pipe(socket)
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
    const tls = { ca: authority.cert }
    const session = await sessionOfNode(port, tls.ca)
    const damage = fc.oneof(
      fc.uint8Array({ maxLength: 1000 }).map(array => Buffer.from(array)),
      fc
        .tuple(fc.integer({ min: 0, max: session.length - 1 }), fc.integer({ min: 1, max: 255 }))
        .map(([at, value]) => {
          const changed = Buffer.from(session)
          changed[at] = (changed[at] ?? 0) ^ value
          return changed
        }),
      fc.integer({ min: 0, max: session.length }).map(length => session.subarray(0, length)),
    )
    try {
      await fc.assert(
        fc.asyncProperty(damage, async damaged => {
          await using client = await openEarlyClient({ port, tls, session: damaged, alpn: null, first: 'hi' })
          await Promise.race([client.closed, client.untilText('hi').catch(() => {})])
          client.early.socket.destroy()
          await client.closed
          expect(client.events.at(-1)).toBe('close')
        }),
        { numRuns: 250 },
      )
      await using client = await openEarlyClient({ port, tls, session, alpn: null, first: 'hi' })
      expect(await client.handshake).toMatchObject({ isResumed: true })
    } finally {
      server.close()
      await once(server, 'close')
    }
  }, 60_000)
})
