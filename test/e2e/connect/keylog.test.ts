import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'

describe('keylog', () => {
  it('gets the secrets of every TLS connection in the SSLKEYLOGFILE format', async () => {
    const authority = await createCertificateAuthority()
    const origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    const lines: string[] = []
    await using transport = createTransport({
      defaults: { tls: { ca: authority.cert } },
      keylog: line => lines.push(line.toString('latin1')),
    })
    await (await transport.request(`${origin.url}/bytes/1`)).dump()
    expect(lines.length).toBeGreaterThanOrEqual(4)
    for (const line of lines)
      expect(line).toMatch(/^(CLIENT|SERVER|EXPORTER)_[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}\n$/)
    expect(lines.some(line => line.startsWith('CLIENT_TRAFFIC_SECRET_0 '))).toBe(true)
    await origin.close()
  })
})
