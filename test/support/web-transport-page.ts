import { spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { findBinary, requireBinary } from './require-binary.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/**
 * Runs the body of an async function in headless Chromium, whose `open(url)` makes a session that takes the
 * certificate by its hash, and tells what it returned. Chromium takes such a certificate if it has an ECDSA key and
 * is good for 14 days at the most.
 */
export async function runInChromium(certificate: string, target: string, body: string): Promise<unknown> {
  using directory = makeTemporaryDirectory('chromium')
  const hash = createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64')
  const page = `<!doctype html><meta charset="utf-8"><script>
const open = url => new WebTransport(url, {
  serverCertificateHashes: [{ algorithm: 'sha-256', value: Uint8Array.from(atob('${hash}'), c => c.charCodeAt(0)) }],
})
const target = '${target}'
const run = async () => {${body}}
const tell = result => fetch('/result', { method: 'POST', body: JSON.stringify(result ?? null) })
run().then(tell, error => tell({ error: String(error), source: error.source, code: error.streamErrorCode }))
</script>`
  let told: (result: unknown) => void = () => {}
  const result = new Promise<unknown>(resolve => (told = resolve))
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html').end(page)
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.end()
      told(JSON.parse(Buffer.concat(chunks).toString()))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on a port
  const path = findBinary('chromium')
  if (path === undefined) throw new Error(requireBinary('chromium'))
  const chromium = spawn(
    path,
    [
      '--headless',
      '--no-sandbox', // it refuses to run as root with one, and reads nothing but our own page
      '--disable-gpu',
      '--no-proxy-server',
      `--user-data-dir=${join(directory.path, 'profile')}`,
      `http://127.0.0.1:${port}/`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true }, // it has children, and a group of its own
  )
  let output = ''
  chromium.stderr.setEncoding('latin1').on('data', (text: string) => (output += text))
  const closed = new Promise<void>(resolve => chromium.once('close', () => resolve()))
  try {
    const ended = closed.then(() => Promise.reject(new Error(`chromium ended: ${output.slice(0, 2_000)}`)))
    return await Promise.race([result, ended])
  } finally {
    if (chromium.pid !== undefined && chromium.exitCode === null) process.kill(-chromium.pid, 'SIGKILL')
    await closed
    server.closeAllConnections()
    server.close()
  }
}
