import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type IngressListener, listen } from '../../../src/ingress/listener.ts'
import { type CertificateFiles, writeCertificateFiles } from '../../support/certificate-files.ts'
import {
  enterFastOpenNamespace,
  type FastOpenNamespace,
  requireFastOpenNamespace,
} from '../../support/fast-open-namespace.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { type CliResult, runCli } from '../../support/spawn-cli.ts'
import { addedTo, type TcpCounters } from '../../support/tcp-counters.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireFastOpenNamespace()
const directory = makeTemporaryDirectory('cli-fast-open')
let files: CertificateFiles

beforeAll(async () => {
  files = await writeCertificateFiles(directory.path)
})
afterAll(() => directory.remove())

/**
 * A process of its own each time: only the kernel, and what is in a state directory, knows of the last one.
 */
const get = (...args: string[]): Promise<CliResult> => runCli(['get', '--ca', files.caFile, ...args])

describe.skipIf(missing !== undefined)(`get --tfo ${missing ?? ''}`, () => {
  let network: FastOpenNamespace
  let listener: IngressListener
  let url: string

  beforeAll(async () => {
    network = enterFastOpenNamespace(3)
    listener = await listen({
      address: { host: '127.0.0.1', port: 0 },
      tls: { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) },
      handler: exchange => {
        exchange.events = { onDrain() {}, onAborted() {} }
        exchange.respondStart(200, ['content-length', '0'])
        exchange.respondEnd([])
      },
      fastOpen: 16,
    })
    url = `https://127.0.0.1:${listener.port}/`
  })
  afterEach(() => {
    network.setFastOpen(3)
    network.flushCookies()
  })
  afterAll(async () => {
    await listener.close()
    network[Symbol.dispose]()
  })

  /** The record of one request, and what it added to the counters of the namespace. */
  async function fetched(
    ...args: string[]
  ): Promise<{ record: Record<string, unknown>; added: TcpCounters }> {
    const before = network.counters()
    // With other groups the ClientHello of Node 24 fits into no SYN.
    const { exitCode, stdout, stderr } = await get('--json', '--groups', 'X25519:P-256', ...args, url)
    expect([exitCode, stderr]).toEqual([0, ''])
    const [line = ''] = stdout.split('\n')
    return { record: JSON.parse(line), added: addedTo(before, network.counters()) }
  }

  it.each(['http/1.1', 'h2'])(
    'asks for a cookie, and then begins the handshake with the SYN: %s',
    async protocol => {
      const first = await fetched('--tfo', '--protocol', protocol)
      expect(first.record).toMatchObject({
        status: 200,
        protocol,
        tfo: 'fallback',
        tfoBecause: 'the kernel had no cookie for the address, and asked for one',
      })
      expect(first.added).toMatchObject({ TCPFastOpenCookieReqd: 1, TCPFastOpenPassive: 0 })
      const second = await fetched('--tfo', '--protocol', protocol)
      expect(second.record).toMatchObject({
        status: 200,
        protocol,
        tfo: 'used',
        tfoBecause: expect.stringMatching(/^the SYN carried \d+ bytes$/),
      })
      expect(second.added).toMatchObject({ TCPFastOpenActive: 1, TCPFastOpenPassive: 1 })
    },
  )

  it('is off without the flag', async () => {
    await fetched('--tfo')
    const { record, added } = await fetched()
    expect(record).toMatchObject({ status: 200, tfo: 'off' })
    expect(record).not.toHaveProperty('tfoBecause')
    expect(added).toMatchObject({ TCPFastOpenActive: 0, TCPFastOpenPassive: 0 })
  })

  it('connects as always where the kernel forbids it, and says so', async () => {
    network.setFastOpen(2)
    const because = 'net.ipv4.tcp_fastopen is 2, which forbids Fast Open to clients (0x1 is not set)'
    const { record } = await fetched('--tfo')
    expect(record).toMatchObject({ status: 200, tfo: 'fallback', tfoBecause: because })
    const { stdout } = await get('--tfo', url)
    expect(stdout).toContain(`\nfast open   fallback — because ${because}\n`)
    const explained = await runCli(['explain', '--ca', files.caFile, url])
    expect(explained.stdout).toMatch(
      new RegExp(`^ TCP Fast Open +${because.replace(/[.()]/g, '\\$&')}$`, 'm'),
    )
  })
})

const missingForEarlyData = missing ?? requireOpenssl() ?? requireBinary('nginx')

describe.skipIf(missingForEarlyData !== undefined)(
  `get --early-data over TCP ${missingForEarlyData ?? ''}`,
  () => {
    let network: FastOpenNamespace
    let nginx: Nginx

    beforeAll(async () => {
      network = enterFastOpenNamespace(3)
      nginx = await startNginx({ http2: true, tlsListen: 'fastopen=16', extraServer: 'ssl_early_data on;' })
    })
    afterAll(async () => {
      await nginx?.stop()
      network[Symbol.dispose]()
    })

    it.each(['http/1.1', 'h2'])(
      'sends it with the ticket of an earlier run, and with the SYN: %s',
      async protocol => {
        const state = join(directory.path, protocol.replace('/', '-'))
        const args = [
          '--early-data',
          '--tfo',
          '--groups',
          'X25519:P-256',
          '--state',
          state,
          '--protocol',
          protocol,
        ]
        const run = async (...more: string[]): Promise<string> => {
          const url = `${nginx.url}/reflect`
          const { exitCode, stdout, stderr } = await runCli([
            'get',
            '--ca',
            nginx.certificates.caFile,
            ...args,
            ...more,
            url,
          ])
          expect([exitCode, stderr]).toEqual([0, ''])
          return stdout
        }
        const [first = '', summary = ''] = (await run('--json')).split('\n')
        expect(JSON.parse(first)).toMatchObject({ status: 200, protocol, resumed: false, earlyData: 'none' })
        expect(JSON.parse(summary)).toMatchObject({ summary: { handshakes: { full: 1, earlyData: 0 } } })
        const [early = '', earlySummary = ''] = (await run('--json')).split('\n')
        expect(JSON.parse(early)).toMatchObject({ status: 200, protocol, earlyData: 'accepted', tfo: 'used' })
        expect(JSON.parse(earlySummary)).toMatchObject({ summary: { handshakes: { full: 0, earlyData: 1 } } })
        const text = await run()
        expect(text).toMatch(/^fast open +used — because the SYN carried \d+ bytes$/m)
        expect(text).toMatch(/^early data +accepted$/m)
      },
    )
  },
)

describe('get --groups', () => {
  it('prints the group of the key exchange', async () => {
    const { certFile, keyFile } = files
    const server = tls.createServer(
      { cert: readFileSync(certFile), key: readFileSync(keyFile), ecdhCurve: 'P-384' },
      socket =>
        void socket
          .on('error', () => {})
          .end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/` // it listens on TCP
      const refused = await get('--groups', 'X25519:P-256', '--protocol', 'http/1.1', url)
      expect([refused.exitCode, refused.stdout]).toEqual([1, expect.stringContaining('MM_TLS_')])
      expect(await get('--groups', 'X25519:P-384', '--protocol', 'http/1.1', url)).toMatchObject({
        exitCode: 0,
      })
    } finally {
      server.close()
    }
  })
})
