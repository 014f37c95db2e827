import { describe, expect, it } from 'vitest'
import { createTransport, type TransportEvent } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/**
 * `x-not: PORT`: 421 on the connection from this port of the client, since caddy 2.6 knows no name of the handshake over
 * HTTP/3. `/port` says which it is.
 */
const MISDIRECTED = `
  @misdirected header X-Not {http.request.remote.port}
  route @misdirected {
    respond 421
  }
  respond /port {http.request.remote.port}`

/** caddy on HTTP/3 with a.test and b.test on one certificate; c.test resolves to it as well. */
async function startOrigins() {
  const caddy = await startCaddy({ http3: true, names: ['a.test', 'b.test'], extraSite: MISDIRECTED })
  const of = (name: string): string => `https://${name}:${caddy.tlsPort}`
  const resolve = Object.fromEntries(
    ['a.test', 'b.test', 'c.test'].map(name => [`${name}:${caddy.tlsPort}`, '127.0.0.1']),
  )
  const events: TransportEvent[] = []
  const observer = (event: TransportEvent) => void events.push(event)
  const transport = () =>
    createTransport({
      resolve,
      observer,
      defaults: { protocols: ['h3'], tls: { ca: caddy.certificates.ca } },
    })
  return { caddy, of, transport, events, [Symbol.asyncDispose]: () => caddy.stop() }
}

describe.skipIf(missing !== undefined)(`origins of caddy over HTTP/3 (${missing ?? 'caddy'})`, () => {
  it('share a connection whose certificate covers both', async () => {
    await using world = await startOrigins()
    const { of } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/reflect`)
    await first.text()
    const second = await transport.request(`${of('b.test')}/reflect`)
    expect(await second.text()).toContain(`host: b.test:${world.caddy.tlsPort}\n`)
    expect(second.info).toMatchObject({ protocol: 'h3', connectionId: first.info.connectionId, reused: true })
    const [owner, guest] = transport.stats().pools
    expect(owner?.opened).toMatchObject({ full: 1 })
    expect(guest).toMatchObject({ coalesced: 1, opened: { full: 0, resumed: 0 } })
    // Both have the way measured: it is one.
    expect(guest?.path?.rttMs).toBe(owner?.path?.rttMs)
  })

  it('are sent again on a connection of their own after a 421, and share none from then on', async () => {
    await using world = await startOrigins()
    const { of, events } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/port`)
    const port = await first.text()
    const body = 'x'.repeat(1000)
    const second = await transport.request(`${of('b.test')}/hello`, {
      method: 'POST',
      body,
      headers: { 'x-not': port },
    })
    expect([second.status, await second.text()]).toEqual([200, 'hello from caddy\n'])
    expect(second.info).toMatchObject({ protocol: 'h3', retries: 1 })
    expect(second.info.connectionId).not.toBe(first.info.connectionId)
    const third = await transport.request(`${of('b.test')}/1k`)
    await third.bytes()
    expect(third.info).toMatchObject({ retries: 0, connectionId: second.info.connectionId })
    const again = await transport.request(`${of('a.test')}/1k`)
    await again.bytes()
    expect(again.info.connectionId).toBe(first.info.connectionId)
    expect(events.filter(({ type }) => type === 'connection-opened')).toHaveLength(2)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'exchange-retried', reason: 'misdirected' }),
    )
    expect(events).toContainEqual(expect.objectContaining({ type: 'connection-left', reason: 'misdirected' }))
    const { known } = await transport.explain(of('b.test'))
    expect(known.map(({ fact }) => fact)).toContain('no connection of another origin is used')
  })

  it('have connections of their own where the certificate does not cover the name', async () => {
    await using world = await startOrigins()
    const { of } = world
    await using transport = world.transport()
    await (await transport.request(`${of('a.test')}/1k`)).bytes()
    // Its own connection is verified, and refused.
    await expect(transport.request(`${of('c.test')}/1k`)).rejects.toMatchObject({
      code: 'MM_TLS_CERTIFICATE',
    })
    const { known } = await transport.explain(of('c.test'))
    expect(known.map(({ fact }) => fact)).toContain(
      `a connection of ${of('a.test')} is not used (certificate)`,
    )
  })
})
