import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Protocol, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { load } from '../../support/load.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { volume } from '../../support/volume.ts'
import { readyWorkers, SteadyLoad } from '../../support/worker-service.ts'

const missing = requireQuic()
/** Of all protocols together. */
const PER_SECOND = volume(600, 2_000)

let identity: IssuedCertificate
let origin: TestOrigin
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

/** Clients of each protocol at once, each with a third of the requests. */
class EveryProtocol {
  readonly #ending = new AbortController()
  readonly #transports: Transport[]
  readonly #overHttp1: SteadyLoad
  readonly #others: ReturnType<typeof load>[]

  constructor(url: string) {
    const connections = 8
    const pauseMs = (connections * 1_000) / (PER_SECOND / 3)
    this.#overHttp1 = new SteadyLoad(url, { connections, pauseMs, ca: identity.ca })
    const protocols: readonly Protocol[] = ['h2', 'h3']
    this.#transports = protocols.map(protocol =>
      createTransport({ defaults: { protocols: [protocol], tls: { ca: identity.ca } } }),
    )
    // A POST is sent again only when its first copy is known to be unprocessed.
    const post = { method: 'POST', body: 'a', concurrency: 8, perSecond: PER_SECOND / 3 }
    this.#others = this.#transports.map(one => load(one, url, { ...post, until: this.#ending.signal }))
  }

  async end(): Promise<{ readonly answered: readonly number[]; readonly failures: readonly unknown[] }> {
    this.#ending.abort()
    const others = await Promise.all(this.#others)
    const { answered, failures } = await this.#overHttp1.end()
    await Promise.all(this.#transports.map(one => one.close()))
    return {
      answered: [answered, ...others.map(({ requests }) => requests)],
      failures: [...failures, ...others.flatMap(one => one.failures)],
    }
  }
}

function start() {
  const { cert, key } = identity
  return startConfiguredConnector({
    workers: 2,
    listen: [{ address: '127.0.0.1:0', tls: { cert, key }, protocols: ['h3', 'h2', 'http/1.1'] }],
    shutdown: { drainTimeout: '20s' },
    origins: { quick: { url: origin.url } },
  })
}

const isOver = (pid: number): boolean => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

describe('a service with workers, under requests of HTTP/1.1, HTTP/2 and HTTP/3', () => {
  it('takes another configuration again and again, without losing a request', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using connector = await start()
    const clients = new EveryProtocol(connector.url)
    const pids = (await readyWorkers(connector)).map(({ pid }) => pid)
    const written = JSON.parse(readFileSync(connector.file, 'utf8')) as object // the test has written it
    for (let count = 0; count < volume(10, 200); count++) {
      // Every other one replaces the pools of the origin.
      const pool = { maxConnections: 100 + Math.floor(count / 2) }
      writeFileSync(connector.file, JSON.stringify({ ...written, defaults: { pool } }))
      const answer = await fetch(`${connector.adminUrl}/reload`, { method: 'POST' })
      expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)])
    }
    const { answered, failures } = await clients.end()
    expect(failures).toEqual([])
    expect(Math.min(...answered)).toBeGreaterThan(50)
    expect((await readyWorkers(connector)).map(({ pid }) => pid)).toEqual(pids)
  }, 300_000)

  it('is replaced by a new program again and again, without losing a request', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using connector = await start()
    const clients = new EveryProtocol(connector.url)
    const pids: number[] = []
    try {
      for (let count = 0; count < volume(2, 20); count++) {
        const answer = await fetch(`${connector.adminUrl}/upgrade`, { method: 'POST' })
        const body = (await answer.json()) as { pid: number } // the page is ours
        expect([answer.status, body]).toEqual([200, { upgraded: true, pid: expect.any(Number) as number }])
        pids.push(body.pid)
      }
      const { answered, failures } = await clients.end()
      expect(failures).toEqual([])
      expect(Math.min(...answered)).toBeGreaterThan(50)
      await expect.poll(() => isOver(connector.cli.pid), { timeout: 25_000 }).toBe(true)
      await expect.poll(() => pids.slice(0, -1).every(isOver), { timeout: 25_000 }).toBe(true)
    } finally {
      for (const pid of pids) if (!isOver(pid)) process.kill(pid, 'SIGTERM')
    }
    await expect.poll(() => pids.every(isOver), { timeout: 25_000 }).toBe(true)
  }, 300_000)
})
