import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { startNginx } from '../../support/nginx.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'

/** nginx answers the first, third, … request of each connection with 503, and the others with 200. */
const FLAKY = {
  extraHttp: 'map $connection_requests $isOdd { default 0; "~[13579]$" 1; }',
  extraServer: 'location = /flaky { if ($isOdd) { return 503; } return 200 "fine"; }',
}

describe('an nginx that answers 503 at times', () => {
  it.each(['http/1.1', 'h2'] as const)(
    'is asked again over the same connection of %s, and the caller gets 200',
    async protocol => {
      await using nginx = await startNginx({ ...FLAKY, http2: true })
      await using transport = createTransport({
        defaults: {
          protocols: [protocol],
          tls: { ca: nginx.certificates.ca },
          retry: { statuses: [503] },
        },
      })
      for (let i = 0; i < 5; i += 1) {
        const response = await transport.request(`${nginx.url}/flaky`)
        expect([response.status, await response.text(), response.info.retries]).toEqual([200, 'fine', 1])
      }
      const [pool] = transport.stats().pools
      expect(pool).toMatchObject({ retries: 5, requests: 10, opened: { full: 1 } })
    },
  )

  it('answers a POST with the 503, which is not sent again', async () => {
    await using nginx = await startNginx(FLAKY)
    await using transport = createTransport({ defaults: { retry: { statuses: [503] } } })
    const response = await transport.request(`${nginx.plainUrl}/flaky`, { method: 'POST', body: 'pay' })
    await response.dump()
    expect([response.status, response.info.retries]).toEqual([503, 0])
  })

  it('is asked no more often than the retry budget allows', async () => {
    await using nginx = await startNginx()
    await using transport = createTransport({
      defaults: { retry: { statuses: [503], budgetMin: 3, budgetRatio: 0 } },
    })
    const retries: number[] = []
    for (let i = 0; i < 4; i += 1) {
      const response = await transport.request(`${nginx.plainUrl}/503`)
      await response.dump()
      expect(response.status).toBe(503)
      retries.push(response.info.retries)
    }
    expect(retries).toEqual([2, 1, 0, 0])
    const { retryBudget } = transport.stats().pools[0]!
    expect(retryBudget).toEqual({ left: 0, refused: 3 })
  })
})

describe('an nginx whose answer does not come', () => {
  it('costs one try of retry.perTryTimeoutMs, and the request is sent again', async () => {
    await using behind = await startScriptedOrigin(({ socket, place }) => {
      if (behind.requests.length > 1 || place > 1) socket.write(ok('awake'))
    })
    const extraServer = `location = /hung { proxy_pass ${behind.url}/; }`
    await using nginx = await startNginx({ extraServer })
    await using transport = createTransport({
      defaults: { protocols: ['http/1.1'], retry: { perTryTimeoutMs: 300 } },
    })
    const response = await transport.request(`${nginx.plainUrl}/hung`)
    expect([response.status, await response.text(), response.info.retries]).toEqual([200, 'awake', 1])
  })

  it('fails by name when no try is answered', async () => {
    await using behind = await startScriptedOrigin(() => {})
    const extraServer = `location = /hung { proxy_pass ${behind.url}/; }`
    await using nginx = await startNginx({ extraServer })
    await using transport = createTransport({
      defaults: { protocols: ['http/1.1'], retry: { perTryTimeoutMs: 100, maxRetries: 1 } },
    })
    await expect(transport.request(`${nginx.plainUrl}/hung`)).rejects.toMatchObject({
      code: 'MM_TRY_TIMEOUT',
    })
    expect(behind.requests).toHaveLength(2)
  })
})
