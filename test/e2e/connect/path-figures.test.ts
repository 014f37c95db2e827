import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTransport, type PathHealth, type Protocol, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { requireNative } from '../../support/require-native.ts'
import { requireQuic } from '../../support/require-quic.ts'

const ONE_WAY_MS = 20
const ROUND_TRIP_MS = 2 * ONE_WAY_MS
const LOSS = 0.04

const PROTOCOLS: readonly Protocol[] = ['http/1.1', 'h2', 'h3']

describe.each(PROTOCOLS)('the figures of a path, over %s', protocol => {
  const missing =
    requireLossyLink() ??
    requireNamespaces() ??
    requireNative() ??
    (protocol === 'h3' ? requireQuic() : undefined)
  let link: LossyLink
  let stay: Stay
  let origin: { readonly url: string; close(): Promise<void> }
  let transport: Transport

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    const authority = await createCertificateAuthority()
    const tls = await authority.issue({ names: ['localhost'] })
    link = await startLossyLink(ONE_WAY_MS)
    const address = LINK_ADDRESSES.server
    stay = link.enter('server')
    origin =
      protocol === 'h3'
        ? await startHttp3Origin({ tls, address })
        : await startHttp2Origin({ tls, address, protocols: [protocol] })
    stay[Symbol.dispose]()
    stay = link.enter('client')
    transport = createTransport({
      defaults: { protocols: [protocol], tls: { ca: authority.cert }, endpoints: [address] },
    })
  })
  afterEach(async () => {
    if (missing !== undefined) return
    await transport.close()
    stay[Symbol.dispose]()
    await origin.close()
    await link[Symbol.asyncDispose]()
  })

  const path = (): PathHealth => {
    const { path, pathByProtocol } = transport.stats().pools[0]!
    expect(pathByProtocol).toEqual({ [protocol]: path })
    return path!
  }
  const get = async (bytes: number): Promise<void> => {
    const response = await transport.request(`${origin.url}/bytes/${bytes}`)
    await response.dump()
  }

  it('are its round trip, and no losses where there are none', async () => {
    // Acknowledgements are late where the machine has other things to do, and figures are smoothed.
    const roundTrip = async (): Promise<number> => {
      await get(1_000)
      return path().rttMs
    }
    await expect.poll(roundTrip, { timeout: 15_000, interval: 1 }).toBeLessThan(ROUND_TRIP_MS * 1.5)
    const { connections, rttMs, lossRatio, outOfOrderRatio } = path()
    expect(connections).toBe(1)
    expect(rttMs).toBeGreaterThanOrEqual(ROUND_TRIP_MS - 1)
    expect(lossRatio).toBeLessThan(LOSS / 10)
    expect(outOfOrderRatio).toBe(protocol === 'h3' ? undefined : 0)
  })

  it('are the losses of what is sent; of what is received TCP knows that it came out of order', async () => {
    // With so many losses quiche takes 18 s for what TCP carries in one or two.
    const bytes = protocol === 'h3' ? 400_000 : 2_000_000
    await get(1)
    await link.lose(LOSS, 7)
    const body = Buffer.alloc(bytes)
    const response = await transport.request(`${origin.url}/inspect`, { method: 'POST', body })
    await response.dump()
    const up = path()
    expect(up.lossRatio).toBeGreaterThan(LOSS / 3)
    expect(up.lossRatio).toBeLessThan(LOSS * 2.5)
    await get(bytes)
    const down = path()
    expect(down.lossRatio, 'the losses of the other side are not ours').toBeLessThan(up.lossRatio * 1.2)
    if (protocol === 'h3') expect(down.outOfOrderRatio).toBeUndefined()
    else expect(down.outOfOrderRatio).toBeGreaterThan(LOSS)
  })
})
