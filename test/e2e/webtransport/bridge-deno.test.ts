import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { deno } from '../../support/deno.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { bridgeWorld } from './bridge-world.ts'
import { untilEnd } from './session-world.ts'

const run = promisify(execFile)
const BYTES = 200_000

/**
 * What it does not do (2.9.6): end a stream when its writer closes, take unidirectional streams of ours, and close a
 * session by a capsule.
 */
const CLIENT = `
const [url, hash] = Deno.args
const session = new WebTransport(url, {
  serverCertificateHashes: [{ algorithm: 'sha-256', value: Uint8Array.from(atob(hash), c => c.charCodeAt(0)) }],
})
await session.ready
const { readable, writable } = await session.createBidirectionalStream()
const bytes = new Uint8Array(${BYTES}).map((_, i) => i * 7)
const written = writable.getWriter().write(bytes)
const echoed = []
for (const reader = readable.getReader(); echoed.length < bytes.length;) echoed.push(...(await reader.read()).value)
await written
await session.datagrams.writable.getWriter().write(new Uint8Array([1, 2, 3]))
const datagram = (await session.datagrams.readable.getReader().read()).value
console.log(JSON.stringify({ isSame: echoed.every((byte, i) => byte === bytes[i]), datagram: [...datagram] }))
Deno.exit(0)
`

test('Deno speaks with an origin through the connector: a stream and datagrams, both ways', async ctx => {
  const missing = requireQuic()
  ctx.skip(missing !== undefined, missing)
  const found = await deno()
  ctx.skip('missing' in found, 'missing' in found ? found.missing : undefined)
  if ('missing' in found) return
  const world = await bridgeWorld(session => {
    void untilEnd(session.datagrams.readable, bytes => session.datagrams.writable.getWriter().write(bytes))
    void untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
      readable.pipeTo(writable).catch(() => {}) // it goes away in the middle
    })
  })
  using directory = makeTemporaryDirectory('deno')
  const file = join(directory.path, 'client.js')
  writeFileSync(file, CLIENT)
  const hash = createHash('sha256').update(new X509Certificate(world.identity.cert).raw).digest('base64')
  const url = `https://127.0.0.1:${world.connector.port}/deno`
  const { stdout } = await run(
    found.path,
    ['run', '--unstable-net', '--allow-net', '--no-remote', file, url, hash],
    { timeout: 20_000, env: { ...process.env, DENO_DIR: directory.path, NO_COLOR: '1' } },
  )
  expect(JSON.parse(stdout)).toEqual({ isSame: true, datagram: [1, 2, 3] })
  await expect.poll(() => world.records().length).toBe(1)
})
