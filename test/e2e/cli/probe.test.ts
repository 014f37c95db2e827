import { beforeAll, describe, expect, it } from 'vitest'
import type { ProbeReport } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startCaddy } from '../../support/caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { freeDualPort, openUdpSocket } from '../../support/udp-port.ts'

/**
 * `middlemile probe` as people run it: a process of its own, over its own transport. Nothing asks a DNS
 * server outside of this machine.
 */

let authority: CertificateAuthority
beforeAll(async () => {
  authority = await createCertificateAuthority()
})

async function probe(...args: string[]) {
  // Port 9 (discard) of this machine: nobody answers there, and a refusal is as good as an answer.
  const result = await runCli(['probe', '--dns-server', '127.0.0.1:9', ...args])
  return { ...result, report: () => JSON.parse(result.stdout) as ProbeReport }
}

describe('middlemile probe', () => {
  it('finds HTTP/3 at caddy, as JSON and as text', async ctx => {
    const missing = requireBinary('caddy') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ authority, http2: true, http3: true })
    const json = await probe('--json', '--ca', caddy.certificates.caFile, caddy.url)
    expect([json.exitCode, json.stderr]).toEqual([0, ''])
    const report = json.report()
    expect(report).toMatchObject({
      origin: caddy.url,
      isReachable: true,
      tls: [
        { version: 'TLSv1.3', handshake: { found: { protocol: 'h2' } } },
        { version: 'TLSv1.2', handshake: { found: { protocol: 'h2' } } },
      ],
      tickets: { found: { version: 'TLSv1.3' } },
      altSvc: { found: [{ protocol: 'h3', host: 'localhost', port: caddy.tlsPort }] },
    })
    const endpoint = `127.0.0.1:${caddy.tlsPort}`
    expect(report.http3.find(look => look.endpoint === endpoint)).toMatchObject({
      handshake: { found: { protocol: 'h3' } },
    })
    const text = await probe('--ca', caddy.certificates.caFile, caddy.url)
    expect(text.exitCode).toBe(0)
    expect(text.stdout).toMatch(/\n ALPN h2 +accepted\n/)
    expect(text.stdout).toMatch(/\n UDP port \d+ +127\.0\.0\.1 +speaks QUIC \(v1\b.*\), [\d.]+ ms\n/)
    expect(text.stdout).toMatch(/\n +HTTP\/3 +handshake in [\d.]+ ms, h3, UDP by .+\n/)
  })

  it('names what is wrong with a certificate, and exits with 0 since something answered', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ authority, names: ['other.test'] })
    const { exitCode, stdout, stderr } = await probe('--ca', caddy.certificates.caFile, caddy.url)
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /\n certificate +not accepted: for localhost is for other names .*; from .*, valid until 20\d\d-/,
    )
    expect(stdout.match(/for other names/g), 'once').toHaveLength(1)
    expect(stderr).toContain('--insecure (-k)')
    expect(stdout).toMatch(/\n UDP port \d+ +127\.0\.0\.1 +refused: nothing listens there\n/)
  })

  it('exits with 1 where nothing answers, and distinguishes silence from refusal', async () => {
    const port = await freeDualPort()
    const hole = await openUdpSocket(port)
    const args = ['--resolve', `hole.test:${port}:127.0.0.1`, '--timeout-ms', '3000']
    const { exitCode, stdout } = await probe(...args, `https://hole.test:${port}`)
    hole.close()
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^https:\/\/hole\.test:\d+, probed in [\d.]+ ms: nothing answers there\n/)
    expect(stdout).toMatch(/\n 127\.0\.0\.1:\d+ +failed: refused the connection \(ECONNREFUSED\)\n/)
    expect(stdout).toMatch(
      /\n UDP port \d+ +127\.0\.0\.1 +silent: a firewall drops UDP, or nothing speaks QUIC there\n/,
    )
  })

  it('leaves forbidden protocols alone', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ authority, http2: true, http3: true })
    const args = ['--json', '--protocol', 'http/1.1', '--ca', caddy.certificates.caFile]
    const report = (await probe(...args, caddy.url)).report()
    expect(report.alpn).toEqual([
      { protocol: 'h2', accepted: { skipped: 'not allowed by the configuration' } },
      { protocol: 'http/1.1', accepted: { found: true } },
    ])
    expect(report.quic.every(({ answer }) => 'skipped' in answer)).toBe(true)
  })
})
