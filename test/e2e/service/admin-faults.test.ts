import { ServerResponse } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import type { AdminActions } from '../../../src/service/admin/admin-routes.ts'
import { startAdminServer } from '../../../src/service/admin/admin-server.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

afterEach(() => vi.restoreAllMocks())

it('a defect in a request to the admin server ends its connection, and the next one is answered', async () => {
  const heard = collectFaults()
  const actions = { notReadyBecause: () => undefined } as AdminActions // what is used of them
  const server = await startAdminServer(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: undefined,
      access: { tokens: {}, certificates: undefined },
    },
    actions,
  )
  const url = `http://127.0.0.1:${server.address.port}/readyz`
  const broken = vi.spyOn(ServerResponse.prototype, 'writeHead').mockImplementation(fail)
  await expect(fetch(url)).rejects.toThrow('fetch failed')
  expect(heard()).toEqual([`a request to the admin server: ${String(DEFECT)}`])
  broken.mockRestore()
  expect((await fetch(url)).status).toBe(200)
  await server.close()
})
