import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { parseOrigin, TransportError, type TransportEvent } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { ok } from '../../support/scripted-origin.ts'
import { scriptedRun } from '../../support/scripted-run.ts'
import { until } from '../../support/until.ts'

/**
 * Which code each failure has, whether the origin may have acted, and that the next request is none the worse
 * for it.
 */
describe('a failure', () => {
  const { toClose, transportWith, scripted, failure, textOf } = scriptedRun()

  describe('before a connection', () => {
    it('is MM_CONNECT_REFUSED where nobody listens, after the retries that are allowed', async () => {
      const events: TransportEvent[] = []
      const transport = transportWith({ pool: { backoffBaseMs: 10 } }, events)
      const error = await failure(transport.request('http://127.0.0.1:9/', { method: 'POST', body: 'x' }))
      expect(error).toMatchObject({
        code: 'MM_CONNECT_REFUSED',
        processed: 'no',
        fault: 'remote',
        retryable: true,
      })
      expect(events.filter(({ type }) => type === 'connect-failed')).toHaveLength(3)
      expect(events.at(-1)).toMatchObject({ type: 'exchange-ended', retries: 2, status: 0, error })
    })

    it('is MM_DNS_FAILED for a name without an address', async () => {
      const error = await failure(transportWith().request('http://does-not-exist.invalid/'))
      expect(error).toMatchObject({ code: 'MM_DNS_FAILED', processed: 'no' })
    })

    it('is MM_CONNECT_TIMEOUT where nobody answers', async () => {
      await using hole = await startBlackHole('127.0.0.1')
      const events: TransportEvent[] = []
      const transport = transportWith({ timeouts: { connectMs: 60 } }, events)
      const error = await failure(transport.request(`http://127.0.0.1:${hole.port}/`))
      expect(error).toMatchObject({ code: 'MM_CONNECT_TIMEOUT', processed: 'no' })
      expect(events.filter(({ type }) => type === 'connect-failed')).toHaveLength(1) // it is not tried again
    })

    it('is MM_TLS_TIMEOUT where TCP is all that there is', async () => {
      await using mute = await startLoopbackServer()
      const transport = transportWith({ timeouts: { tlsMs: 60 } })
      const error = await failure(transport.request(`https://127.0.0.1:${mute.port}/`))
      expect(error).toMatchObject({ code: 'MM_TLS_TIMEOUT', processed: 'no' })
    })

    it('is MM_CONNECT_FAILED when the server hangs up during the TLS handshake', async () => {
      const server = createServer(socket => socket.on('data', () => socket.destroy()).on('error', () => {}))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number } // it listens on a port
      toClose.push(() => new Promise(resolve => server.close(resolve)))
      const transport = transportWith({ retry: { maxRetries: 0 } })
      const error = await failure(transport.request(`https://127.0.0.1:${port}/`))
      expect(error).toMatchObject({ code: 'MM_CONNECT_FAILED', processed: 'no' })
    })

    it('is MM_ALPN_MISMATCH when the origin speaks none of our protocols', async () => {
      const authority = await createCertificateAuthority()
      const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
      await using server = await startLoopbackServer({ tls: { cert, key, ALPNProtocols: ['h2'] } })
      const transport = transportWith({ tls: { ca: authority.cert }, protocols: ['http/1.1'] })
      const error = await failure(transport.request(`https://127.0.0.1:${server.port}/`))
      expect(error).toMatchObject({ code: 'MM_ALPN_MISMATCH', processed: 'no' })
    })

    it('is MM_PROTOCOL_UNAVAILABLE when no allowed protocol is built', async () => {
      const error = await failure(transportWith({ protocols: ['h3'] }).request('http://127.0.0.1:9/'))
      expect(error).toMatchObject({ code: 'MM_PROTOCOL_UNAVAILABLE', fault: 'local', processed: 'no' })
    })
  })

  describe('of the call', () => {
    it.each([
      ['a URL that is none', 'nonsense', {}],
      ['a scheme that is not ours', 'ftp://127.0.0.1/', {}],
      ['credentials in the URL', 'http://user:secret@127.0.0.1/', {}],
      ['a body that is none', 'http://127.0.0.1/', { method: 'POST', body: 42 as unknown as string }],
      ['an odd header list', 'http://127.0.0.1/', { headers: ['a'] }],
    ])('is MM_INVALID_ARGUMENT for %s', async (_what, url, options) => {
      expect(await failure(transportWith().request(url, options))).toMatchObject({
        code: 'MM_INVALID_ARGUMENT',
        fault: 'local',
        processed: 'no',
      })
    })

    it.each([
      ['a method that is no token', { method: 'GET /' }],
      ['a header that would split the message', { headers: { 'x-a': 'b\r\nx-c: d' } }],
      ['a header name that is no token', { headers: { 'x a': 'b' } }],
      ['an authority that is none', { headers: { host: 'a b' } }],
      [
        'a content-length that the body does not have',
        { method: 'PUT', headers: { 'content-length': '3' }, body: 'four' },
      ],
    ])(
      'is MM_INVALID_ARGUMENT for %s, before a byte is written, and the connection goes on',
      async (_what, options) => {
        const origin = await scripted(({ socket }) => socket.write(ok()))
        const transport = transportWith()
        await textOf(transport, origin.url)
        expect(await failure(transport.request(origin.url, options))).toMatchObject({
          code: 'MM_INVALID_ARGUMENT',
          processed: 'no',
        })
        expect(await textOf(transport, origin.url)).toBe('ok')
        expect([origin.accepted(), origin.requests.length]).toEqual([1, 2])
      },
    )

    it('is MM_BODY_FAILED when the body throws, whose error is the cause', async () => {
      const origin = await scripted(() => {})
      const broken = async function* (): AsyncGenerator<string> {
        yield 'begin'
        await sleep(5)
        throw new Error('the disk is gone')
      }
      const error = await failure(transportWith().request(origin.url, { method: 'PUT', body: broken() }))
      expect(error).toMatchObject({ code: 'MM_BODY_FAILED', fault: 'local', processed: 'unknown' })
      expect(error.cause).toMatchObject({ message: 'the disk is gone' })
      await until(() => origin.open() === 0, 'the origin does not take half a body for a whole one')
    })

    it.each([
      ['shorter', ['abc']],
      ['longer', ['abc', 'defghi']],
    ])('is MM_BODY_LENGTH when a stream is %s than its content-length', async (_what, pieces) => {
      const origin = await scripted(() => {})
      const options = { method: 'PUT', headers: { 'content-length': '5' }, body: pieces[Symbol.iterator]() }
      const error = await failure(transportWith().request(origin.url, options))
      expect(error).toMatchObject({ code: 'MM_BODY_LENGTH', fault: 'local' })
    })

    it('is MM_INVALID_ARGUMENT when a body is larger than the caller allows, or is read twice', async () => {
      const origin = await scripted(({ socket }) => socket.write(ok('x'.repeat(200_000))))
      const transport = transportWith()
      const large = await transport.request(origin.url)
      expect(await failure(large.bytes(100_000))).toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
      const twice = await transport.request(origin.url)
      expect(await twice.text()).toHaveLength(200_000)
      expect(() => twice.body).toThrow('used already')
    })
  })

  describe('by a deadline', () => {
    it('is MM_HEADERS_TIMEOUT, per origin and per request', async () => {
      const origin = await scripted(() => {})
      const transport = transportWith({ timeouts: { headersMs: 50 } })
      const error = await failure(transport.request(origin.url))
      expect(error).toMatchObject({ code: 'MM_HEADERS_TIMEOUT', processed: 'unknown', fault: 'remote' })
      expect(await failure(transport.request(origin.url, { headersTimeoutMs: 20 }))).toMatchObject({
        message: 'no response within 20 ms',
      })
      await until(() => origin.requests.length >= 2 && origin.open() === 0, 'both have come, and are closed')
      expect(origin.requests).toHaveLength(2) // not sent again
    })

    it('is MM_BODY_TIMEOUT when a response stalls, but not when its reader does', async () => {
      const origin = await scripted(({ socket, line }) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')
        socket.write(line === 'GET /whole' ? Buffer.alloc(1_000_000) : Buffer.alloc(10))
      })
      const transport = transportWith({ timeouts: { bodyMs: 300 } })
      const stuck = await transport.request(`${origin.url}/part`)
      expect(await failure(stuck.text())).toMatchObject({ code: 'MM_BODY_TIMEOUT', processed: 'yes' })

      const unread = await transport.request(`${origin.url}/whole`)
      await sleep(700)
      expect(await unread.bytes()).toHaveLength(1_000_000)
    })

    it('is MM_BODY_TIMEOUT when an upload stalls', async () => {
      const origin = await scripted(({ socket }) => socket.pause())
      const transport = transportWith({ timeouts: { bodyMs: 80 } })
      const error = await failure(transport.request(origin.url, { method: 'PUT', body: endless() }))
      expect(error).toMatchObject({ code: 'MM_BODY_TIMEOUT', processed: 'unknown' })
    })

    it('is MM_REQUEST_TIMEOUT over all, whatever it waits for', async () => {
      const origin = await scripted(({ socket, line }) => {
        if (line === 'GET /drip') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx')
      })
      await using mute = await startLoopbackServer()
      const transport = transportWith({ timeouts: { requestMs: 500 } })
      const [inBody, waiting] = [
        transport.request(`${origin.url}/drip`),
        transport.request(`https://127.0.0.1:${mute.port}/`),
      ]
      const outcomes = await Promise.all([
        failure(inBody.then(response => response.text())),
        failure(waiting),
      ])
      expect(outcomes).toMatchObject([
        { code: 'MM_REQUEST_TIMEOUT', processed: 'yes' },
        { code: 'MM_REQUEST_TIMEOUT', processed: 'no' },
      ])
      expect(await failure(transport.request(`${origin.url}/silent`))).toMatchObject({
        code: 'MM_REQUEST_TIMEOUT',
        processed: 'unknown',
      })
    })
  })

  describe('in the middle of a response', () => {
    const HEAD = 'HTTP/1.1 200 OK\r\n'
    it.each([
      [
        'a close within a body of known length',
        `${HEAD}content-length: 10\r\n\r\nhalf`,
        'end',
        'MM_CONNECTION_CLOSED',
        'yes',
      ],
      [
        'a close within a chunked body',
        `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf`,
        'end',
        'MM_CONNECTION_CLOSED',
        'yes',
      ],
      [
        'a reset within a body',
        `${HEAD}content-length: 10\r\n\r\nhalf`,
        'reset',
        'MM_CONNECTION_RESET',
        'yes',
      ],
      ['a close within a head', 'HTTP/1.1 200 OK\r\ncont', 'end', 'MM_CONNECTION_CLOSED', 'unknown'],
      ['a close without an answer', '', 'end', 'MM_CONNECTION_CLOSED', 'unknown'],
      ['a reset without an answer', '', 'reset', 'MM_CONNECTION_RESET', 'unknown'],
      ['garbage', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'stay', 'MM_PROTOCOL_ERROR', 'unknown'],
      [
        'both lengths',
        `${HEAD}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
        'stay',
        'MM_PROTOCOL_ERROR',
        'unknown',
      ],
      ['a bad chunk', `${HEAD}transfer-encoding: chunked\r\n\r\nxyz\r\n`, 'stay', 'MM_PROTOCOL_ERROR', 'yes'],
      [
        'a head that is too large',
        `${HEAD}x: ${'y'.repeat(70_000)}\r\n\r\n`,
        'stay',
        'MM_HEADER_LIMIT',
        'unknown',
      ],
      [
        'too many informational responses',
        'HTTP/1.1 102 Processing\r\n\r\n'.repeat(20),
        'stay',
        'MM_PROTOCOL_ERROR',
        'unknown',
      ],
      [
        'an upgrade that nobody asked for',
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
        'stay',
        'MM_PROTOCOL_ERROR',
        'unknown',
      ],
    ] as const)(
      'has a code of its own, and says what was processed: %s',
      async (_what, answer, then, code, processed) => {
        // The bytes first: a reset overtakes what the reader has not fetched yet.
        let reset = (): void => {}
        const origin = await scripted(({ socket, place, connection }) => {
          if (connection > 1 || place === 1) {
            socket.write(ok('good'))
            return
          }
          socket.write(answer)
          if (then === 'end') socket.end()
          else if (then === 'reset' && answer === '') socket.resetAndDestroy()
          else if (then === 'reset') reset = () => socket.resetAndDestroy()
        })
        const transport = transportWith()
        // On a connection that has worked before, and by POST: nothing excuses a second copy.
        expect(await textOf(transport, origin.url)).toBe('good')
        const outcome = transport.request(origin.url, { method: 'POST', body: 'x' }).then(response => {
          reset()
          return response.text()
        })
        expect(await failure(outcome)).toMatchObject({ code, processed })
        expect(origin.requests).toEqual(['GET /', 'POST /'])
        expect(await textOf(transport, origin.url)).toBe('good')
        expect(origin.accepted()).toBe(2)
      },
    )
  })

  describe('does not follow from odd behavior:', () => {
    it('1xx responses are noticed and skipped', async () => {
      const origin = await scripted(({ socket }) => {
        socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n')
        setTimeout(() => socket.write(ok('final')), 10)
      })
      const response = await transportWith().request(origin.url)
      expect(await response.text()).toBe('final')
      expect(response.info.informational).toEqual([
        { status: 103, headers: { link: '</a>' } },
        { status: 102, headers: {} },
      ])
    })

    it('bytes behind a response never meet the next request', async () => {
      const origin = await scripted(({ socket, connection }) => {
        socket.write(connection === 1 ? ok('first') + ok('poison') : ok('second'))
      })
      const transport = transportWith()
      expect([await textOf(transport, origin.url), await textOf(transport, origin.url)]).toEqual([
        'first',
        'second',
      ])
      expect(transport.stats().pools[0]?.closed).toEqual({ 'unexpected-data': 1 })
    })

    it('bytes that come late, on an idle connection, end it', async () => {
      const origin = await scripted(({ socket, connection }) => {
        socket.write(ok(`by ${connection}`))
        if (connection === 1) setTimeout(() => socket.write(ok('poison')), 20)
      })
      const transport = transportWith()
      expect(await textOf(transport, origin.url)).toBe('by 1')
      await until(() => origin.open() === 0, 'it is closed')
      expect(await textOf(transport, origin.url)).toBe('by 2')
      expect(transport.stats().pools[0]?.closed).toEqual({ 'unexpected-data': 1 })
    })

    it('an answer before the request body was read is an answer; the connection is not used again', async () => {
      const origin = await scripted(({ socket, line }) => {
        socket.write(line === 'GET /' ? ok() : 'HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge')
      })
      const transport = transportWith()
      const response = await transport.request(`${origin.url}/up`, { method: 'PUT', body: endless() })
      expect([response.status, await response.text()]).toEqual([413, 'large'])
      expect(await textOf(transport, origin.url)).toBe('ok')
      expect(origin.accepted()).toBe(2)
    })

    it('an answer that says close, in the middle of an upload, is an answer', async () => {
      const origin = await scripted(({ socket }) => {
        socket.end('HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno')
      })
      const response = await transportWith().request(origin.url, { method: 'PUT', body: endless() })
      expect([response.status, await response.text()]).toEqual([401, 'no'])
    })

    it('a body that lasts until the close is complete', async () => {
      const origin = await scripted(({ socket }) => {
        socket.write('HTTP/1.0 200 OK\r\n\r\nall ')
        setTimeout(() => socket.end('of it'), 10)
      })
      expect(await textOf(transportWith(), origin.url)).toBe('all of it')
    })

    it('an idle connection that the origin closes is replaced without a failure', async () => {
      const origin = await scripted(({ socket }) => {
        socket.write(ok())
        setTimeout(() => socket.end(), 10)
      })
      const transport = transportWith()
      for (let i = 1; i <= 3; i++) {
        expect(await textOf(transport, origin.url)).toBe('ok')
        await until(() => origin.open() === 0, 'it is closed')
      }
      expect([origin.accepted(), transport.stats().pools[0]?.retries]).toEqual([3, 0])
    })
  })

  it('goes to the handler, and dispatch() never throws', async () => {
    const transport = transportWith()
    await transport.close()
    const errors: TransportError[] = []
    const handle = transport.dispatch(
      parseOrigin('http://127.0.0.1:9'),
      { method: 'GET', path: '/', headers: [], body: null },
      {
        onRequestStart: () => {},
        onInformational: () => {},
        onResponseStart: () => {},
        onResponseData: () => {},
        onResponseEnd: () => {},
        onUpgrade: () => {},
        onResponseError: (_controller, error) => void errors.push(error),
      },
    )
    expect(errors).toMatchObject([{ code: 'MM_TRANSPORT_CLOSED' }])
    handle.abort(new TransportError('MM_ABORTED', 'late'))
    expect(errors).toHaveLength(1)
  })
})

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) {
    yield Buffer.alloc(65_536)
    await sleep(0)
  }
}
