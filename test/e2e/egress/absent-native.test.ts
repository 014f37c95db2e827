import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, vi } from 'vitest'
import { createTransport } from '../../../src/index.ts'

const because = 'koffi is not installed'

vi.mock('../../../src/connect/native/load-ffi.ts', () => ({
  loadFfi: () => ({ unavailable: 'koffi is not installed' }),
}))

it('without native calls connections leave from local addresses, unmarked, and explain says what is missing', async () => {
  const from: string[] = []
  const server = createServer((request, response) => {
    from.push(request.socket.remoteAddress ?? '')
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  const url = `http://127.0.0.1:${port}`
  await using transport = createTransport({
    egress: { one: { addresses: ['127.0.0.2'] }, prefix: { addresses: ['2001:db8:7::/64'] } },
    defaults: { socket: { dscp: 'EF' } },
    origins: {
      [url]: { egress: 'one' },
      'http://six.test': { egress: 'prefix', endpoints: ['[::1]:9'] },
    },
  })
  await (await transport.request(url)).dump()
  expect(from).toEqual(['127.0.0.2'])
  // A bind takes the port from all peers.
  expect(transport.stats().ports.pairs).toEqual([
    { transport: 'tcp', local: '127.0.0.2', remote: '', inUse: 1 },
  ])
  expect((await transport.explain(url)).unavailable).toEqual(
    expect.arrayContaining([
      { feature: 'socket.dscp', because },
      { feature: 'egress.one: ports for each destination of an address', because },
    ]),
  )
  expect((await transport.explain('http://six.test')).unavailable).toContainEqual({
    feature: 'egress.prefix: addresses of a prefix that this machine does not have',
    because,
  })
  await expect(transport.request('http://six.test/')).rejects.toMatchObject({
    code: 'MM_LOCAL_ADDRESS',
    message: expect.stringContaining(
      'set net.ipv6.ip_nonlocal_bind, since IP_FREEBIND cannot be set: koffi is not installed',
    ),
  })
  await transport.close()
  server.close()
})
