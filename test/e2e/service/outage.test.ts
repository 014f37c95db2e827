import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('nginx', 'curl')

type OriginOf = (nginx: Nginx) => NonNullable<ServiceConfig['origins']>[string]

const ORIGINS: readonly [string, OriginOf][] = [
  [
    'over HTTP/1.1',
    nginx => ({ url: nginx.url, tls: { ca: nginx.certificates.ca }, protocols: ['http/1.1'] }),
  ],
  ['over HTTP/2', nginx => ({ url: nginx.url, tls: { ca: nginx.certificates.ca }, protocols: ['h2'] })],
]

describe.each(ORIGINS)('an origin that was away, %s,', (_, originOf) => {
  it.skipIf(missing !== undefined)('is back with the first request', async () => {
    await using nginx = await startNginx({ http2: true })
    await using connector = await startConfiguredConnector({ origins: { shop: originOf(nginx) } })
    const get = () => curl([`${connector.url}/1k`])
    expect((await get()).status).toBe(200)
    await nginx.server.stop()
    // Long enough for a pause of seconds between the connects that nobody waits for.
    const outageEnds = performance.now() + 3_000
    while (performance.now() < outageEnds) {
      expect((await get()).status).toBe(502)
      await sleep(50)
    }
    await nginx.restart()
    expect((await get()).status).toBe(200)
  })
})
