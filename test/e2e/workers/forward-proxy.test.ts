import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyOf } from '../../support/body-files.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { openTunnel, raw } from '../../support/forward-proxy.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'
import { readyWorkers, scrape, untilReplaced } from '../../support/worker-service.ts'

const missing = requireBinary('nginx', 'curl')
const WORKERS = 2
let nginx: Nginx
beforeAll(async () => {
  if (missing === undefined) nginx = await startNginx({ http2: true })
})
afterAll(() => nginx?.stop())

/** A service that forwards to nginx, and to whatever else of the loopback a test lists. */
function start(
  config: Parameters<typeof startConfiguredConnector>[0] = { origins: {} },
  allow: string[] = [],
) {
  const { plainPort, tlsPort, certificates } = nginx
  const forward = {
    allow: [`localhost:${plainPort},${tlsPort}`, ...allow],
    allowPrivate: ['127.0.0.0/8', '::1/128'],
    origins: { tls: { ca: certificates.caFile } },
  }
  return startConfiguredConnector({ workers: WORKERS, routes: [{ name: 'out', forward }], ...config })
}

const through = (proxy: ConnectorProcess, url: string) =>
  curl(['-x', proxy.url, '--cacert', nginx.certificates.caFile, url])

/** Bytes come through it both ways. */
async function isOpen(tunnel: Socket): Promise<void> {
  tunnel.write(`GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  const [answer] = (await once(tunnel, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK/)
  // What follows is of the answer; the next one is waited for afresh.
  await new Promise(resolve => setTimeout(resolve, 100))
  tunnel.read()
}

describe.skipIf(missing !== undefined)(
  `a forward proxy with workers${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('carries requests and tunnels over all of them, and counts them as one', async () => {
      await using proxy = await start()
      for (let round = 0; round < 8; round++) {
        expect((await through(proxy, `${nginx.plainUrl}/1k`)).status).toBe(200)
        const tunneled = await through(proxy, `${nginx.url}/100k`)
        expect([tunneled.status, tunneled.body.equals(bodyOf(102_400))]).toEqual([200, true])
      }
      await expect
        .poll(async () =>
          (await scrape(proxy)).sum('middlemile_tunnels_total', { route: 'out', outcome: 'opened' }),
        )
        .toBe(8)
      const page = (await (await fetch(`${proxy.adminUrl}/pools`)).json()) as { forward: { route: string }[] } // the page is ours
      expect(page.forward.map(({ route }) => route)).toEqual(['out', 'out'])
    })

    it('leads to no server of its own: neither a listener nor the admin server of the supervisor', async () => {
      const [port, adminPort] = [await freePort(), await freePort()]
      const own = [`127.0.0.1:${port},${adminPort}`]
      await using proxy = await start(
        {
          origins: {},
          listen: [{ address: `127.0.0.1:${port}` }],
          admin: { address: `127.0.0.1:${adminPort}` },
        },
        own,
      )
      for (const url of [proxy.url, proxy.adminUrl]) {
        const { status, body } = await through(proxy, `${url}/healthz`)
        expect([status, JSON.parse(String(body)).error.code]).toEqual([403, 'MM_ADDRESS_REFUSED'])
        const target = new URL(url).host
        const answer = await raw(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
        expect(answer).toContain('MM_ADDRESS_REFUSED')
      }
    })

    it('loses the tunnels of a worker that is killed, and no others; the next one takes its place', async () => {
      await using proxy = await start()
      const target = `localhost:${nginx.plainPort}`
      const tunnels = await Promise.all(Array.from({ length: 16 }, () => openTunnel(proxy.port, target)))
      for (const tunnel of tunnels) tunnel.on('error', () => {})
      const [victim] = await readyWorkers(proxy)
      if (victim === undefined) throw new Error('no worker is ready')
      process.kill(victim.pid, 'SIGKILL')
      await untilReplaced(proxy, victim.pid, WORKERS)
      const left = tunnels.filter(tunnel => !tunnel.destroyed && !tunnel.readableEnded)
      // The kernel spreads them by hash: all of them are with one worker in one run of 32,768.
      expect(left.length).toBeGreaterThan(0)
      expect(left.length).toBeLessThan(tunnels.length)
      for (const tunnel of left) await isOpen(tunnel)
      expect((await through(proxy, `${nginx.url}/1k`)).status).toBe(200)
      for (const tunnel of tunnels) tunnel.destroy()
    })

    it('takes another allow list from a reload in every worker, and keeps the tunnels that stand', async () => {
      await using proxy = await start()
      const tunnel = await openTunnel(proxy.port, `localhost:${nginx.plainPort}`)
      const forward = { allow: ['localhost:1'], allowPrivate: ['127.0.0.0/8', '::1/128'] }
      writeFileSync(
        proxy.file,
        JSON.stringify({
          workers: WORKERS,
          listen: [{ address: '127.0.0.1:0' }],
          admin: { address: '127.0.0.1:0' },
          origins: {},
          routes: [{ name: 'out', forward }],
        }),
      )
      expect((await fetch(`${proxy.adminUrl}/reload`, { method: 'POST' })).status).toBe(200)
      for (let round = 0; round < 8; round++)
        expect((await through(proxy, `${nginx.plainUrl}/1k`)).status).toBe(403)
      await isOpen(tunnel)
      tunnel.destroy()
    })

    it('hands its clients to the next program, whose tunnels are new ones', async () => {
      await using proxy = await start({ origins: {}, shutdown: { drainTimeout: '20s' } })
      const tunnel = await openTunnel(proxy.port, `localhost:${nginx.plainPort}`)
      const answer = await fetch(`${proxy.adminUrl}/upgrade`, { method: 'POST' })
      const { pid } = (await answer.json()) as { pid: number } // the page is ours
      try {
        await isOpen(tunnel)
        expect((await through(proxy, `${nginx.url}/1k`)).status).toBe(200)
        tunnel.destroy()
        await expect.poll(() => isAlive(proxy.cli.pid), { timeout: 40_000 }).toBe(false)
        expect((await through(proxy, `${nginx.url}/1k`)).status).toBe(200)
      } finally {
        process.kill(pid, 'SIGTERM')
      }
      await expect.poll(() => isAlive(pid), { timeout: 40_000 }).toBe(false)
    })
  },
)

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
