import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import type { ListenConfig } from '../../../src/service/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runTool } from '../../support/run-tool.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('curl') ?? requireBinary('openssl')
const directory = makeTemporaryDirectory('client-certificates')
const file = (name: string, contents: string): string => {
  const path = join(directory.path, name)
  writeFileSync(path, contents)
  return path
}

let clients: CertificateAuthority
let server: IssuedCertificate
let known: IssuedCertificate
let stranger: IssuedCertificate
let origin: { url: string; seen: (string | undefined)[] }
const closing: (() => void)[] = []
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  server = await authority.issue({ names: ['127.0.0.1', 'localhost'] })
  clients = await createCertificateAuthority()
  known = await clients.issue({ names: ['client.example'], clientAuth: true })
  stranger = await (await createCertificateAuthority()).issue({ names: ['client.example'], clientAuth: true })
  const seen: (string | undefined)[] = []
  const http = createServer((request, response) => {
    seen.push(request.headers['client-cert']?.toString())
    response.end('ok')
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  origin = { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, seen }
  closing.push(
    () => http.close(),
    () => directory.remove(),
  )
})
afterAll(() => {
  for (const close of closing) close()
})

function listener(clientCertificates: 'require' | 'ask'): ListenConfig {
  const { cert, key } = server
  return { address: '127.0.0.1:0', tls: { cert, key, clientCa: clients.cert, clientCertificates } }
}

function start(...listen: ListenConfig[]): Promise<TestConnector> {
  return startConnector({ listen, origins: { a: { url: origin.url } } })
}

/** The status of a request of curl's; 0: the handshake failed. */
async function asked(url: string, identity?: IssuedCertificate, ...args: string[]): Promise<number> {
  const shown =
    identity === undefined
      ? []
      : ['--cert', file('client.pem', identity.cert), '--key', file('client.key', identity.key)]
  const line = ['-s', '-k', '-o', '/dev/null', '-w', '%{http_code}', ...shown, ...args, url]
  return Number((await runTool('curl', line)).output)
}

const derOf = (pem: string): string => `:${new X509Certificate(pem).raw.toString('base64')}:`

describe.skipIf(missing !== undefined)(
  `client certificates${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('are required, and reach the origin over each protocol as they were shown', async () => {
      await using connector = await start(listener('require'))
      origin.seen.length = 0
      expect(await asked(connector.url, known, '--http1.1')).toBe(200)
      expect(await asked(connector.url, known, '--http2')).toBe(200)
      expect(origin.seen).toEqual([derOf(known.cert), derOf(known.cert)])
      expect(await asked(connector.url)).toBe(0)
      expect(await asked(connector.url, stranger)).toBe(0)
      expect(origin.seen).toHaveLength(2)
    })

    it('are asked for, and a client without a valid one counts as one without any, whatever it claims', async () => {
      await using connector = await start(listener('ask'))
      const forged = ['-H', `Client-Cert: ${derOf(known.cert)}`]
      origin.seen.length = 0
      expect(await asked(connector.url, known, ...forged)).toBe(200)
      expect(await asked(connector.url, undefined, ...forged)).toBe(200)
      expect(await asked(connector.url, stranger, ...forged)).toBe(200)
      expect(origin.seen).toEqual([derOf(known.cert), undefined, undefined])
    })

    it('are not got around by a session of a listener that only asks, and stay known to sessions of their own', async () => {
      await using connector = await start(listener('require'), listener('ask'))
      const [strict = 0, lax = 0] = connector.service.addresses.map(({ port }) => port)
      const session = join(directory.path, 'session')
      const talk = (port: number, ...args: string[]): Promise<string> => {
        const line = `printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -ign_eof -connect 127.0.0.1:${port} ${args.join(' ')}`
        return runTool('sh', ['-c', line]).then(({ output }) => output)
      }
      origin.seen.length = 0
      expect(await talk(lax, '-sess_out', session)).toContain('200 OK')
      expect(await talk(strict, '-sess_in', session)).not.toContain('200 OK')
      expect(origin.seen).toEqual([undefined])
      const identity = ['-cert', file('k.pem', known.cert), '-key', file('k.key', known.key)]
      expect(await talk(strict, ...identity, '-sess_out', session)).toContain('200 OK')
      expect(await talk(strict, '-sess_in', session)).toContain('200 OK')
      expect(origin.seen).toEqual([undefined, derOf(known.cert), derOf(known.cert)])
    })

    it.skipIf(requireQuic() !== undefined)(
      'are required over HTTP/3 as well, and in sessions of their own alone',
      async () => {
        await using connector = await start(
          { ...listener('require'), protocols: ['h3'] },
          { ...listener('require'), tls: { cert: server.cert, key: server.key }, protocols: ['h3'] },
        )
        const [strict = 0, open = 0] = connector.service.addresses.map(({ port }) => port)
        const ask = async (port: number, shown: Partial<IssuedCertificate>): Promise<string[]> => {
          const tls = {
            ca: server.ca,
            ...(shown.cert && { cert: shown.cert }),
            ...(shown.key && { key: shown.key }),
          }
          const answers: string[] = []
          const kinds: string[] = []
          for (let attempt = 0; attempt < 2; attempt += 1) {
            await using transport = createTransport({
              defaults: { protocols: ['h3'], tls },
              state: { directory: join(directory.path, `state-${port}-${shown.cert?.length ?? 0}`) },
              observer: event => {
                if (event.type === 'connection-opened') kinds.push(event.connection.handshake.kind)
              },
            })
            const answer = await transport.request(`https://localhost:${port}/`).then(
              async response => {
                await response.text()
                return String(response.status)
              },
              (error: { code: string }) => error.code,
            )
            answers.push([answer, ...kinds.splice(0)].join(' '))
          }
          return answers
        }
        origin.seen.length = 0
        expect(await ask(strict, known)).toEqual(['200 full', '200 resumed'])
        expect(origin.seen).toEqual([derOf(known.cert), derOf(known.cert)])
        for (const shown of [{}, stranger])
          for (const answer of await ask(strict, shown)) expect(answer).toMatch(/^MM_/)
        expect(await ask(open, {})).toEqual(['200 full', '200 resumed'])
        expect(origin.seen).toEqual([derOf(known.cert), derOf(known.cert), undefined, undefined])
      },
    )
  },
)
