import { expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { readyWorkers, untilReplaced } from '../../support/worker-service.ts'

it.skipIf(requireQuic() !== undefined)(
  'HTTP/3 rests after a worker with HTTP/3 connections ended in native code, and not after it was killed',
  async () => {
    const authority = await createCertificateAuthority()
    const origin = await startHttp3Origin({ tls: await authority.issue({ names: ['localhost'] }) })
    try {
      await using connector = await startConfiguredConnector({
        workers: 1,
        origins: {
          shop: { url: origin.url, endpoints: ['127.0.0.1'], protocols: ['h3'], tls: { ca: authority.cert } },
        },
      })
      for (const signal of ['SIGKILL', 'SIGABRT'] as const) {
        expect((await fetch(connector.url)).status).toBe(200)
        await new Promise(resolve => setTimeout(resolve, 500)) // a heartbeat says what is open
        expect(connector.cli.stdout).not.toContain('no HTTP/3 for now')
        const [worker] = await readyWorkers(connector)
        process.kill(worker?.pid ?? 0, signal)
        await untilReplaced(connector, worker?.pid ?? 0, 1)
      }
      await connector.cli.untilStdout(/no HTTP\/3 for now to https:\/\/localhost:\d+, to which/)
      // Nothing else carries to this origin, which therefore keeps what it has.
      expect((await fetch(connector.url)).status).toBe(200)
    } finally {
      await origin.close()
    }
  },
)
