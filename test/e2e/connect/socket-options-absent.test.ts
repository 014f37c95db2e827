import { expect, it, vi } from 'vitest'
import type { SocketOptionRefused } from '../../../src/entry/events.ts'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'

const because = 'koffi is not installed'

vi.mock('../../../src/connect/native/load-ffi.ts', () => ({
  loadFfi: () => ({ unavailable: 'koffi is not installed' }),
}))

it('without native calls connections are made, and explain says what does not take effect', async () => {
  const authority = await createCertificateAuthority()
  const origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
  const refused: SocketOptionRefused[] = []
  await using transport = createTransport({
    defaults: {
      tls: { ca: authority.cert },
      socket: { userTimeoutMs: 30_000, congestionControl: 'reno' },
    },
    observer: event => void (event.type === 'socket-option-refused' && refused.push(event)),
  })
  const { unavailable } = await transport.explain(origin.url)
  expect(unavailable).toEqual(
    expect.arrayContaining([
      { feature: 'socket.keepAliveProbes', because },
      { feature: 'socket.userTimeoutMs', because },
      { feature: 'socket.congestionControl', because },
    ]),
  )
  expect(refused, 'no connection has met it yet').toEqual([])
  await transport.preconnect(origin.url, { connections: 2 })
  for (let request = 0; request < 20; request += 1) {
    const response = await transport.request(`${origin.url}/bytes/10`)
    expect((await response.bytes()).length).toBe(10)
  }
  expect(refused).toMatchObject([
    { option: 'userTimeoutMs', because },
    { option: 'congestionControl', because },
  ])
  const [pool] = transport.stats().pools
  expect([pool?.path, pool?.pathByProtocol]).toEqual([undefined, {}])
  await origin.close()
})
