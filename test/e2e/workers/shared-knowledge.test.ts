import { existsSync, readdirSync } from 'node:fs'
import { Agent, createServer, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { scrape } from '../../support/worker-service.ts'

const authority = await createCertificateAuthority()

interface ShownPool {
  readonly worker: string
  readonly requests: number
  readonly endpoints: readonly { readonly address: string; readonly health: string; healthBecause?: string }[]
}

async function pools({ adminUrl }: ConnectorProcess): Promise<readonly ShownPool[]> {
  const page = await (await fetch(`${adminUrl}/pools`)).json()
  return (page as { pools: ShownPool[] }).pools // the page is ours
}

/** One client after the other, until each of both workers has had one: the kernel picks by port. */
class ClientOfEach {
  readonly #agents = new Map<string, Agent>()
  readonly #connector: ConnectorProcess

  constructor(connector: ConnectorProcess) {
    this.#connector = connector
  }

  async find(): Promise<void> {
    while (this.#agents.size < 2) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const before = await this.#served()
      await get(agent, this.#connector.url)
      const after = await this.#served()
      const worker = [...after].find(([name, count]) => count > (before.get(name) ?? 0))?.[0]
      if (worker === undefined || this.#agents.has(worker)) agent.destroy()
      else this.#agents.set(worker, agent)
    }
  }

  async get(worker: string): Promise<number> {
    const agent = this.#agents.get(worker)
    if (agent === undefined) throw new Error(`no client of worker ${worker}`)
    return await get(agent, this.#connector.url)
  }

  end(): void {
    for (const agent of this.#agents.values()) agent.destroy()
  }

  async #served(): Promise<ReadonlyMap<string, number>> {
    const page = await scrape(this.#connector)
    return new Map(
      ['1', '2'].map(worker => [worker, page.sum('middlemile_worker_requests_total', { worker })]),
    )
  }
}

function get(agent: Agent, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, response => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    asked.once('error', reject).end()
  })
}

/** Where this service keeps what its workers share. */
const stateDirectories = (): string[] =>
  readdirSync('/dev/shm').filter(name => name.startsWith('middlemile-'))

describe('workers of one service', () => {
  it('resume the sessions of each other, and a new program those of the one before', {
    timeout: 120_000,
  }, async () => {
    const identity = await authority.issue({ names: ['localhost'] })
    const origin = await startQuickOrigin({ tls: identity })
    onTestFinished(() => origin.close())
    const before = new Set(stateDirectories())
    await using connector = await startConfiguredConnector({
      workers: 2,
      shutdown: { drainTimeout: '10s' },
      origins: { a: { url: origin.url, tls: { ca: authority.cert }, pool: { idleTimeout: '50ms' } } },
    })
    const [directory] = stateDirectories().filter(name => !before.has(name))
    expect(directory).toBeDefined()
    const clients = new ClientOfEach(connector)
    await clients.find()
    const handshakes = async (handshake: string): Promise<number> =>
      (await scrape(connector)).sum('middlemile_connections_opened_total', { handshake })
    const full = await handshakes('full')
    // A ticket of one worker is for any; each new connection brings more of them than it takes.
    for (const worker of ['1', '2', '1', '2']) {
      await new Promise(resolve => setTimeout(resolve, 300))
      expect(await clients.get(worker)).toBe(200)
    }
    expect(full).toBeLessThanOrEqual(2)
    expect(await handshakes('full')).toBe(full)
    expect(await handshakes('resumed')).toBeGreaterThanOrEqual(3)
    clients.end()
    const answer = await fetch(`${connector.adminUrl}/upgrade`, { method: 'POST' })
    const { pid } = (await answer.json()) as { pid: number } // the page is ours
    try {
      await expect.poll(() => isAlive(connector.cli.pid), { timeout: 40_000 }).toBe(false)
      expect(await get(new Agent(), connector.url)).toBe(200)
      expect(await handshakes('full')).toBe(0)
      expect(stateDirectories()).toContain(directory)
    } finally {
      process.kill(pid, 'SIGTERM')
    }
    await expect.poll(() => isAlive(pid), { timeout: 40_000 }).toBe(false)
    expect(existsSync(`/dev/shm/${directory}`)).toBe(false)
  })

  it('leave nothing behind when their supervisor is killed', async () => {
    const origin = await startQuickOrigin({})
    onTestFinished(() => origin.close())
    const before = new Set(stateDirectories())
    await using connector = await startConfiguredConnector({
      workers: 2,
      origins: { a: { url: origin.url } },
    })
    const [directory] = stateDirectories().filter(name => !before.has(name))
    expect(directory).toBeDefined()
    process.kill(connector.cli.pid, 'SIGKILL')
    await expect.poll(() => existsSync(`/dev/shm/${directory}`), { timeout: 40_000 }).toBe(false)
  })

  describe('with an endpoint that fails', () => {
    let bad: Server
    let good: Server
    let isBad = true
    beforeAll(async () => {
      bad = createServer((_request, response) => response.writeHead(isBad ? 503 : 200).end())
      good = createServer((_request, response) => response.end('ok'))
      for (const server of [bad, good])
        await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    })
    afterAll(() => {
      bad.close()
      good.close()
    })
    it('keep from it all of them when one has ejected it, and go back together', async () => {
      await using connector = await startConfiguredConnector({
        workers: 2,
        origins: {
          a: {
            url: 'http://origin.test',
            endpoints: [addressOf(bad), addressOf(good)],
            balance: { policy: 'round-robin' },
            outlier: { consecutiveGatewayErrors: 3, ejection: '3s', maxEjectedShare: 0.5 },
          },
        },
      })
      const clients = new ClientOfEach(connector)
      await clients.find()
      for (let i = 0; i < 12; i++) await clients.get('1')
      const standing = async (): Promise<readonly (string | undefined)[][]> =>
        (await pools(connector))
          .toSorted((a, b) => a.worker.localeCompare(b.worker))
          .map(({ endpoints }) => {
            const shown = endpoints.find(({ address }) => address === addressOf(bad))
            return [shown?.health, shown?.healthBecause]
          })
      await expect.poll(standing).toEqual([
        ['ejected', '3 gateway errors in a row'],
        ['ejected', 'another process: 3 gateway errors in a row'],
      ])
      for (let i = 0; i < 6; i++) expect(await clients.get('2')).toBe(200)
      isBad = false
      // Its time is over, and a request of the first finds it back.
      await expect
        .poll(
          async () => {
            await clients.get('1')
            return (await standing()).map(([health]) => health)
          },
          { timeout: 15_000 },
        )
        .toEqual(['healthy', 'healthy'])
      clients.end()
    })
  })

  it('learn of each other what an origin can do', async ctx => {
    const missing = requireQuic()
    ctx.skip(missing !== undefined, missing)
    const identity = await authority.issue({ names: ['localhost'] })
    const http3 = await startHttp3Origin({ tls: identity })
    onTestFinished(() => http3.close())
    const altSvc = `h3=":${new URL(http3.url).port}"`
    const origin = createTlsServer(identity, (_request, response) =>
      response.writeHead(200, { 'alt-svc': altSvc }).end('ok'),
    )
    await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve))
    await using connector = await startConfiguredConnector({
      workers: 2,
      origins: {
        a: {
          url: `https://localhost:${addressOf(origin).split(':')[1]}`,
          tls: { ca: authority.cert },
          protocols: ['h3', 'http/1.1'],
          select: { probe: 'off' },
        },
      },
    })
    expect(await get(new Agent(), connector.url)).toBe(200)
    const known = async (): Promise<(boolean | undefined)[]> => {
      const page = (await (await fetch(`${connector.adminUrl}/origins/a/explain`)).json()) as {
        workers: { protocols: { protocol: string; allowed: boolean }[] }[]
      } // the page is ours
      return page.workers.map(one => one.protocols.find(({ protocol }) => protocol === 'h3')?.allowed)
    }
    await expect.poll(known, { timeout: 15_000 }).toEqual([true, true])
    origin.close()
  })
})

function addressOf(server: Pick<Server, 'address'>): string {
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
