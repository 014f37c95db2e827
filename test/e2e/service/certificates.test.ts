import { renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

// openssl s_client is the client: it says which alert came, and verifies with the signatures that it is given.

const missing = requireBinary('openssl')
const PATIENT = { timeout: 20_000, interval: 25 }
const directory = makeTemporaryDirectory('certificates')
const pathOf = (name: string): string => join(directory.path, name)
let authority: CertificateAuthority
let origin: { url: string; close(): void }
beforeAll(async () => {
  authority = await createCertificateAuthority()
  const server = createServer((_request, response) => response.end('ok'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  origin = {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    close: () => server.close(),
  }
})
afterAll(() => {
  origin.close()
  directory.remove()
})

function start(listen: object, more: object = {}): Promise<TestConnector> {
  return startConnector({
    listen: [{ address: '127.0.0.1:0', tls: listen }],
    origins: { a: { url: origin.url } },
    ...more,
  })
}

/** Certificate and key in files of a directory, to which a link leads that another call leads elsewhere. */
function putFiles(name: string, { cert, key }: { cert: string; key: string }): { cert: string; key: string } {
  const own = `${name}-${Math.random().toString(36).slice(2)}`
  writeFileSync(pathOf(`${own}.pem`), cert)
  writeFileSync(pathOf(`${own}.key`), key)
  for (const kind of ['pem', 'key']) {
    symlinkSync(`${own}.${kind}`, pathOf(`${own}.${kind}.link`))
    renameSync(pathOf(`${own}.${kind}.link`), pathOf(`${name}.${kind}`))
  }
  return { cert: pathOf(`${name}.pem`), key: pathOf(`${name}.key`) }
}

/** What a client is shown: the names of the certificate. */
async function shown(port: number, serverName: string | undefined, alpn: string): Promise<string> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: [alpn],
    ...(serverName !== undefined && { servername: serverName }),
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    expect(socket.alpnProtocol).toBe(alpn)
    return socket.getPeerX509Certificate()?.subjectAltName ?? ''
  } finally {
    socket.destroy()
  }
}

const serialOf = (socket: TLSSocket): string | undefined => socket.getPeerX509Certificate()?.serialNumber

describe.skipIf(missing !== undefined)(`certificates${missing === undefined ? '' : `: ${missing}`}`, () => {
  it('are chosen by the name that a client asks for, and the first one is for all others', async () => {
    const certificates = await Promise.all(
      [['shop.example'], ['*.wild.example'], ['api.wild.example']].map(names => authority.issue({ names })),
    )
    await using connector = await start({
      certificates: certificates.map(({ cert, key }) => ({ cert, key })),
    })
    for (const alpn of ['h2', 'http/1.1']) {
      expect(await shown(connector.port, 'shop.example', alpn)).toBe('DNS:shop.example')
      expect(await shown(connector.port, 'a.wild.example', alpn)).toBe('DNS:*.wild.example')
      expect(await shown(connector.port, 'api.wild.example', alpn)).toBe('DNS:api.wild.example')
      expect(await shown(connector.port, 'other.example', alpn)).toBe('DNS:shop.example')
      expect(await shown(connector.port, undefined, alpn)).toBe('DNS:shop.example')
    }
  })

  it('are for known names alone where that is configured, and other clients receive unrecognized_name', async () => {
    const { cert, key } = await authority.issue({ names: ['shop.example'] })
    await using connector = await start({ cert, key, unknownNames: 'refuse' })
    const greet = (...args: string[]): Promise<string> =>
      runTool('sh', [
        '-c',
        `timeout 10 openssl s_client -connect 127.0.0.1:${connector.port} ${args.join(' ')} </dev/null`,
      ]).then(({ output }) => output)
    for (const version of ['-tls1_2', '-tls1_3'])
      expect(await greet(version, '-servername', 'other.example')).toMatch(
        /alert.*number 112|unrecognized name/i,
      )
    expect(await greet('-servername', 'shop.example')).toMatch(/CN ?= ?shop\.example/)
    expect(await greet('-noservername')).toMatch(/CN ?= ?shop\.example/)
    const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    expect(page.sum('middlemile_ingress_defences_total', { limit: 'unknownNames' })).toBe(2)
  })

  it('are RSA or ECDSA for one name, as the client can verify, with the session known to both', async () => {
    const { cert, key } = await authority.issue({ names: ['shop.example'] })
    const rsa = { cert: pathOf('rsa.pem'), key: pathOf('rsa.key') }
    const made = 'req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=rsa.example'.split(' ')
    const named = ['-addext', 'subjectAltName=DNS:shop.example', '-keyout', rsa.key, '-out', rsa.cert]
    await runTool('openssl', [...made, ...named])
    const other = await authority.issue({ names: ['other.example'] })
    await using connector = await start({
      certificates: [other, { cert, key }, rsa].map(one => ({ cert: one.cert, key: one.key })),
    })
    const session = pathOf('session')
    const greet = async (...args: string[]): Promise<string> => {
      const line = `printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | timeout 10 openssl s_client -ign_eof -connect 127.0.0.1:${connector.port} -servername shop.example ${args.join(' ')}`
      return (await runTool('sh', ['-c', line])).output
    }
    expect(await greet('-sigalgs', 'rsa_pss_rsae_sha256:RSA+SHA256')).toMatch(/CN ?= ?rsa\.example/)
    expect(await greet('-sigalgs', 'ecdsa_secp256r1_sha256')).toMatch(/CN ?= ?shop\.example/)
    expect(await greet('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')).toMatch(/CN ?= ?rsa\.example/)
    expect(await greet('-sess_out', session)).toContain('New, TLSv1.3')
    expect(await greet('-sess_in', session)).toContain('Reused, TLSv1.3')
  })

  it('change with their files, without a reload, for handshakes from then on', async () => {
    const before = await authority.issue({ names: ['shop.example'] })
    const after = await authority.issue({ names: ['shop.example'] })
    const files = putFiles('shop', before)
    const other = await authority.issue({ names: ['api.example'] })
    await using connector = await start(
      { certificates: [{ cert: other.cert, key: other.key }, files] },
      { certificates: { checkInterval: '20ms' } },
    )
    const dial = (): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket: TLSSocket = connect(
          { port: connector.port, host: '127.0.0.1', rejectUnauthorized: false, servername: 'shop.example' },
          () => resolve(socket),
        )
        socket.once('error', reject)
      })
    const metrics = async () =>
      parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    const kept = await dial()
    const first = serialOf(kept)
    // Neither half a pair nor what has expired changes anything; each is said once.
    const expired = await authority.issue({ names: ['shop.example'], notAfter: new Date(Date.now() - 1_000) })
    for (const [bad, count] of [
      [{ cert: after.cert, key: before.key }, 1],
      [expired, 2],
    ] as const) {
      putFiles('shop', bad)
      await vi.waitFor(async () => {
        expect((await metrics()).sum('middlemile_certificate_changes_total', { outcome: 'refused' })).toBe(
          count,
        )
      }, PATIENT)
    }
    expect(connector.log.filter(line => /old certificate stays/.test(line))).toEqual([
      expect.stringMatching(/shop\.pem cannot be used: .*mismatch/),
      expect.stringMatching(/shop\.pem cannot be used: the certificate of CN=shop\.example expired/),
    ])
    expect(first).toBeDefined()
    const stillOld = await dial()
    expect(serialOf(stillOld)).toBe(first)
    stillOld.destroy()
    putFiles('shop', after)
    await vi.waitFor(async () => {
      const fresh = await dial()
      const serial = serialOf(fresh)
      fresh.destroy()
      expect(serial).toBeDefined()
      expect(serial).not.toBe(first)
    }, PATIENT)
    const page = await metrics()
    expect(page.sum('middlemile_certificate_changes_total', { outcome: 'loaded' })).toBe(1)
    for (const certificate of ['shop.example', 'api.example'])
      expect(
        page.sum('middlemile_certificate_expiry_timestamp_seconds', { of: 'listener', certificate }),
      ).toBeGreaterThan(Date.now() / 1000)
    // The connection from before goes on.
    kept.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const answer = await new Promise<string>(resolve => kept.once('data', data => resolve(String(data))))
    expect(answer).toMatch(/^HTTP\/1\.1 200/)
    kept.destroy()
  })
})
