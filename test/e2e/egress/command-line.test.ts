import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startTinyproxy } from '../../support/debian-proxies.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { type CliResult, spawnCli } from '../../support/spawn-cli.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('nginx', 'tinyproxy')

/** Nothing of the environment of who runs the tests. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  return await spawnCli(args, undefined, { env: { PATH: process.env['PATH'], ...env } }).exited
}

describe.skipIf(missing !== undefined)('the command line', () => {
  const directory = makeTemporaryDirectory('egress-cli')
  const ca = join(directory.path, 'ca.pem')
  let nginx: Nginx
  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    writeFileSync(ca, authority.cert)
    nginx = await startNginx({
      authority,
      http2: true,
      extraServer: 'location = /who { default_type text/plain; return 200 $remote_addr; }',
    })
  })
  afterAll(async () => {
    await nginx?.stop()
    directory.remove()
  })
  const who = (): string => `${nginx.url}/who`

  it('gets through a proxy with credentials, which no output shows', async () => {
    await using proxy = await startTinyproxy({ user: 'me', password: 'hush' })
    const url = `http://me:hush@127.0.0.1:${proxy.port}`
    const good = await run(['get', who(), '--ca', ca, '--proxy', url, '--output', '-'])
    expect(good).toMatchObject({ exitCode: 0, stdout: '127.0.0.1' })
    const explained = await run(['explain', nginx.url, '--ca', ca, '--proxy', url])
    expect(explained.stdout).toContain(`the proxy http://127.0.0.1:${proxy.port} of egress proxy-1`)
    const bad = await run(['get', who(), '--ca', ca, '--proxy', url.replace('hush', 'hist')])
    expect([bad.exitCode, bad.stdout]).toEqual([1, expect.stringContaining('MM_PROXY_AUTH')])
    for (const { stdout, stderr } of [good, explained, bad]) expect(stdout + stderr).not.toMatch(/hush|hist/)
  })

  it('reads the proxy of the environment, and goes without it where it is told to', async () => {
    await using proxy = await startTinyproxy()
    const url = `http://127.0.0.1:${proxy.port}`
    const args = ['get', who(), '--ca', ca, '--output', '-']
    expect(await run(args, { https_proxy: url })).toMatchObject({ exitCode: 0, stdout: '127.0.0.1' })
    await proxy.server.stop('SIGKILL')
    const gone = await run(args, { https_proxy: url })
    expect([gone.exitCode, gone.stderr]).toEqual([
      1,
      expect.stringMatching(/MM_PROXY_FAILED.*the proxy http:\/\/127\.0\.0\.1:/s),
    ])
    expect(await run([...args, '--proxy', ''], { https_proxy: url })).toMatchObject({ exitCode: 0 })
    expect(await run(args, { https_proxy: url, no_proxy: 'localhost' })).toMatchObject({ exitCode: 0 })
  })

  it('leaves from the local address or the interface that --interface names', async () => {
    const args = ['get', who(), '--ca', ca, '--output', '-', '--interface']
    expect(await run([...args, '127.0.0.2'])).toMatchObject({ exitCode: 0, stdout: '127.0.0.2' })
    expect(await run([...args, 'lo'])).toMatchObject({ exitCode: 0, stdout: '127.0.0.1' })
    const lost = await run([...args, '192.0.2.99'])
    expect([lost.exitCode, lost.stderr]).toEqual([1, expect.stringContaining('MM_LOCAL_ADDRESS')])
    const wrong = await run([...args, 'nosuch0'])
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      2,
      expect.stringMatching(/--interface: a local address must be an IP address.*interfaces lo/),
    ])
    const both = await run([...args, '127.0.0.2', '--proxy', 'http://127.0.0.1:9'])
    expect([both.exitCode, both.stderr]).toEqual([2, expect.stringContaining('exclude each other')])
    const explained = await run(['explain', nginx.url, '--ca', ca, '--interface', '127.0.0.2'])
    expect(explained.stdout).toContain('IPv4 connections leave')
    const probed = await run(['probe', nginx.url, '--ca', ca, '--interface', '127.0.0.2'])
    expect(probed.exitCode).toBe(0)
  })
})
