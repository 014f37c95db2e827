import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/** caddy on HTTP/3 with a.test and b.test on one certificate; c.test resolves to it as well. */
async function startOrigins(extraSite = '') {
  const caddy = await startCaddy({ http3: true, names: ['a.test', 'b.test'], extraSite })
  const of = (name: string): string => `https://${name}:${caddy.tlsPort}`
  const resolve = Object.fromEntries(
    ['a.test', 'b.test', 'c.test'].map(name => [`${name}:${caddy.tlsPort}`, '127.0.0.1']),
  )
  const transport = () =>
    createTransport({ resolve, defaults: { protocols: ['h3'], tls: { ca: caddy.certificates.ca } } })
  return { caddy, of, transport, [Symbol.asyncDispose]: () => caddy.stop() }
}

describe.skipIf(missing !== undefined)(`origins of caddy over HTTP/3 (${missing ?? 'caddy'})`, () => {
  it('share a connection that covers both, and its resumed successor', async () => {
    await using world = await startOrigins()
    const { of } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/reflect`)
    expect(await first.text()).toContain('tls-server-name: a.test\n')
    const second = await transport.request(`${of('b.test')}/reflect`)
    const text = await second.text()
    expect(text).toContain(`host: b.test:${world.caddy.tlsPort}\n`)
    expect(text).toContain('tls-server-name: a.test\n')
    expect(second.info).toMatchObject({ protocol: 'h3', connectionId: first.info.connectionId, reused: true })
    const [owner, guest] = transport.stats().pools
    expect(owner?.opened).toMatchObject({ full: 1 })
    expect(guest).toMatchObject({ coalesced: 1, opened: { full: 0, resumed: 0 } })
    // Both have the way measured: it is one.
    expect(guest?.path?.rttMs).toBe(owner?.path?.rttMs)
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

  it('are sent again on a connection of their own after a 421', async () => {
    const strict =
      '@misdirected expression {http.request.host} != {http.request.tls.server_name}\n\trespond @misdirected 421'
    await using world = await startOrigins(strict)
    const { of } = world
    await using transport = world.transport()
    const first = await transport.request(`${of('a.test')}/1k`)
    await first.bytes()
    const second = await transport.request(`${of('b.test')}/1k`, { method: 'POST', body: 'x' })
    await second.bytes()
    expect(second.status).not.toBe(421)
    expect(second.info.retries).toBe(1)
    expect(second.info.connectionId).not.toBe(first.info.connectionId)
    expect(transport.stats().pools[1]).toMatchObject({ coalesced: 0, opened: { full: 1 } })
  })
})
