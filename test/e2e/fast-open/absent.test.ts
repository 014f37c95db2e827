import { expect, it, vi } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { fastOpenWorld, startFastOpenOrigin } from '../../support/fast-open-world.ts'

const because = 'koffi is not installed'

vi.mock('../../../src/connect/native/load-ffi.ts', () => ({
  loadFfi: () => ({ unavailable: 'koffi is not installed' }),
}))

it.each<Protocol>(['http/1.1', 'h2'])(
  'without native calls requests are made as always, and the cause is named: %s',
  async protocol => {
    const authority = await createCertificateAuthority()
    await using origin = await startFastOpenOrigin({ authority, queue: 0 })
    await using world = fastOpenWorld({
      port: origin.port,
      ca: authority.cert,
      protocols: [protocol],
      early: true,
    })
    for (let round = 0; round < 3; round++) {
      const { status, info } = await world.ask('/')
      expect([status, info.retries, info.resumed]).toEqual([200, 0, round > 0])
      expect(info).toMatchObject({ protocol, tfo: 'fallback', tfoBecause: because, earlyData: 'none' })
      await world.untilIdleIsClosed()
    }
    expect(world.fastOpens()).toEqual([because, because, because])
    const { unavailable } = await world.explained()
    expect(unavailable).toEqual(
      expect.arrayContaining([`TCP Fast Open: ${because}`, `early data over TCP: ${because}`]),
    )
  },
)
