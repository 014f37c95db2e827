import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { udpCalls } from '../../../src/quic/udp/udp-calls.ts'
import { compileSources } from '../../support/compiled-sources.ts'
import { nodeOfLine } from '../../support/newer-node.ts'
import { requireQuic } from '../../support/require-quic.ts'

const loaded = udpCalls()
const missing = 'unavailable' in loaded ? `skipped: ${loaded.unavailable}` : requireQuic()

/**
 * In a process of its own: sockets that nobody holds and that garbage collection has
 * passed by, an exchange over HTTP/3, 1,000 sockets opened and closed. It has to end by itself.
 */
const PROGRAM = `
import { readdirSync } from 'node:fs'
const sources = JSON.parse(process.argv[1])
const { bindUdp, connectUdp, udpStanding } = await import(sources.udp)
const { createTransport } = await import(sources.module)
const { listenQuic } = await import(sources.listener)
const { createCertificateAuthority } = await import(sources.certificates)

let came = 0
let onAll
const all = new Promise(resolve => { onAll = resolve })
const listener = { onDatagram() { if (++came === 90) onAll() }, onError(error) { throw error } }
await (async () => {
  const server = await bindUdp({ host: '127.0.0.1', port: 0 }, listener)
  server.unref()
  const { local } = server
  for (let round = 0; round < 3; round += 1) { globalThis.gc(); await new Promise(resolve => setTimeout(resolve, 5)) }
  const client = await connectUdp(local, listener)
  const alive = setInterval(() => {}, 1000)
  all.then(() => clearInterval(alive))
  for (let i = 0; i < 90; i += 1) client.send(client.room(1350).subarray(0, 1350))
  client.flush()
})()
await all

const authority = await createCertificateAuthority()
const tls = await authority.issue({ names: ['127.0.0.1'] })
const server = await listenQuic({
  address: { host: '127.0.0.1', port: 0 },
  tls,
  handler: exchange => {
    exchange.respondStart(200, [])
    exchange.respondData(Buffer.alloc(1_000_000, 'x'), chunk => chunk)
    exchange.respondEnd([])
  },
})
const transport = createTransport({ defaults: { tls: { ca: authority.cert }, protocols: ['h3'] } })
const response = await transport.request('https://127.0.0.1:' + server.port + '/')
let bytes = 0
for await (const chunk of response.body) bytes += chunk.length
await transport.close()
await server.close()

const before = readdirSync('/proc/self/fd').length
for (let round = 0; round < 20; round += 1) {
  const sockets = await Promise.all(Array.from({ length: 50 }, () => connectUdp({ host: '127.0.0.1', port: 9 }, listener)))
  for (const socket of sockets) socket.close()
  await new Promise(resolve => setImmediate(resolve))
}
const left = Math.max(0, readdirSync('/proc/self/fd').length - before)
console.log(JSON.stringify({ version: process.version, uses: udpStanding().uses, came, bytes, left }))
// Something comes while the process takes itself down.
const last = await bindUdp({ host: '127.0.0.1', port: 0 }, listener)
last.unref()
const sender = await connectUdp(last.local, listener)
process.on('exit', () => { sender.send(Buffer.from('x')); sender.flush() })
sender.send(Buffer.from('x'))
sender.flush()
`

const SOURCES = {
  udp: 'quic/udp/open-udp.ts',
  module: 'index.ts',
  listener: 'ingress/quic-listener.ts',
  certificates: 'testing/certificates.ts',
}
const run = promisify(execFile)

describe.skipIf(missing !== undefined)('UDP in batches', () => {
  it.for([20, 22, 24, 26])(
    'runs with Node %i: sockets that nobody holds, HTTP/3, 1,000 sockets, and the process ends',
    { timeout: 120_000 },
    async (line, ctx) => {
      const node = await nodeOfLine(line)
      ctx.skip('missing' in node, 'missing' in node ? node.missing : undefined)
      if ('missing' in node) return
      const options = { timeout: 60_000, env: { ...process.env, MIDDLEMILE_UDP: '' } }
      const sources = JSON.stringify(await compileSources(SOURCES))
      const args = ['--expose-gc', '--input-type=module', '-e', PROGRAM, '--', sources]
      const { stdout } = await run(node.path, args, options)
      expect(JSON.parse(stdout)).toEqual({
        version: expect.stringContaining(`v${line}.`),
        uses: 'GSO, GRO, sendmmsg and recvmmsg',
        came: 90,
        bytes: 1_000_000,
        left: 0,
      })
    },
  )
})
