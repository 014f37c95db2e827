import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Server as TlsServer } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../src/base/options/options.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { clientHelloExtensions, PRE_SHARED_KEY } from '../../support/client-hello.ts'
import { type DialToOptions, TestDialer } from '../../support/dial-to.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { startRealServer } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

let authority: CertificateAuthority
let good: IssuedCertificate
let tls: TlsOptions

beforeAll(async () => {
  authority = await createCertificateAuthority()
  good = await authority.issue({ names: ['origin.test'] })
  tls = { ca: authority.cert }
})

/**
 * Dials, and closes when the server has ended too: by then its tickets have come. Answers with how the
 * handshake went.
 */
async function visit(dialer: TestDialer, url: string, options: DialToOptions = {}): Promise<string> {
  const { socket, handshake } = await dialer.dial(url, { tls, ...options })
  const closed = once(socket, 'close')
  socket.end()
  await closed
  return handshake.kind
}

describe('TLS resumption', () => {
  it.each(['TLSv1.3', 'TLSv1.2'] as const)(
    'saves the handshake of the second connection: %s',
    async version => {
      await using server = await startLoopbackServer({ tls: { ...good, maxVersion: version } })
      const dialer = new TestDialer()
      const url = `https://origin.test:${server.port}`
      expect(await visit(dialer, url)).toBe('full')
      const { socket, handshake, offeredTicket } = await dialer.dial(url, { tls })
      expect([handshake.kind, handshake.tlsVersion, offeredTicket]).toEqual(['resumed', version, true])
      expect((await server.handshakesSeen(2)).map(({ resumed }) => resumed)).toEqual([false, true])
      socket.destroy()
    },
  )

  it('does not run dry with a server that issues no ticket on a resumed connection', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    const kinds: string[] = []
    for (let i = 0; i < 10; i++) kinds.push(await visit(dialer, `https://origin.test:${server.port}`))
    expect(kinds).toEqual(['full', ...Array(9).fill('resumed')])
    const seen = await server.handshakesSeen(10)
    expect(seen.filter(({ resumed }) => resumed)).toHaveLength(9)
  })

  it('ends with the certificate that was verified, though every resumption brings a new ticket', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    using directory = makeTemporaryDirectory('dial')
    const endsAt = Date.now() + 4000
    const short = await authority.issue({ names: ['origin.test'], notAfter: new Date(endsAt) })
    const file = join(directory.path, 'server.pem')
    writeFileSync(file, short.cert + short.key, { mode: 0o600 })
    const port = await freePort()
    await using _server = await startRealServer({
      command: 'openssl',
      args: ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', file, '-key', file, '-www', '-quiet'],
      ports: [port],
    })
    const dialer = new TestDialer()
    const url = `https://origin.test:${port}`
    const kinds = [await visit(dialer, url), await visit(dialer, url), await visit(dialer, url)]
    expect(kinds).toEqual(['full', 'resumed', 'resumed'])
    // Two came with the full handshake, and one with each resumption in place of the one that was used up.
    expect(String(dialer.tickets)).toBe('2 tickets of 1 peers')
    await new Promise(resolve => setTimeout(resolve, endsAt + 100 - Date.now()))
    expect((await dialer.failure(url, { tls })).code).toBe('MM_TLS_CERTIFICATE')
  })

  it('is not offered when the time is over that the server gave the ticket', async () => {
    await using server = await startLoopbackServer({ tls: { ...good, sessionTimeout: 1 } })
    const dialer = new TestDialer()
    const url = `https://origin.test:${server.port}`
    await visit(dialer, url)
    expect(dialer.tickets.peers).toBe(1)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    const { socket, handshake, offeredTicket } = await dialer.dial(url, { tls })
    expect([handshake.kind, offeredTicket]).toEqual(['full', false])
    socket.destroy()
  })

  it('works with settings that are equal but another object', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    await visit(dialer, `https://origin.test:${server.port}`)
    const again = await visit(dialer, `https://origin.test:${server.port}`, { tls: { ca: [authority.cert] } })
    expect(again).toBe('resumed')
  })

  it('is left alone when switched off', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    const off = { tls: { ...tls, resumption: false } }
    const kinds = [1, 2].map(() => visit(dialer, `https://origin.test:${server.port}`, off))
    expect(await Promise.all(kinds)).toEqual(['full', 'full'])
    expect(dialer.tickets.peers).toBe(0)
  })

  it('falls back to a full handshake when the server has forgotten its keys, and learns the new ones', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    const url = `https://origin.test:${server.port}`
    await visit(dialer, url)
    // A TLS server, since it was given a certificate.
    ;(server.server as TlsServer).setTicketKeys(Buffer.alloc(48, 7))
    const { socket, handshake, offeredTicket } = await dialer.dial(url, { tls })
    expect([handshake.kind, offeredTicket]).toEqual(['full', true])
    await once(socket, 'session')
    socket.destroy()
    expect(await visit(dialer, url)).toBe('resumed')
  })

  it('gives back the ticket of an attempt that lost the race', async () => {
    await using server = await startLoopbackServer({ tls: good })
    await using _hole = await startBlackHole('::1', server.port)
    const dialer = new TestDialer()
    const url = `https://origin.test:${server.port}`
    await Promise.all([visit(dialer, url), visit(dialer, url)])
    expect(String(dialer.tickets)).toBe('4 tickets of 1 peers')
    const kind = await visit(dialer, url, {
      addresses: ['::1', '127.0.0.1'],
      timeouts: { attemptDelayMs: 50 },
    })
    expect(kind).toBe('resumed')
    expect(dialer.outcomes()[0]).toContain('cancelled')
    expect(String(dialer.tickets)).toBe('3 tickets of 1 peers')
  })

  it('is given up at once for a server that chokes on tickets, and the connection is made all the same', async () => {
    await using server = await startLoopbackServer({ tls: good })
    const dialer = new TestDialer()
    let choked = 0
    let ticketsAfter = ''
    // In front of it: passes on what has no ticket, and closes on the rest.
    await using picky = await startLoopbackServer({
      onConnection: socket => {
        socket.once('data', (hello: Buffer) => {
          if (clientHelloExtensions(hello).includes(PRE_SHARED_KEY)) {
            choked++
            socket.destroy()
            return
          }
          ticketsAfter = String(dialer.tickets)
          const upstream = connect(server.port, '127.0.0.1').on('error', () => socket.destroy())
          upstream.write(hello)
          socket.pipe(upstream).pipe(socket)
        })
      },
    })
    const url = `https://origin.test:${picky.port}`
    const first = await dialer.dial(url, { tls })
    await until(() => dialer.tickets.peers === 1, 'a ticket')
    first.socket.destroy()
    const { socket, handshake } = await dialer.dial(url, { tls })
    expect([handshake.kind, choked]).toEqual(['full', 1])
    expect(ticketsAfter).toBe('0 tickets of 0 peers')
    expect(dialer.outcomes()).toEqual([`127.0.0.1:${picky.port} failed`, `127.0.0.1:${picky.port} connected`])
    expect(dialer.attempts[1]?.because).toBe('once more without the ticket')
    socket.destroy()
  })
})
