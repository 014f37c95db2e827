import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { curl } from '../../support/curl.ts'
import { startHaproxyProcess } from '../../support/haproxy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('haproxy') ?? requireBinary('curl')

/** An origin that remembers for whom it was asked. */
async function startOrigin() {
  const asked: (string | undefined)[] = []
  const origin = await startScriptedOrigin(({ socket, head }) => {
    asked.push(/\r\nforwarded: ([^\r]*)/i.exec(head)?.[1])
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
  return { origin, asked }
}

/** Sends it, and reads what comes until the connection ends. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return text(socket)
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n'

describe('a listener behind a proxy that sends the PROXY protocol', () => {
  it('takes the client of the header for the client', async () => {
    const { origin, asked } = await startOrigin()
    await using _ = origin
    await using connector = await startConnector({
      listen: [{ address: '127.0.0.1:0', proxyProtocol: true }],
      origins: { origin: { url: origin.url } },
    })
    const answer = await exchange(connector.port, `PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\n${REQUEST}`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(asked).toEqual([expect.stringContaining('for=192.0.2.7')])
  })

  it('ends a connection without a header, and one of a proxy that is not trusted', async () => {
    const { origin, asked } = await startOrigin()
    await using _ = origin
    await using connector = await startConnector({
      listen: [
        { address: '127.0.0.1:0', proxyProtocol: true },
        { address: '127.0.0.1:0', proxyProtocol: ['10.0.0.0/8'] },
      ],
      origins: { origin: { url: origin.url } },
    })
    const ports = connector.service.addresses.map(({ port }) => port)
    expect(await exchange(ports[0] ?? 0, REQUEST)).toBe('')
    const header = 'PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\n'
    expect(await exchange(ports[1] ?? 0, header + REQUEST).catch(() => '')).toBe('')
    expect(asked).toEqual([])
  })

  describe.skipIf(missing !== undefined)('haproxy in front', () => {
    it.each([
      ['send-proxy', '--http1.1'],
      ['send-proxy', '--http2'],
      ['send-proxy-v2', '--http1.1'],
      ['send-proxy-v2', '--http2'],
    ])('%s with TLS within, curl %s', async (option, version) => {
      using directory = makeTemporaryDirectory('proxy-protocol')
      const { certFile, keyFile, caFile } = await writeCertificateFiles(directory.path)
      const { origin, asked } = await startOrigin()
      await using _ = origin
      await using connector = await startConnector({
        listen: [
          {
            address: '127.0.0.1:0',
            tls: { cert: certFile, key: keyFile },
            proxyProtocol: ['127.0.0.1'],
          },
        ],
        origins: { origin: { url: origin.url } },
      })
      const port = await freePort()
      const haproxy = await startHaproxyProcess(
        directory.path,
        `global
  noreuseport
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen edge
  bind 127.0.0.1:${port}
  server us 127.0.0.1:${connector.port} ${option}
`,
        [port],
      )
      try {
        const args = [version, '--cacert', caFile, '--interface', '127.0.0.9']
        const response = await curl([
          ...args,
          `https://localhost:${port}/`,
          '--resolve',
          `localhost:${port}:127.0.0.1`,
        ])
        expect([response.exitCode, response.status]).toEqual([0, 200])
        expect(asked).toEqual([expect.stringContaining('for=127.0.0.9')])
      } finally {
        await haproxy.stop()
      }
    })
  })
})
