import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { type MetricsPage, parsePrometheusText } from '../../support/prometheus-text.ts'
import { type RawClient, rawClient } from '../../support/raw-client.ts'
import { findBinary, requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUnreadConnector, type UnreadConnector } from '../../support/unread-connector.ts'

const noLimit = requireBinary('prlimit')
const prlimit = findBinary('prlimit') ?? ''

let origin: TestOrigin
let directory: TemporaryDirectory

beforeAll(async () => {
  directory = makeTemporaryDirectory('descriptors')
  origin = await startQuickOrigin()
})
afterAll(async () => {
  await origin.close()
  directory.remove()
})

const DESCRIPTORS = 256
const CLIENTS = 400

async function metrics({ adminUrl }: UnreadConnector): Promise<MetricsPage> {
  return parsePrometheusText(await (await fetch(`${adminUrl}/metrics`)).text())
}

/**
 * Keeps a connection busy with one request after the other, and makes a new one when it ends. Answers counts
 * those with status 200; `failures` is how connections ended that never had an answer.
 */
class PersistentClient {
  answers = 0
  failures: string[] = []
  #isOver = false
  #end = (): void => {}

  constructor(port: number) {
    this.#open(port)
  }

  stop(): void {
    this.#isOver = true
    this.#end()
  }

  #open(port: number): void {
    const socket = connect({ port, host: '127.0.0.1' })
    let hasAnswer = false
    const ask = (): void => void socket.write('GET /slow?ms=20 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.setEncoding('latin1').on('data', (text: string) => {
      if (!text.startsWith('HTTP/1.1 200')) return
      hasAnswer = true
      this.answers += 1
      ask()
    })
    let failure = 'closed without an answer'
    socket.on('error', error => {
      failure = error.message
    })
    socket.once('end', () => socket.end())
    socket.once('close', () => {
      if (this.#isOver) return
      if (!hasAnswer) this.failures.push(failure)
      this.#open(port)
    })
    this.#end = () => socket.destroy()
    ask()
  }
}

describe('few descriptors and more clients', () => {
  it('(256 and 400) all are served in turns, none is reset, the process survives, and takes everybody again afterwards', async () => {
    const log = join(directory.path, 'log')
    const stdout = openSync(log, 'w')
    await using connector = await startUnreadConnector({
      config: { origins: { quick: { url: origin.url } }, resolver: { networkCheck: '100ms' } },
      stdout,
      descriptors: DESCRIPTORS,
    })
    closeSync(stdout)
    const clients = Array.from({ length: CLIENTS }, () => new PersistentClient(connector.port))
    await expect
      .poll(() => clients.filter(({ answers }) => answers === 0).length, { timeout: 60_000 })
      .toBe(0)
    const under = await metrics(connector)
    expect(under.sum('middlemile_ingress_accept_pauses_total')).toBeGreaterThan(0)
    expect(readFileSync(log, 'utf8')).toMatch(
      /256 descriptors: room for 128 connections of clients and 64 to origins/,
    )
    expect(under.sum('middlemile_connections')).toBeLessThanOrEqual(64)
    expect(under.sum('process_open_fds')).toBeLessThan(DESCRIPTORS)
    expect(under.sum('middlemile_ingress_connections_total', { outcome: 'refused' })).toBe(0)
    expect(under.sum('middlemile_faults_total')).toBe(0)
    for (const client of clients) client.stop()
    expect(clients.flatMap(({ failures }) => failures)).toEqual([])

    await expect.poll(async () => (await metrics(connector)).sum('middlemile_ingress_connections')).toBe(0)
    await expect.poll(async () => (await metrics(connector)).sum('middlemile_ingress_paused')).toBe(0)
    using late = rawClient(connector.port)
    late.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await late.until(/\}\n$/)).toMatch(/^HTTP\/1\.1 200/)
    process.kill(connector.pid, 'SIGTERM')
    expect([await connector.exited, connector.stderr]).toEqual([0, ''])
  })
})

/** The status of one more request on an open connection. */
async function ask(client: RawClient, host: string): Promise<number> {
  const before = client.received.length
  client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await client.until(new RegExp(`^[^]{${before}}HTTP/1\\.1 \\d{3}[^]*\\r\\n\\r\\n[^]*\\}\\n?$`))
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(client.received.slice(before))?.[1])
}

describe.skipIf(noLimit !== undefined)('no descriptor left at all', () => {
  it('stops what needs one: dials over TCP and UDP, names, state, a reload; not the process, which recovers', async () => {
    const authority = await createCertificateAuthority()
    const { caFile } = await writeCertificateFiles(directory.path, authority)
    const log = join(directory.path, 'none-left')
    const stdout = openSync(log, 'w')
    await using connector = await startUnreadConnector({
      config: {
        state: { directory: join(directory.path, 'state') },
        qlog: { directory: join(directory.path, 'qlog') },
        resolver: { networkCheck: '50ms', dnsCache: 0, dnsNegativeCache: 0, dnsRefresh: '50ms' },
        defaults: {
          tls: { ca: caFile },
          retry: { maxRetries: 0 },
          pool: { backoffBase: '10ms', backoffMax: '20ms' },
        },
        origins: {
          fixed: { url: origin.url.replace('localhost', '127.0.0.1'), hosts: ['fixed.test'] },
          named: { url: origin.url, hosts: ['named.test'] },
          quic: { url: 'https://127.0.0.1:9', protocols: ['h3'], hosts: ['quic.test'] },
        },
      },
      stdout,
    })
    closeSync(stdout)
    using client = rawClient(connector.port)
    expect(await ask(client, 'nowhere.test')).toBe(404)
    const limit = (soft: string): void =>
      void execFileSync(prlimit, ['--pid', String(connector.pid), `--nofile=${soft}:`])
    const hard = execFileSync(
      prlimit,
      ['--pid', String(connector.pid), '--nofile', '--noheadings', '--output=HARD'],
      {
        encoding: 'utf8',
      },
    ).trim()

    limit('3')
    for (const host of ['fixed.test', 'named.test', 'quic.test'])
      expect([502, 503]).toContain(await ask(client, host))
    process.kill(connector.pid, 'SIGHUP')
    using late = rawClient(connector.port)
    late.send('GET / HTTP/1.1\r\nHost: fixed.test\r\n\r\n')
    for (let round = 0; round < 20; round++) expect([502, 503]).toContain(await ask(client, 'fixed.test'))

    limit(hard)
    await expect.poll(() => ask(client, 'fixed.test')).toBe(200)
    await expect.poll(() => ask(client, 'named.test')).toBe(200)
    // It was accepted late, or closed by libuv, which keeps a descriptor for that.
    expect(await late.until(/\}\n?$/)).toMatch(/^(HTTP\/1\.1 200|$)/)
    const after = await metrics(connector)
    expect(after.sum('middlemile_faults_total', { kind: 'contained', cause: 'system' })).toBeGreaterThan(0)
    expect(after.sum('middlemile_faults_total', { kind: 'uncaught' })).toBe(0)
    expect(after.sum('middlemile_faults_total', { cause: 'defect' })).toBe(0)
    process.kill(connector.pid, 'SIGTERM')
    expect([await connector.exited, connector.stderr]).toEqual([0, ''])
  })
})
