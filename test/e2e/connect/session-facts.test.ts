import { once } from 'node:events'
import { type ConnectionOptions, connect } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { type SessionFacts, sessionFacts } from '../../../src/connect/tls/session-facts.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { startOpensslServer } from '../../support/openssl-server.ts'
import { requireBinary } from '../../support/require-binary.ts'

let certificate: IssuedCertificate

beforeAll(async () => {
  certificate = await (await createCertificateAuthority()).issue({ names: ['origin.test'] })
})

interface Visit {
  readonly isResumed: boolean
  readonly alpn: string | false | null
  /** The last one that came. */
  readonly session: Buffer
}

async function visit(port: number, options: ConnectionOptions = {}): Promise<Visit> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'origin.test',
    rejectUnauthorized: false,
    ...options,
  })
  const [[session]] = await Promise.all([once(socket, 'session'), once(socket, 'secureConnect')])
  const { alpnProtocol: alpn } = socket
  const isResumed = socket.isSessionReused()
  socket.destroy()
  return { isResumed, alpn, session }
}

describe('the facts of sessions that node:tls made', () => {
  it.each<[string, string | undefined]>([
    ['h2', 'h2'],
    ['http/1.1', 'http/1.1'],
    ['none', undefined],
  ])('are the same for the protocol %s', async (_what, protocol) => {
    const versions = ['TLSv1.2', 'TLSv1.3'] as const
    for (const maxVersion of versions) {
      await using server = await startLoopbackServer({
        tls: { ...certificate, maxVersion, ALPNProtocols: ['h2', 'http/1.1'] },
      })
      const { session } = await visit(
        server.port,
        protocol === undefined ? {} : { ALPNProtocols: [protocol] },
      )
      expect(sessionFacts(session), maxVersion).toEqual({
        lifetimeSeconds: 7200,
        hasTicket: true,
        maxEarlyDataBytes: 0,
        alpn: protocol,
      })
    }
  })

  it('hold the protocol of the full handshake, whatever is chosen on the connections that resume', async ctx => {
    const missing = requireBinary('openssl')
    ctx.skip(missing !== undefined, missing)
    // A server that has early data to offer, and a ticket for each connection.
    await using server = await startOpensslServer({
      switches: ['-alpn', 'h2,http/1.1', '-max_early_data', '4096'],
    })
    const first = await visit(server.port, { ALPNProtocols: ['http/1.1'] })
    const second = await visit(server.port, { ALPNProtocols: ['h2'], session: first.session })
    expect([first.isResumed, first.alpn, second.isResumed, second.alpn]).toEqual([
      false,
      'http/1.1',
      true,
      'h2',
    ])
    const facts: Partial<SessionFacts> = { hasTicket: true, maxEarlyDataBytes: 4096, alpn: 'http/1.1' }
    expect([sessionFacts(first.session), sessionFacts(second.session)]).toMatchObject([facts, facts])
  })

  it('are never wrong when the end is missing, and survive every change of a byte', async () => {
    await using server = await startLoopbackServer({ tls: { ...certificate, ALPNProtocols: ['h2'] } })
    const { session } = await visit(server.port, { ALPNProtocols: ['h2'] })
    const whole = sessionFacts(session)
    for (let length = 0; length < session.length; length++) {
      // The outer length does not fit any more: nothing is believed.
      expect(sessionFacts(session.subarray(0, length)).alpn).toBeUndefined()
    }
    let different = 0
    for (let at = 0; at < session.length; at++) {
      const changed = Buffer.from(session)
      changed.writeUInt8(changed.readUInt8(at) ^ 0x55, at)
      const { alpn, maxEarlyDataBytes } = sessionFacts(changed)
      if (alpn !== whole.alpn) different++
      expect(alpn ?? 'h2').toMatch(/^[ -~]{1,255}$/)
      expect(maxEarlyDataBytes).toBeLessThan(2 ** 40)
    }
    expect(different).toBeGreaterThan(0)
  })
})
