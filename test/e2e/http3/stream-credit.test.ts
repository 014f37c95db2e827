import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireQuic } from '../../support/require-quic.ts'

const REQUESTS = 600

/**
 * The pool hands out streams by what the connection says that it carries; the origin gives credit for them
 * when it likes.
 */
describe('an origin that allows few streams at a time', () => {
  it.for([
    [1, 8, 8],
    [1, 8, 40],
    [2, 8, 40],
  ] as const)(
    '%i connections of %i streams carry %i at a time, none refused',
    async ([connections, streams, concurrency], ctx) => {
      const missing = requireQuic()
      ctx.skip(missing !== undefined, missing)
      const authority = await createCertificateAuthority()
      const tls = await authority.issue({ names: ['localhost'] })
      const origin = await startHttp3Origin({ tls, maxConcurrentStreams: streams })
      const transport = createTransport({
        defaults: {
          protocols: ['h3'],
          tls: { ca: authority.cert },
          pool: { maxConnections: connections },
        },
      })
      try {
        let left = REQUESTS
        const statuses: number[] = []
        const worker = async (): Promise<void> => {
          while (left-- > 0) {
            const response = await transport.request(`${origin.url}/bytes/100`)
            await response.dump()
            expect(response.info.retries).toBe(0)
            statuses.push(response.status)
          }
        }
        await Promise.all(Array.from({ length: concurrency }, worker))
        expect(statuses).toEqual(Array.from({ length: REQUESTS }, () => 200))
        expect(origin.requestsSeen()).toBe(REQUESTS)
        expect(origin.connectionsSeen()).toBeLessThanOrEqual(connections)
      } finally {
        await transport.close()
        await origin.close()
      }
    },
  )
})
