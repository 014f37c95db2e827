import type { PoolStats } from '../../src/index.ts'
import { type Service, type ServiceConfig, startService } from '../../src/service/index.ts'

/** A connector within this process, on free ports, with what it logs kept. */
export interface TestConnector extends AsyncDisposable {
  readonly service: Service
  readonly port: number
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string
  readonly adminUrl: string
  /** One string per line, at the configured level; `debug` unless the test says otherwise. */
  readonly log: readonly string[]
  /** What `GET /pools` shows of one origin. */
  pool(name: string): Promise<PoolStats & { name: string }>
}

export async function startConnector(config: Partial<ServiceConfig>): Promise<TestConnector> {
  const log: string[] = []
  const service = await startService(
    {
      listen: [{ address: '127.0.0.1:0' }],
      admin: { address: '127.0.0.1:0' },
      log: { level: 'debug' },
      ...config,
    },
    { logTo: { write: line => void log.push(line.trimEnd()) } },
  )
  const port = service.addresses[0]?.port ?? 0
  const scheme = config.listen?.[0]?.tls === undefined ? 'http' : 'https'
  const adminUrl = `http://127.0.0.1:${service.adminAddress?.port ?? 0}`
  return {
    service,
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    adminUrl,
    log,
    pool: name => readPool(adminUrl, name),
    [Symbol.asyncDispose]: () => service.close(),
  }
}

/** One pool of `GET /pools`. Throws when it is not there. */
export async function readPool(adminUrl: string, name: string): Promise<PoolStats & { name: string }> {
  const response = await fetch(`${adminUrl}/pools`)
  const page = (await response.json()) as { pools: (PoolStats & { name: string })[] } // the page is ours
  const pool = page.pools.find(pool => pool.name === name)
  if (pool === undefined) throw new Error(`no pool is called ${name}: ${JSON.stringify(page)}`)
  return pool
}
