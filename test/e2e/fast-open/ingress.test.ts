import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import type { IngressHandler } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressListener, listen } from '../../../src/ingress/listener.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type CertificateFiles, writeCertificateFiles } from '../../support/certificate-files.ts'
import { compileSources } from '../../support/compiled-sources.ts'
import { type CurlResult, curl } from '../../support/curl.ts'
import {
  enterFastOpenNamespace,
  type FastOpenNamespace,
  requireFastOpenNamespace,
} from '../../support/fast-open-namespace.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector } from '../../support/start-connector.ts'
import { addedTo, type TcpCounters } from '../../support/tcp-counters.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireFastOpenNamespace() ?? requireBinary('curl')
const directory = makeTemporaryDirectory('ingress-fast-open')
let files: CertificateFiles
let network: FastOpenNamespace
const open: IngressListener[] = []
const origins: TestOrigin[] = []

beforeAll(async () => {
  if (missing !== undefined) return
  files = await writeCertificateFiles(directory.path, undefined, ['localhost', '127.0.0.1', '::1'])
  network = enterFastOpenNamespace(3)
})
afterEach(async () => {
  await Promise.all([...open.splice(0), ...origins.splice(0)].map(server => server.close()))
  network.setFastOpen(3)
  network.flushCookies()
})
afterAll(() => {
  network?.[Symbol.dispose]()
  directory.remove()
})

/** Notifies the client what it looks like from here. */
const tellAddress: IngressHandler = exchange => {
  exchange.events = { onDrain() {}, onAborted() {} }
  const body = Buffer.from(`${exchange.remoteAddress} ${exchange.remotePort > 0}`)
  exchange.respondStart(200, ['content-length', String(body.length)])
  exchange.respondData(body, chunk => chunk)
  exchange.respondEnd([])
}

async function serve(fastOpen: number, host = '127.0.0.1') {
  const events: IngressEvent[] = []
  const listener = await listen({
    address: { host, port: 0 },
    tls: { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) },
    handler: tellAddress,
    observer: event => void events.push(event),
    fastOpen,
  })
  open.push(listener)
  return { listener, events }
}

/**
 * A client that nobody here wrote: one connection, whose ClientHello goes with the SYN where the kernel has a
 * cookie.
 */
async function getWithFastOpen(url: string, ...args: string[]): Promise<CurlResult> {
  return await curl(['--tcp-fastopen', '--cacert', files.caFile, ...args, url])
}

/** What the work adds to the counters of the namespace. */
async function counted(work: () => Promise<unknown>): Promise<TcpCounters> {
  const before = network.counters()
  await work()
  return addedTo(before, network.counters())
}

describe.skipIf(missing !== undefined)(`a listener with Fast Open ${missing ?? ''}`, () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', '--http1.1', '1.1'],
    ['127.0.0.1', '127.0.0.1', '--http2', '2'],
    ['::1', '[::1]', '--http2', '2'],
  ])(
    'gives out cookies, then takes the ClientHello out of the SYN: %s %s %s',
    async (host, name, flag, version) => {
      const { listener, events } = await serve(16, host)
      const url = `https://${name}:${listener.port}/`
      const answers: CurlResult[] = []
      const get = async () => void answers.push(await getWithFastOpen(url, flag))
      expect(await counted(get)).toMatchObject({ TCPFastOpenPassive: 0, TCPFastOpenCookieReqd: 1 })
      expect(await counted(get)).toMatchObject({
        TCPFastOpenPassive: 1,
        TCPFastOpenActive: 1,
        TCPFastOpenActiveFail: 0,
        TCPFastOpenPassiveFail: 0,
      })
      for (const { status, httpVersion, body, message } of answers) {
        expect({ status, httpVersion, message }).toEqual({ status: 200, httpVersion: version, message: '' })
        expect(String(body)).toBe(`${host} true`)
      }
      expect(events).toEqual([])
      expect(listener.stats.connections).toMatchObject({ accepted: 2, failedHandshakes: 0 })
    },
  )

  it('is off unless it is asked for', async () => {
    const { listener, events } = await serve(0)
    const get = () => getWithFastOpen(`https://127.0.0.1:${listener.port}/`)
    expect(await counted(async () => [await get(), await get()])).toMatchObject({ TCPFastOpenPassive: 0 })
    expect(events).toEqual([])
  })

  it.each([0, 1] as const)(
    'says why where the kernel forbids it to listeners, and works: %i',
    async setting => {
      network.setFastOpen(setting)
      const { listener, events } = await serve(16)
      const because = `net.ipv4.tcp_fastopen is ${setting}, which forbids Fast Open to listeners (0x2 is not set)`
      const { address, port } = listener
      expect(events).toEqual([{ type: 'fast-open-unavailable', because, address, port }])
      const added = await counted(async () => {
        for (let i = 0; i < 2; i++)
          expect(await getWithFastOpen(`https://127.0.0.1:${port}/`)).toMatchObject({ status: 200 })
      })
      expect(added).toMatchObject({ TCPFastOpenPassive: 0 })
      expect(events).toHaveLength(1)
    },
  )
})

/**
 * A worker of node:cluster that listens and reports the events; plain JavaScript, since Node 20 runs no
 * TypeScript.
 */
const CLUSTER = `
import cluster from 'node:cluster'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
const [, , entry, certFile, keyFile] = process.argv
if (cluster.isPrimary) cluster.fork().on('exit', () => process.exit())
else {
  const { listen } = await import(entry)
  const events = []
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const address = { host: '127.0.0.1', port: 0 }
  await listen({ address, tls, fastOpen: 8, handler() {}, observer: event => events.push(event.because) })
  console.log(JSON.stringify(events))
  process.exit()
}
`

describe.skipIf(missing !== undefined)(`a worker of node:cluster with Fast Open ${missing ?? ''}`, () => {
  it.each([
    ['rr', ['the socket is not of this process: a worker of node:cluster has its primary accept']],
    ['none', []],
  ])('has it only where it accepts by itself: scheduling %s', async (policy, events) => {
    const program = join(directory.path, 'cluster.mjs')
    writeFileSync(program, CLUSTER)
    const { entry } = await compileSources({ entry: 'ingress/listener.ts' })
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, entry, files.certFile, files.keyFile],
      { env: { ...process.env, NODE_CLUSTER_SCHED_POLICY: policy }, timeout: 20_000 },
    )
    expect(JSON.parse(stdout)).toEqual(events)
  })
})

describe.skipIf(missing !== undefined)(`the service with listen.fastOpen ${missing ?? ''}`, () => {
  const connectorToOrigin = async () => {
    const origin = await startQuickOrigin()
    origins.push(origin)
    return await startConnector({
      listen: [{ address: '127.0.0.1:0', tls: { cert: files.certFile, key: files.keyFile }, fastOpen: 64 }],
      origins: { shop: { url: origin.url } },
      log: { level: 'info' },
    })
  }

  it('forwards what came with Fast Open', async () => {
    await using connector = await connectorToOrigin()
    const added = await counted(async () => {
      for (let i = 0; i < 3; i++)
        expect(await getWithFastOpen(`${connector.url}/bytes/10`)).toMatchObject({ status: 200, bytes: 10 })
    })
    expect(added).toMatchObject({ TCPFastOpenPassive: 2 })
    expect(connector.log.filter(line => line.includes('Fast Open'))).toEqual([])
  })

  it('warns once where the kernel forbids it, and forwards all the same', async () => {
    network.setFastOpen(1)
    await using connector = await connectorToOrigin()
    for (let i = 0; i < 2; i++)
      expect(await getWithFastOpen(`${connector.url}/bytes/10`)).toMatchObject({ status: 200, bytes: 10 })
    expect(connector.log.filter(line => line.includes('Fast Open'))).toEqual([
      expect.stringContaining(
        `warn  listener 127.0.0.1:${connector.port}: no TCP Fast Open: net.ipv4.tcp_fastopen is 1, which forbids`,
      ),
    ])
  })
})
