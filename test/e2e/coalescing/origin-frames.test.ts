import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createTransport, type TransportEvent } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'

const NAMES = ['a.test', 'b.test', 'c.test']
/** Nobody listens there. */
const ELSEWHERE = '127.0.0.77'

/**
 * nghttp2 (node:http2) with one certificate for all names, and what ORIGIN frames a session sends: `says` is given each
 * session as it begins. b.test resolves to another address, the others to that of the server.
 */
async function startOrigins(says: (session: ServerHttp2Session, of: (name: string) => string) => void) {
  const authority = await createCertificateAuthority()
  const { cert, key } = await authority.issue({ names: NAMES })
  const sessions: ServerHttp2Session[] = []
  const server = createSecureServer({ cert, key })
  server.on('session', session => {
    sessions.push(session)
    says(session, of)
  })
  server.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(headers[':authority'])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on an address
  const of = (name: string): string => `https://${name}:${port}`
  const events: TransportEvent[] = []
  const transport = createTransport({
    defaults: { protocols: ['h2'], select: { exploreShare: 0 }, tls: { ca: authority.cert } },
    resolve: Object.fromEntries(
      NAMES.map(name => [`${name}:${port}`, name === 'b.test' ? ELSEWHERE : '127.0.0.1']),
    ),
    observer: event => void events.push(event),
  })
  const ask = async (name: string) => {
    const response = await transport.request(`${of(name)}/`)
    expect(await response.text()).toBe(`${name}:${port}`)
    return response.info
  }
  return {
    of,
    ask,
    events,
    sessions,
    transport,
    async [Symbol.asyncDispose]() {
      await transport.close()
      server.close()
    },
  }
}

describe('ORIGIN frames of a server over HTTP/2', () => {
  it('let a connection carry an origin that resolves to another address', async () => {
    await using world = await startOrigins((session, of) => session.origin(of('b.test')))
    const { ask, events, sessions, of, transport } = world
    const first = await ask('a.test')
    const second = await ask('b.test')
    expect(second).toMatchObject({ connectionId: first.connectionId, reused: true })
    expect(sessions).toHaveLength(1)
    expect(events.filter(({ type }) => type === 'connection-joined')).toMatchObject([
      {
        origin: { key: of('b.test') },
        connection: { sharedBy: { owner: of('a.test'), isByOriginSet: true } },
      },
    ])
    const { known } = await transport.explain(of('b.test'))
    expect(known.map(({ evidence }) => evidence).join('\n')).toMatch(/ORIGIN frame/)
  })

  it('keep an origin away that they do not name, though address and certificate cover it', async () => {
    await using world = await startOrigins((session, of) => session.origin(of('b.test')))
    const { ask, events, sessions, of } = world
    const first = await ask('a.test')
    const third = await ask('c.test')
    expect(third.connectionId).not.toBe(first.connectionId)
    expect(sessions).toHaveLength(2)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'coalescing-refused', owner: of('a.test'), reason: 'origin-set' }),
    )
  })

  it('make one leave that was there before they came', async () => {
    await using world = await startOrigins(() => {})
    const { ask, events, sessions, of } = world
    const first = await ask('a.test')
    expect((await ask('c.test')).connectionId).toBe(first.connectionId)
    sessions[0]?.origin(of('a.test'))
    await expect
      .poll(() => events.filter(({ type }) => type === 'connection-left'))
      .toMatchObject([{ origin: { key: of('c.test') }, reason: 'misdirected' }])
    const own = await ask('c.test')
    expect(own.connectionId).not.toBe(first.connectionId)
    expect((await ask('a.test')).connectionId).toBe(first.connectionId)
    expect(sessions).toHaveLength(2)
    // The own connection of c.test is open now, and names nobody: b.test, elsewhere, is on none of them.
    await expect(world.transport.request(of('b.test'))).rejects.toThrow()
  })
})
