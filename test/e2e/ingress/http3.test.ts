import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BodySink } from '../../../src/base/http/exchange.ts'
import { headerValue } from '../../../src/base/http/headers.ts'
import type { IngressExchange, IngressHandler } from '../../../src/ingress/ingress-exchange.ts'
import type { IngressListener } from '../../../src/ingress/listener.ts'
import { type ListenQuicOptions, listenQuic } from '../../../src/ingress/quic-listener.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { type GtlsclientResult, runGtlsclient } from '../../support/gtlsclient.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

// gtlsclient is ngtcp2 and nghttp3: a client that is not ours.

const missing = requireBinary('gtlsclient') ?? requireQuic()
const open: IngressListener[] = []
let identity: IssuedCertificate
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(listener => listener.close()))
})

async function serve(
  handler: IngressHandler,
  options: Partial<Omit<ListenQuicOptions, 'tls'>> & { tls?: Partial<ListenQuicOptions['tls']> } = {},
): Promise<IngressListener> {
  const listener = await listenQuic({
    address: { host: '127.0.0.1', port: 0 },
    handler,
    ...options,
    tls: { cert: identity.cert, key: identity.key, ...options.tls },
  })
  open.push(listener)
  return listener
}

const own = (chunk: Buffer): Buffer => chunk
const copy = (chunk: Buffer): Buffer => Buffer.from(chunk)
const ignore = { onDrain(): void {}, onAborted(): void {} }

function respond(exchange: IngressExchange, body: Buffer | string, headers: readonly string[] = []): void {
  const bytes = Buffer.from(body)
  exchange.events = ignore
  exchange.respondStart(200, [...headers, 'content-length', String(bytes.length)])
  if (exchange.method !== 'HEAD') exchange.respondData(bytes, own)
  exchange.respondEnd([])
}

/** Sends a body piece by piece, as the client takes it. */
function send(exchange: IngressExchange, body: Buffer): void {
  let sent = 0
  const more = (): void => {
    while (sent < body.length) {
      const piece = body.subarray(sent, sent + 65_536)
      sent += piece.length
      if (!exchange.respondData(piece, own)) return
    }
    exchange.respondEnd([])
  }
  exchange.events = { onDrain: more, onAborted() {} }
  exchange.respondStart(200, ['content-length', String(body.length)])
  more()
}

/** Sends the request body back as it comes, with back-pressure. */
const echo = (exchange: IngressExchange, onDone?: () => void): void => {
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    respond(exchange, body === null ? '' : Buffer.from(body))
    return
  }
  exchange.events = { onDrain: () => body.resume(), onAborted: () => body.cancel() }
  exchange.respondStart(200, [])
  const sink: BodySink = {
    write: chunk => exchange.respondData(Buffer.from(chunk), copy),
    end: trailers => {
      exchange.respondEnd(trailers)
      onDone?.()
    },
    fail: error => exchange.abort(error),
  }
  body.attach(sink)
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const statusesOf = ({ responses }: GtlsclientResult): number[][] =>
  [...responses.values()].map(({ statuses }) => statuses)

describe.skipIf(missing !== undefined)(
  `HTTP/3 to gtlsclient${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('answers GET, HEAD and POST, with 1xx and trailers', async () => {
      const listener = await serve(exchange => {
        exchange.events = ignore
        if (exchange.path === '/early') exchange.respondInformational(103, ['link', '</a>; rel=preload'])
        if (exchange.path === '/empty') {
          exchange.respondStart(204, [])
          exchange.respondEnd([])
        } else if (exchange.path === '/trailers') {
          exchange.respondStart(200, [])
          exchange.respondData(Buffer.from('body'), own)
          exchange.respondEnd(['x-sum', '42'])
        } else if (exchange.method === 'POST') echo(exchange)
        else
          respond(exchange, `${exchange.method} ${exchange.path} ${exchange.scheme} ${exchange.httpVersion}`)
      })
      const got = await runGtlsclient(listener.port, ['/a', '/early', '/empty', '/trailers'], {
        download: true,
      })
      expect([got.exitCode, got.alpn, statusesOf(got)]).toEqual([0, 'h3', [[200], [103, 200], [204], [200]]])
      expect([...got.responses.values()].map(({ closedWith }) => closedWith)).toEqual([256, 256, 256, 256])
      expect(got.bodies.get('/a')?.toString()).toBe('GET /a https 3')
      expect(got.responses.get(4)?.headers['link']).toBe('</a>; rel=preload')
      expect([got.bodies.get('/trailers')?.toString(), got.responses.get(12)?.headers['x-sum']]).toEqual([
        'body',
        '42',
      ])
      const head = await runGtlsclient(listener.port, ['/h'], { method: 'HEAD', download: true })
      expect([head.responses.get(0)?.headers['content-length'], head.bodies.get('/h')?.length]).toEqual([
        '15',
        0,
      ])
      const body = randomBytes(1000)
      const posted = await runGtlsclient(listener.port, ['/p'], { method: 'POST', body, download: true })
      expect(posted.bodies.get('/p')?.equals(body)).toBe(true)
      expect(listener.stats.protocols.h3).toEqual({ connections: 3, requests: 6 })
      expect(listener.stats.requests).toBe(6)
      expect(listener.stats.connections).toMatchObject({ accepted: 3, refused: 0, failedHandshakes: 0 })
      await expect.poll(() => listener.stats.connections.open).toBe(0)
    })

    it('carries 10 MB in each direction', async () => {
      const body = patternBytes(10_000_000)
      const listener = await serve(exchange => {
        if (exchange.method === 'GET') send(exchange, body)
        else echo(exchange)
      })
      const down = await runGtlsclient(listener.port, ['/down'], { download: true, isQuiet: true })
      expect(sha256(down.bodies.get('/down')!)).toBe(sha256(body))
      const options = { method: 'POST', body, download: true, isQuiet: true }
      const both = await runGtlsclient(listener.port, ['/both'], options)
      expect(sha256(both.bodies.get('/both')!)).toBe(sha256(body))
    })

    it('answers 1,000 requests of one connection, a hundred or so at a time', async () => {
      let most = 0
      let underWay = 0
      const listener = await serve(exchange => {
        most = Math.max(most, ++underWay)
        setTimeout(() => {
          underWay--
          respond(exchange, 'x'.repeat(1000))
        }, 1)
      })
      const got = await runGtlsclient(listener.port, ['/'], { requests: 1000 })
      expect([got.exitCode, got.responses.size]).toEqual([0, 1000])
      expect(statusesOf(got).every(([status, ...more]) => status === 200 && more.length === 0)).toBe(true)
      expect(listener.stats.protocols.h3).toEqual({ connections: 1, requests: 1000 })
      expect([most > 1, most <= 128]).toEqual([true, true])
    })

    it('loses nothing to a network that loses a twentieth', async () => {
      const body = patternBytes(300_000)
      const listener = await serve(exchange => send(exchange, body))
      const got = await runGtlsclient(listener.port, ['/a', '/b', '/c'], {
        download: true,
        args: ['--tx-loss=0.05', '--rx-loss=0.05', '--initial-rtt=20ms'],
      })
      for (const path of ['/a', '/b', '/c']) expect(sha256(got.bodies.get(path)!)).toBe(sha256(body))
    })

    it('asks for proof of the address when that is configured', async () => {
      const listener = await serve(exchange => respond(exchange, 'ok'), { retry: 'always' })
      const got = await runGtlsclient(listener.port, ['/'])
      expect([got.exitCode, got.isRetried, statusesOf(got)]).toEqual([0, true, [[200]]])
      const plain = await serve(exchange => respond(exchange, 'ok'), { retry: 'never' })
      expect((await runGtlsclient(plain.port, ['/'])).isRetried).toBe(false)
    })

    it('goes on after a key update of the client', async () => {
      const body = patternBytes(3_000_000)
      const listener = await serve(exchange => send(exchange, body))
      const got = await runGtlsclient(listener.port, ['/big'], { download: true, args: ['--key-update=5ms'] })
      expect(sha256(got.bodies.get('/big')!)).toBe(sha256(body))
    })

    it('resets what fails, and answers the rest of the connection', async () => {
      const listener = await serve(exchange => {
        if (exchange.path === '/ok') return respond(exchange, 'ok')
        exchange.events = ignore
        exchange.respondStart(200, ['content-length', '10'])
        exchange.respondData(Buffer.from('abc'), own)
        exchange.respondEnd([])
      })
      const got = await runGtlsclient(listener.port, ['/short', '/ok'])
      expect(got.responses.get(0)?.closedWith).toBe(0x102) // H3_INTERNAL_ERROR
      expect(got.responses.get(4)).toMatchObject({ statuses: [200], closedWith: 0x100 })
    })

    it('lets a request body wait for its reader, and others of the connection go on', async () => {
      const body = patternBytes(1_000_000)
      let asleep: IngressExchange | undefined
      const listener = await serve(exchange => {
        if (exchange.path === '/asleep') {
          exchange.events = ignore
          asleep = exchange
          return
        }
        // The other one wakes up when this one was answered.
        echo(exchange, () => setTimeout(() => echo(asleep!), 100))
      })
      const got = await runGtlsclient(listener.port, ['/asleep', '/awake'], {
        method: 'POST',
        body,
        download: true,
      })
      for (const path of ['/asleep', '/awake']) expect(sha256(got.bodies.get(path)!)).toBe(sha256(body))
      const [first] = /HTTP stream \d+ closed/.exec(got.output) ?? []
      expect(first).toBe('HTTP stream 4 closed')
    })

    it('answers a client though others send nonsense to its port', async () => {
      const body = patternBytes(1_000_000)
      const listener = await serve(exchange => send(exchange, body))
      const socket = createSocket('udp4')
      let answers = 0
      socket.on('message', () => answers++)
      const timer = setInterval(() => {
        for (let i = 0; i < 50; i++) {
          const nonsense = randomBytes(1 + Math.floor(Math.random() * 1400))
          // Every fourth one looks like an Initial packet of a version that nobody speaks.
          if (i % 4 === 0 && nonsense.length > 10) nonsense.set([0xc0, 0xba, 0xba, 0xba, 0xba, 8])
          socket.send(nonsense, listener.port, '127.0.0.1')
        }
      }, 5)
      try {
        const got = await runGtlsclient(listener.port, ['/big'], { download: true })
        expect(sha256(got.bodies.get('/big')!)).toBe(sha256(body))
        await expect.poll(() => answers).toBeGreaterThan(0)
      } finally {
        clearInterval(timer)
        socket.close()
      }
      expect(listener.stats.protocols.h3).toEqual({ connections: 1, requests: 1 })
    })

    it('answers 413 and stops the upload', async () => {
      const listener = await serve(exchange => echo(exchange), { limits: { maxBodyBytes: 1000 } })
      const got = await runGtlsclient(listener.port, ['/'], { method: 'POST', body: Buffer.alloc(1_000_000) })
      expect(statusesOf(got)).toEqual([[413]])
      expect(listener.stats.badRequests).toEqual({ MM_REQUEST_BODY_LIMIT: 1 })
    })

    describe('and its tickets', () => {
      const ticketKey = randomBytes(48)
      async function twice(
        first: Partial<ListenQuicOptions['tls']>,
        second: Partial<ListenQuicOptions['tls']>,
      ): Promise<{ got: GtlsclientResult; resumed: boolean[]; early: (string | undefined)[] }> {
        const resumed: boolean[] = []
        const early: (string | undefined)[] = []
        using directory = makeTemporaryDirectory('tickets')
        const memory = join(directory.path, 'memory')
        mkdirSync(memory)
        const handler: IngressHandler = exchange => {
          early.push(headerValue(exchange.headers, 'early-data'))
          respond(exchange, 'ok')
        }
        const onHandshake = ({ isResumed }: { isResumed: boolean }): void => void resumed.push(isResumed)
        const before = await serve(handler, { tls: first, onHandshake })
        await runGtlsclient(before.port, ['/1'], { memory, authority: 'localhost' })
        const after = await serve(handler, { tls: second, onHandshake })
        const got = await runGtlsclient(after.port, ['/2', '/3'], { memory, authority: 'localhost' })
        return { got, resumed, early }
      }

      it('accepts early data where that is on, and reports it to the handler', async () => {
        const { got, resumed, early } = await twice(
          { ticketKey, earlyData: true },
          { ticketKey, earlyData: true },
        )
        expect([got.earlyPackets > 0, got.isEarlyDataRejected, statusesOf(got)]).toEqual([
          true,
          false,
          [[200], [200]],
        ])
        expect(resumed).toEqual([false, true])
        expect(early).toEqual([undefined, '1', '1'])
      })

      it('refuses early data by default, and answers what was sent again', async () => {
        const { got, resumed, early } = await twice({ ticketKey, earlyData: true }, { ticketKey })
        expect([got.isEarlyDataRejected, statusesOf(got)]).toEqual([true, [[200], [200]]])
        expect(resumed).toEqual([false, true])
        expect(early).toEqual([undefined, undefined, undefined])
      })

      it('knows nothing of tickets of another key', async () => {
        const { got, resumed, early } = await twice(
          { ticketKey, earlyData: true },
          { ticketKey: randomBytes(48), earlyData: true },
        )
        expect([got.isEarlyDataRejected, statusesOf(got)]).toEqual([true, [[200], [200]]])
        expect(resumed).toEqual([false, false])
        expect(early).toEqual([undefined, undefined, undefined])
      })
    })

    it('drains: what is under way is answered, and the socket is free', async () => {
      let drained: Promise<void> | undefined
      const listener = await serve(exchange => {
        if (exchange.path === '/last') drained = listener.drain()
        setTimeout(() => respond(exchange, 'ok'), 50)
      })
      const got = await runGtlsclient(listener.port, ['/first', '/last'])
      expect(statusesOf(got)).toEqual([[200], [200]])
      await drained
      const socket = createSocket('udp4')
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind(listener.port, '127.0.0.1', resolve)
      })
      socket.close()
    })

    it('closes under requests: the handler is notified, and so is the client', async () => {
      const aborted: string[] = []
      const listener = await serve(exchange => {
        exchange.events = { onDrain() {}, onAborted: error => aborted.push(error.code) }
        setTimeout(() => void listener.close(), 20)
      })
      const got = await runGtlsclient(listener.port, ['/'])
      expect([aborted, statusesOf(got)]).toEqual([['MM_TRANSPORT_CLOSED'], []])
      expect(got.output).toMatch(/CONNECTION_CLOSE.*0x1d.*error_code=.*\(0x100\)/)
    })

    it('refuses an invalid certificate, and the key of another one, at the start', async () => {
      const other = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
      for (const tls of [{ cert: 'nonsense' }, { key: other.key }])
        await expect(serve(exchange => echo(exchange), { tls })).rejects.toMatchObject({
          code: 'MM_INVALID_ARGUMENT',
        })
    })

    it('reports that its port is in use', async () => {
      const first = await serve(exchange => echo(exchange))
      const address = { host: '127.0.0.1', port: first.port }
      await expect(serve(exchange => echo(exchange), { address })).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
    })
  },
)
