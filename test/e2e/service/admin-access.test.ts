import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { startConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('curl')
const ORIGINS = { shop: { url: 'http://127.0.0.1:9' } } // nothing listens there, and nothing is asked of it
const READ = 'a-token-that-reads'
const CHANGE = 'a-token-that-changes'

const directory = makeTemporaryDirectory('admin')
const file = (name: string, contents: string): string => {
  const path = join(directory.path, name)
  writeFileSync(path, contents)
  return path
}
const tokens = { read: file('read', `${READ}\n`), change: file('change', CHANGE) }
let ca = ''
let server: { cert: string; key: string }
const clients = new Map<string, readonly string[]>()
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  ca = file('ca.pem', authority.cert)
  const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
  server = { cert, key }
  for (const name of ['ops.example', 'scraper.example']) {
    const { cert, key } = await authority.issue({ names: [name], clientAuth: true })
    clients.set(name, ['--cert', file(`${name}.pem`, cert), '--key', file(`${name}.key`, key)])
  }
  const stranger = await (await createCertificateAuthority()).issue({
    names: ['ops.example'],
    clientAuth: true,
  })
  clients.set('stranger', [
    '--cert',
    file('stranger.pem', stranger.cert),
    '--key',
    file('stranger.key', stranger.key),
  ])
  return () => directory.remove()
})

/** The status of a request that curl makes. */
async function asked(url: string, ...args: readonly string[]): Promise<number> {
  const { output } = await runTool('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...args, url])
  return Number(output)
}
const bearer = (token: string): string[] => ['-H', `Authorization: Bearer ${token}`]
const POST = ['-X', 'POST']

describe.skipIf(missing !== undefined)(
  `the admin server${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('answers by token and role, and probes of health by none', async () => {
      await using connector = await startConnector({
        admin: { address: '0.0.0.0:0', tokens },
        origins: ORIGINS,
      })
      const { adminUrl } = connector
      expect(await asked(`${adminUrl}/pools`)).toBe(401)
      expect(await asked(`${adminUrl}/pools`, ...bearer('a-token-of-nobody'))).toBe(401)
      expect(await asked(`${adminUrl}/pools`, ...bearer(READ))).toBe(200)
      expect(await asked(`${adminUrl}/metrics`, ...bearer(READ))).toBe(200)
      expect(await asked(`${adminUrl}/drain`, ...POST, ...bearer(READ))).toBe(403)
      expect(await asked(`${adminUrl}/drain`, ...POST)).toBe(401)
      expect([await asked(`${adminUrl}/readyz`), await asked(`${adminUrl}/healthz`)]).toEqual([200, 200])
      // By a name of the operator's, since no page of another site has the token.
      expect(await asked(`${adminUrl}/pools`, '-H', 'Host: admin.example', ...bearer(READ))).toBe(200)
      const answer = await fetch(`${adminUrl}/pools`)
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="middlemile"')
      expect(await asked(`${adminUrl}/drain`, ...POST, ...bearer(CHANGE))).toBe(202)
      expect(connector.log.join('\n')).not.toMatch(new RegExp(`${READ}|${CHANGE}`))
    })

    it('answers by client certificate over HTTPS, within the names that may change things', async () => {
      await using connector = await startConnector({
        admin: { address: '127.0.0.1:0', tls: { ...server, clientCa: ca, changeNames: ['ops.example'] } },
        origins: ORIGINS,
      })
      const url = `https://127.0.0.1:${connector.service.adminAddress?.port}`
      const by = (name: string): string[] => ['--cacert', ca, ...(clients.get(name) ?? [])]
      expect(await asked(`${url}/pools`, '--cacert', ca)).toBe(401)
      expect(await asked(`${url}/pools`, ...by('stranger'))).toBe(401)
      expect(await asked(`${url}/pools`, ...by('scraper.example'))).toBe(200)
      expect(await asked(`${url}/drain`, ...POST, ...by('scraper.example'))).toBe(403)
      expect(await asked(`${url}/readyz`, '--cacert', ca)).toBe(200)
      expect(await asked(`${url}/drain`, ...POST, ...by('ops.example'))).toBe(202)
    })
  },
)
