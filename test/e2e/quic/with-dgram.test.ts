import { expect, it, vi } from 'vitest'
import { socketKind } from '../../../src/quic/udp/open-udp.ts'

// The suites of sockets once more, over Node's own: which kind there is, is decided with the first one.
vi.hoisted(() => {
  process.env['MIDDLEMILE_UDP'] = 'dgram'
})

await import('./dial.test.ts')
await import('./endpoint.test.ts')
await import('./link-sockets.test.ts')
await import('../../contract/http3.test.ts')
await import('../http3/datagrams.test.ts')
await import('../migration/address.test.ts')

it('all of these tests of QUIC have run over dgram', () => {
  expect(socketKind()).toMatchObject({ kind: 'dgram', because: 'MIDDLEMILE_UDP is dgram' })
})
