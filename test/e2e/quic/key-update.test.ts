import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { runGtlsclient } from '../../support/gtlsclient.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic() ?? requireBinary('gtlsclient')
const CIPHERS = ['AES-128-GCM', 'AES-256-GCM', 'CHACHA20-POLY1305'] as const

/** A peer that rotates its keys while a response is under way (RFC 9001 section 6). */
describe.skipIf(missing !== undefined)(`key updates${missing === undefined ? '' : ` (${missing})`}`, () => {
  let authority: CertificateAuthority
  let origin: Http3Origin
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
  })
  afterAll(() => origin.close())

  it.each(CIPHERS)(
    'go on over the connection with %s',
    async cipher => {
      const { responses, exitCode, output } = await runGtlsclient(
        origin.port,
        ['/bytes/1000', '/bytes/2000000'],
        {
          args: [`--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+${cipher}`, '--key-update=1ms'],
        },
      )
      // We have followed: what we sent is protected by the second keys.
      expect(output).toMatch(/ pkt rx .* type=1RTT k=1/)
      expect([...responses.values()].map(({ statuses, closedWith }) => [statuses, closedWith])).toEqual([
        [[200], 256],
        [[200], 256],
      ])
      expect(exitCode).toBe(0)
    },
    30_000,
  )
})
