import { expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { TlsProbe } from '../../../src/origin/probing/tls-probe.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

// It is called when the wait for tickets is over.
vi.mock('../../../src/connect/tls/session-facts.ts', async original => ({
  ...(await original<object>()),
  sessionFacts: () => fail(),
}))

it('a defect in an event of a TLS probe is its answer', async () => {
  const heard = collectFaults()
  const authority = await createCertificateAuthority()
  const origin = await startHttp2Origin({ tls: await authority.issue({ names: ['localhost'] }) })
  const probe = new TlsProbe({
    clock: systemClock,
    tls: { ca: authority.cert },
    serverName: 'localhost',
    timeoutMs: 5_000,
  })
  const endpoint = { address: '127.0.0.1', family: 4, port: origin.port, transport: 'tcp' } as const
  const wanted = { alpn: ['h2'], ticketsForMs: 200 } as const
  expect(await probe.handshake(endpoint, wanted, new AbortController().signal)).toEqual({
    fault: `an event of a TLS probe failed: ${DEFECT.message}`,
    code: 'MM_INTERNAL',
  })
  expect(heard()).toEqual([`an event of a TLS probe: ${String(DEFECT)}`])
  await origin.close()
})
