import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, TransportError } from '../../../src/index.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import type { IngressListener } from '../../../src/ingress/listener.ts'
import { type ListenQuicOptions, listenQuic } from '../../../src/ingress/quic-listener.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { runGtlsclient } from '../../support/gtlsclient.ts'
import { cryptoFrame, sealInitial } from '../../support/initial-packets.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic()
const withoutGtlsclient = missing ?? requireBinary('gtlsclient')
const open: IngressListener[] = []
let authority: CertificateAuthority
let first: IssuedCertificate
let second: IssuedCertificate
beforeAll(async () => {
  authority = await createCertificateAuthority()
  first = await authority.issue({ names: ['first.test', 'localhost'] })
  second = await authority.issue({ names: ['second.test', '*.second.test'] })
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(listener => listener.close()))
})

/** Answers with the name that was asked for. */
function sayName(exchange: IngressExchange): void {
  const body = Buffer.from(exchange.tls?.serverName ?? 'nobody')
  exchange.events = { onDrain() {}, onAborted() {} }
  exchange.respondStart(200, ['content-length', String(body.length)])
  exchange.respondData(body, chunk => chunk)
  exchange.respondEnd([])
}

async function serve(options: Partial<ListenQuicOptions> = {}): Promise<IngressListener> {
  const listener = await listenQuic({
    address: { host: '127.0.0.1', port: 0 },
    handler: sayName,
    tls: first,
    certificates: [first, second],
    ...options,
  })
  open.push(listener)
  return listener
}

/** What a verifying client gets that asks for that host. */
async function ask(port: number, host: string): Promise<string> {
  await using transport = createTransport({
    defaults: { protocols: ['h3'], tls: { ca: authority.cert }, timeouts: { connectMs: 3_000 } },
    resolve: { [`${host}:${port}`]: '127.0.0.1' },
  })
  try {
    const response = await transport.request(`https://${host}:${port}/`)
    return await response.text()
  } catch (error) {
    return error instanceof TransportError ? error.code : String(error)
  }
}

/** The ClientHello of Node, which is whole as it stands in its first record. */
async function clientHello(servername: string): Promise<Buffer> {
  const record: Buffer[] = []
  await using server = await startLoopbackServer({
    onConnection: socket => void socket.once('data', chunk => record.push(chunk)),
  })
  const ALPNProtocols = ['h3', ...Array.from({ length: 200 }, (_, at) => `padding-${at}`)]
  const client = connectTls({ port: server.port, servername, ALPNProtocols }).on('error', () => {})
  await expect.poll(() => record.length).toBe(1)
  client.destroy()
  return (record[0] ?? Buffer.alloc(0)).subarray(5)
}

describe.skipIf(missing !== undefined)(
  `several certificates over HTTP/3${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('are shown by the name that a client asks for, which the request knows', async () => {
      const { port } = await serve()
      expect(await ask(port, 'first.test')).toBe('first.test')
      expect(await ask(port, 'second.test')).toBe('second.test')
      expect(await ask(port, 'a.second.test')).toBe('a.second.test')
      expect(await ask(port, 'third.test')).toBe('MM_TLS_CERTIFICATE')
      expect(await ask(port, 'a.b.second.test')).toBe('MM_TLS_CERTIFICATE')
    })

    it('are chosen behind a Retry as well', async () => {
      const { port } = await serve({ retry: 'always' })
      expect(await ask(port, 'second.test')).toBe('second.test')
    })

    it('refuse an unknown name with an alert, where they are to', async () => {
      const listener = await serve({ unknownNames: 'refuse' })
      const startedAt = performance.now()
      expect(await ask(listener.port, 'third.test')).toMatch(/^MM_(?:TLS|CONNECT)_/)
      expect(performance.now() - startedAt).toBeLessThan(2_500)
      expect(listener.stats.defences).toMatchObject({ unknownNames: 1 })
      expect(await ask(listener.port, 'second.test')).toBe('second.test')
    })

    it('are renewed for handshakes to come, each by itself', async () => {
      const listener = await serve()
      const other = await authority.issue({ names: ['third.test'] })
      expect(listener.renewCertificates([first, second])).toBe(false)
      expect(listener.renewCertificates([first, other])).toBe(true)
      expect(await ask(listener.port, 'third.test')).toBe('third.test')
      expect(await ask(listener.port, 'second.test')).toBe('MM_TLS_CERTIFICATE')
      const broken = { cert: other.cert, key: first.key }
      expect(() => listener.renewCertificates([first, broken])).toThrow('no pair')
      expect(await ask(listener.port, 'third.test')).toBe('third.test')
    })

    it('wait for a ClientHello that is spread over datagrams, in whatever order', async () => {
      const hello = await clientHello('second.test')
      expect(hello.length).toBeGreaterThan(1_200)
      const { port, stats } = await serve()
      const socket: Socket = createSocket('udp4')
      const answers: Buffer[] = []
      socket.on('message', message => answers.push(message))
      const destination = Buffer.from('an id of mine')
      const half = Math.floor(hello.length / 2)
      const [one, two] = [
        Buffer.concat([
          cryptoFrame(half, hello.subarray(half, half + 700)),
          cryptoFrame(0, hello.subarray(0, 300)),
        ]),
        Buffer.concat([
          cryptoFrame(half + 700, hello.subarray(half + 700)),
          cryptoFrame(300, hello.subarray(300, half)),
        ]),
      ].map((payload, number) => sealInitial({ destination, number, payload, padTo: 1_200 }))
      socket.send(one ?? '', port, '127.0.0.1')
      await new Promise(resolve => setTimeout(resolve, 100))
      expect([answers.length, stats.connections.accepted]).toEqual([0, 0])
      socket.send(two ?? '', port, '127.0.0.1')
      await once(socket, 'message')
      expect(stats.connections.accepted).toBe(1)
      socket.close()
    })
  },
)

describe.skipIf(withoutGtlsclient !== undefined)('gtlsclient', () => {
  it('has the name read that it asks for: localhost, where it is given an address', async () => {
    const { port } = await serve()
    const { bodies } = await runGtlsclient(port, ['/name'], { download: true })
    expect(String(bodies.get('/name'))).toBe('localhost')
  })
})
