import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTransport, type Protocol } from '../../../src/index.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressListener, listen } from '../../../src/ingress/listener.ts'
import { listenQuic } from '../../../src/ingress/quic-listener.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { requireQuic } from '../../support/require-quic.ts'

const PATIENT = { timeout: 30_000, interval: 25 }
const LIMITS = { minRequestRate: 5_000, minResponseRate: 50_000, rateGraceMs: 1_000 }
const PIECE = Buffer.alloc(65_536)
const own = (chunk: Buffer): Buffer => chunk

/** Reads a body to its end, and answers with what it is asked for: without an end, as long as it is taken. */
function answer(exchange: IngressExchange): void {
  const { body } = exchange
  const respond = (): void => {
    const more = (): void => {
      while (exchange.respondData(PIECE, own)) {}
    }
    exchange.events = { onDrain: more, onAborted: error => void aborted.push(error.code) }
    exchange.respondStart(200, [])
    if (exchange.path === '/endless') more()
    else exchange.respondEnd([])
  }
  exchange.events = { onDrain() {}, onAborted: error => void aborted.push(error.code) }
  if (body === null || Buffer.isBuffer(body)) respond()
  else if ('attach' in body) body.attach({ write: () => true, end: respond, fail: () => {} })
}

const aborted: string[] = []
let identity: IssuedCertificate
const listeners: Partial<Record<Protocol, IngressListener>> = {}
beforeAll(async () => {
  identity = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
  const { cert, key } = identity
  const address = { host: '127.0.0.1', port: 0 }
  listeners['http/1.1'] = await listen({ address, handler: answer, limits: LIMITS })
  listeners.h2 = await listen({ address, tls: { cert, key }, handler: answer, limits: LIMITS })
  if (requireQuic() === undefined)
    listeners.h3 = await listenQuic({ address, tls: { cert, key }, handler: answer, limits: LIMITS })
})
afterAll(() => Promise.all(Object.values(listeners).map(listener => listener.close())))

async function* trickle(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.from('.')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function* flow(): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < 20; piece += 1) {
    yield PIECE
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

describe.each(['http/1.1', 'h2', 'h3'] as const)('clients of %s', protocol => {
  const missing = protocol === 'h3' ? requireQuic() : undefined
  const start = () => {
    const listener = listeners[protocol]
    if (listener === undefined) throw new Error('it listens')
    const scheme = protocol === 'http/1.1' ? 'http' : 'https'
    return {
      listener,
      url: `${scheme}://localhost:${listener.port}`,
      // What a large window takes at once is paid for as long as that may take.
      transport: createTransport({
        defaults: {
          protocols: [protocol],
          tls: { ca: identity.ca },
          http2: { streamWindowBytes: 65_536, maxStreamWindowBytes: 65_536, connectionWindowBytes: 65_536 },
          quic: { streamWindowBytes: 65_536, maxStreamWindowBytes: 65_536 },
        },
      }),
    }
  }

  it.skipIf(missing !== undefined)('that send a body too slowly are answered with 408', async () => {
    const { transport, url, listener } = start()
    await using own = transport
    const slow = await own.request(`${url}/`, { method: 'POST', body: trickle() })
    expect([slow.status, await slow.text()]).toEqual([
      408,
      expect.stringMatching(/MM_CLIENT_TIMEOUT.*at less than 5000 bytes a second/),
    ])
    expect(listener.stats.defences['minRequestRate']).toBeGreaterThan(0)
    const fast = await own.request(`${url}/`, { method: 'POST', body: flow() })
    expect(fast.status).toBe(200)
    await fast.text()
  })

  it.skipIf(missing !== undefined)('that take nothing of a response lose it', async () => {
    const { transport, url, listener } = start()
    await using own = transport
    aborted.length = 0
    const stuck = await own.request(`${url}/endless`)
    await vi.waitFor(() => expect(aborted).toEqual(['MM_CLIENT_TOO_SLOW']), PATIENT)
    expect(listener.stats.defences['minResponseRate']).toBeGreaterThan(0)
    await expect(stuck.text()).rejects.toMatchObject({ code: expect.stringMatching(/^MM_/) })
  })
})

describe('a client of HTTP/1.1', () => {
  it('that takes a little all the time loses its response as well, and one that is fast enough does not', async () => {
    const { port = 0, stats } = listeners['http/1.1'] ?? {}
    const ask = (): Socket => {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.write('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n')
      return socket
    }
    const before = stats?.defences['minResponseRate'] ?? 0
    const [slow, fast] = [ask(), ask()]
    let taken = 0
    fast.on('data', chunk => {
      taken += chunk.length
    })
    slow.pause()
    const timer = setInterval(() => slow.read(20), 20)
    await vi.waitFor(() => expect(stats?.defences['minResponseRate']).toBe(before + 1), PATIENT)
    clearInterval(timer)
    slow.destroy()
    const then = taken
    await vi.waitFor(() => expect(taken).toBeGreaterThan(then + 1_000_000), PATIENT)
    fast.destroy()
  })
})
