import { beforeAll, describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { fastOpenWorld, startFastOpenOrigin } from '../../support/fast-open-world.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

const missing = requireFastOpenNamespace()
const HELD = 'no probe has seen the origin take data in a SYN'

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `tfo: 'auto' by %s ${missing ?? ''}`,
  protocol => {
    const protocols = [protocol]

    it('waits for a probe, follows it, and passes the result to the next transport of a state directory', async () => {
      using namespace = enterFastOpenNamespace(3)
      using directory = makeTemporaryDirectory('fast-open-auto')
      await using origin = await startFastOpenOrigin({ authority })
      const options = {
        port: origin.port,
        ca: authority.cert,
        protocols,
        transport: { state: { directory: directory.path } },
        // What looks by itself after the first connect comes too late for it.
        origin: { tfo: 'auto', tls: { ca: authority.cert, groups: 'X25519:P-256' } },
      } as const
      {
        await using world = fastOpenWorld(options)
        expect((await world.explained()).known).toContain(
          'TCP Fast Open is not used yet (tfo is auto, and no probe has seen it work)',
        )
        expect((await world.ask('/')).info).toMatchObject({ tfo: 'fallback', tfoBecause: HELD })
        const report = await world.transport.probe(world.url)
        expect(report.fastOpen).toMatchObject({ found: { cookie: true, taken: true } })
        await world.untilIdleIsClosed()
        expect((await world.ask('/')).info).toMatchObject({ tfo: 'used' })
        const { known } = await world.explained()
        expect(known).toContainEqual(
          expect.stringMatching(/^takes data with the SYN \(TCP Fast Open\) \(probe, /),
        )
        expect(known.join()).not.toContain('not used yet')
      }
      const before = namespace.counters().TCPFastOpenPassive
      await using next = fastOpenWorld(options)
      expect((await next.ask('/')).info).toMatchObject({ tfo: 'used' })
      expect(namespace.counters().TCPFastOpenPassive - before).toBe(1)
      await using stranger = fastOpenWorld({ ...options, transport: {} })
      expect((await stranger.ask('/')).info).toMatchObject({ tfo: 'fallback', tfoBecause: HELD })
    })

    it('stays off where the probe saw nothing', async () => {
      using namespace = enterFastOpenNamespace(3)
      await using origin = await startFastOpenOrigin({ authority, queue: 0 })
      await using world = fastOpenWorld({
        port: origin.port,
        ca: authority.cert,
        protocols,
        origin: { tfo: 'auto', tls: { ca: authority.cert, groups: 'X25519:P-256' } },
      })
      expect((await world.transport.probe(world.url)).fastOpen).toMatchObject({ found: { taken: false } })
      for (let round = 0; round < 2; round++) {
        expect((await world.ask('/')).info).toMatchObject({ tfo: 'fallback', tfoBecause: HELD })
        await world.untilIdleIsClosed()
      }
      await until(() => origin.open() === 0, 'every connection is closed')
      expect(namespace.counters()).toMatchObject({ TCPFastOpenPassive: 0, TCPFastOpenActiveFail: 0 })
    })
  },
)
