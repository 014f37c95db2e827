import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startBlackHole } from '../../support/loopback-server.ts'
import { type SeenRequest, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { freePort } from '../../support/tcp-port.ts'

/** What a caller of undici tests for: the class's name and the code. */
interface Shape {
  name: string
  code: string | undefined
}

/** The same scenario on undici's own Agent and on ours: callers must not have to tell the difference. */
describe('the errors of our dispatcher', () => {
  const timeouts = { headersTimeout: 500, bodyTimeout: 500 }
  const agents = (): { theirs: Dispatcher; ours: Dispatcher; close: () => Promise<unknown> } => {
    const transport = createTransport({
      defaults: { timeouts: { connectMs: 500 }, retry: { maxRetries: 0 } },
    })
    const theirs = new Agent({ connect: { timeout: 500 } })
    return {
      theirs,
      ours: transport.dispatcher(),
      close: () => Promise.all([theirs.destroy(), transport.close()]),
    }
  }
  const shapeOf = (error: unknown): Shape => {
    if (!(error instanceof Error)) throw new Error(`expected an Error, not ${String(error)}`)
    return { name: error.name, code: 'code' in error ? String(error.code) : undefined }
  }

  /** Runs the scenario on both. */
  async function compare(
    scenario: (dispatcher: Dispatcher) => Promise<unknown>,
  ): Promise<{ theirs: Shape; ours: Shape }> {
    const { theirs, ours, close } = agents()
    const outcome = (dispatcher: Dispatcher): Promise<Shape> =>
      scenario(dispatcher).then(
        value => shapeOf(new Error(`fulfilled with ${String(value)}`)),
        (error: unknown) => shapeOf(error),
      )
    const shapes = { theirs: await outcome(theirs), ours: await outcome(ours) }
    await close()
    return shapes
  }

  const onScript =
    (script: (seen: SeenRequest) => void, options: object = {}) =>
    async (dispatcher: Dispatcher): Promise<string> => {
      await using origin = await startScriptedOrigin(script)
      const { body } = await request(origin.url, { dispatcher, ...timeouts, ...options })
      return await body.text()
    }

  it.each<[string, (dispatcher: Dispatcher) => Promise<unknown>, Shape]>([
    [
      'a refused connection',
      async dispatcher => request(`http://127.0.0.1:${await freePort()}`, { dispatcher }),
      { name: 'Error', code: 'ECONNREFUSED' },
    ],
    [
      'a name without an address',
      dispatcher => request('http://does-not-exist.invalid', { dispatcher }),
      { name: 'Error', code: 'ENOTFOUND' },
    ],
    [
      'a connect that takes too long',
      async dispatcher => {
        await using hole = await startBlackHole('127.0.0.1')
        return await request(`http://127.0.0.1:${hole.port}`, { dispatcher })
      },
      { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' },
    ],
    [
      'no answer in time',
      onScript(() => {}),
      { name: 'HeadersTimeoutError', code: 'UND_ERR_HEADERS_TIMEOUT' },
    ],
    [
      'a body that stands still',
      onScript(({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx')),
      { name: 'BodyTimeoutError', code: 'UND_ERR_BODY_TIMEOUT' },
    ],
    [
      'a close without an answer',
      onScript(({ socket }) => socket.end()),
      { name: 'SocketError', code: 'UND_ERR_SOCKET' },
    ],
    [
      'a close within a body',
      onScript(({ socket }) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx')),
      { name: 'SocketError', code: 'UND_ERR_SOCKET' },
    ],
    [
      'a reset without an answer',
      onScript(({ socket }) => setImmediate(() => socket.resetAndDestroy())),
      { name: 'Error', code: 'ECONNRESET' },
    ],
    [
      'a header section that is too large',
      onScript(({ socket }) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)),
      { name: 'HeadersOverflowError', code: 'UND_ERR_HEADERS_OVERFLOW' },
    ],
    [
      'a body that is not as long as it says',
      onScript(() => {}, { method: 'POST', headers: { 'content-length': '9' }, body: oneChunk() }),
      { name: 'RequestContentLengthMismatchError', code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' },
    ],
    [
      'a header that is none',
      onScript(() => {}, { headers: { a: 'b\r\nc: d' } }),
      { name: 'InvalidArgumentError', code: 'UND_ERR_INVALID_ARG' },
    ],
    [
      'an abort without a reason',
      dispatcher => {
        const signal = new EventEmitter() // undici takes these as signals, too
        return onScript(() => void signal.emit('abort'), { signal })(dispatcher)
      },
      { name: 'AbortError', code: 'UND_ERR_ABORTED' },
    ],
    [
      'a closed dispatcher',
      async dispatcher => {
        await dispatcher.close()
        return request('http://127.0.0.1', { dispatcher })
      },
      { name: 'ClientDestroyedError', code: 'UND_ERR_DESTROYED' },
    ],
  ])('are those of undici: %s', async (_what, scenario, expected) => {
    const { theirs, ours } = await compare(scenario)
    expect({ theirs, ours }).toEqual({ theirs: expected, ours: expected })
  })

  it('for garbage have the same class, and the code of the parser', async () => {
    const { theirs, ours } = await compare(onScript(({ socket }) => socket.write('garbage\r\n\r\n')))
    expect([theirs.name, ours.name]).toEqual(['HTTPParserError', 'HTTPParserError'])
  })

  describe('over TLS', () => {
    let origin: TestOrigin
    beforeAll(async () => {
      const authority = await createCertificateAuthority()
      origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    })
    afterAll(() => origin.close())

    it('are those of undici for a certificate that nobody trusts', async () => {
      const { theirs, ours } = await compare(dispatcher => request(origin.url, { dispatcher }))
      expect(ours).toEqual(theirs)
      expect(ours.code).toMatch(/^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/)
    })
  })

  it('are the cause of the TypeError of fetch', async () => {
    const causeOf = async (dispatcher: Dispatcher): Promise<unknown> => {
      await using server = await startScriptedOrigin(({ socket }) => socket.end())
      return await fetch(server.url, { dispatcher }).catch((error: Error) => {
        throw error.cause
      })
    }
    const { theirs, ours } = await compare(causeOf)
    expect(ours).toEqual(theirs)
    expect(ours.code).toBe('UND_ERR_SOCKET')
  })

  it('carry our own error as their cause', async () => {
    const { ours, close } = agents()
    await using server = await startScriptedOrigin(({ socket }) => socket.end())
    await expect(request(server.url, { dispatcher: ours })).rejects.toMatchObject({
      cause: { code: 'MM_CONNECTION_CLOSED', processed: 'unknown', fault: 'remote' },
    })
    await close()
  })
})

async function* oneChunk(): AsyncGenerator<string> {
  yield 'one'
  await sleep(1)
}
