import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/** caddy on HTTP/3 with a.test and b.test on one certificate; c.test resolves to it as well. */
async function startOrigins() {
  const caddy = await startCaddy({ http3: true, names: ['a.test', 'b.test'] })
  const of = (name: string): string => `https://${name}:${caddy.tlsPort}`
  const resolve = Object.fromEntries(
    ['a.test', 'b.test', 'c.test'].map(name => [`${name}:${caddy.tlsPort}`, '127.0.0.1']),
  )
  const transport = () =>
    createTransport({ resolve, defaults: { protocols: ['h3'], tls: { ca: caddy.certificates.ca } } })
  return { caddy, of, transport, [Symbol.asyncDispose]: () => caddy.stop() }
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
