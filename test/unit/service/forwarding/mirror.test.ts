import { describe, expect, it } from 'vitest'
import { type BodySink, type BodySource, headerValue } from '../../../../src/entry/dispatch.ts'
import { TransportError } from '../../../../src/index.ts'
import { setUpForwarder } from '../forwarder-world.ts'

const ORIGINS = { a: { url: 'http://a' }, b: { url: 'http://b' } }

function setUp(route: object) {
  const world = setUpForwarder({ origins: ORIGINS, routes: [{ name: 'one', origin: 'a', ...route }] })
  const counts = () => Object.fromEntries(world.forwarder.mirrorCounts.get('one')?.counts ?? [])
  return { ...world, counts }
}

/** A body that the test writes. */
class ScriptedBody implements BodySource {
  length: number | undefined
  sink: BodySink | undefined
  readonly log: string[] = []
  isReplayable = () => true
  attach(sink: BodySink): void {
    this.sink = sink
  }
  resume(): void {
    this.log.push('resume')
  }
  cancel(): void {
    this.log.push('cancel')
  }
}

/** What an origin gets of a body. */
function receive(body: unknown) {
  const log: string[] = []
  const sink: BodySink = {
    write: chunk => log.push(`data ${Buffer.from(chunk).toString()}`) > 0,
    end: () => void log.push('end'),
    fail: error => void log.push(`fail ${error.code}`),
  }
  ;(body as BodySource).attach(sink) // the test sends one
  return log
}

describe('a mirrored request', () => {
  it('goes to the other origin as well, marked, behind the one that counts', () => {
    const { send, dispatches, counts } = setUp({ mirror: { origin: 'b' }, rewrite: { path: '/v2' } })
    const client = send({ headers: ['accept', 'x', 'expect', '100-continue'], path: '/x' })
    const [real, copy] = dispatches
    expect([real?.origin.key, copy?.origin.key]).toEqual(['http://a', 'http://b'])
    expect(copy?.request).toMatchObject({
      method: 'GET',
      path: '/v2/x',
      body: null,
      retry: { maxRetries: 0 },
    })
    expect(headerValue(copy?.request.headers ?? [], 'x-mirrored')).toBe('1')
    expect(headerValue(copy?.request.headers ?? [], 'expect')).toBeUndefined()
    expect(headerValue(real?.request.headers ?? [], 'x-mirrored')).toBeUndefined()
    if (copy === undefined) throw new Error('no copy')
    copy.handler.onResponseStart(copy, 500, [], '')
    copy.handler.onResponseData(copy, Buffer.from('x'))
    copy.handler.onResponseEnd(copy, [])
    expect(client.log).toEqual([])
    expect(counts()).toEqual({ answered: 1 })
  })

  it('gets the body once the origin has all of it, whatever becomes of the copy', () => {
    const { send, dispatches, counts } = setUp({ mirror: { origin: 'b', maxBodyBytes: 4 } })
    const body = new ScriptedBody()
    send({ method: 'POST', body })
    const log = receive(dispatches[0]?.request.body)
    body.sink?.write(Buffer.from('ab'))
    body.sink?.write(Buffer.from('cd'))
    expect(dispatches).toHaveLength(1)
    body.sink?.end([])
    expect(log).toEqual(['data ab', 'data cd', 'end'])
    expect(dispatches[1]?.request.body).toEqual(Buffer.from('abcd'))
    dispatches[1]?.abort(new TransportError('MM_CONNECT_REFUSED', 'no'))
    expect(counts()).toEqual({ failed: 1 })
  })

  it('starts its body anew with each try of the real one', () => {
    const { send, dispatches } = setUp({ mirror: { origin: 'b' } })
    const body = new ScriptedBody()
    send({ method: 'PUT', body })
    receive(dispatches[0]?.request.body)
    body.sink?.write(Buffer.from('lost'))
    receive(dispatches[0]?.request.body)
    body.sink?.write(Buffer.from('sent'))
    body.sink?.end([])
    expect(dispatches[1]?.request.body).toEqual(Buffer.from('sent'))
  })

  it.each([
    ['longer than it may be', 5, 'too-large'],
    ['longer than it may be, as comes out late', undefined, 'too-large'],
  ])('is left out with a body %s, and the real one goes on', (_what, length, outcome) => {
    const { send, dispatches, counts } = setUp({ mirror: { origin: 'b', maxBodyBytes: 4 } })
    const body = new ScriptedBody()
    body.length = length
    send({ method: 'POST', body })
    const log = receive(dispatches[0]?.request.body)
    body.sink?.write(Buffer.from('abcde'))
    body.sink?.end([])
    expect(log).toEqual(['data abcde', 'end'])
    expect(dispatches).toHaveLength(1)
    expect(counts()).toEqual({ [outcome]: 1 })
  })

  it('is left out where the client breaks off, and while as many are under way as there may be', () => {
    const { send, dispatches, counts } = setUp({ mirror: { origin: 'b', maxUnderWay: 1 } })
    const body = new ScriptedBody()
    send({ method: 'POST', body })
    send()
    expect(counts()).toEqual({ busy: 1 })
    const log = receive(dispatches[0]?.request.body)
    body.sink?.fail(new TransportError('MM_CLIENT_GONE', 'gone'))
    expect(log).toEqual(['fail MM_CLIENT_GONE'])
    send()
    expect(counts()).toEqual({ busy: 1, incomplete: 1 })
    expect(dispatches.map(({ origin }) => origin.key)).toEqual([
      'http://a',
      'http://a',
      'http://a',
      'http://b',
    ])
  })

  it('is one of a share, and no upgrade', () => {
    const half = setUp({ mirror: { origin: 'b', share: 0.5 } })
    half.send()
    expect(half.dispatches).toHaveLength(1) // it draws 0.5
    const more = setUp({ mirror: { origin: 'b', share: 0.51 } })
    more.send()
    expect(more.dispatches).toHaveLength(2)
    const upgrade = setUp({ mirror: { origin: 'b' } })
    upgrade.send({ upgrade: 'websocket' })
    expect(upgrade.dispatches).toHaveLength(1)
  })
})

describe('a body with a limit', () => {
  it('is refused at once where its length says so', () => {
    const { send, dispatches, answers } = setUp({ maxBodyBytes: '4B' })
    const body = new ScriptedBody()
    body.length = 5
    send({ method: 'POST', body })
    expect(dispatches).toEqual([])
    expect(answers).toEqual([{ status: 413, route: 'one', code: 'MM_REQUEST_BODY_LIMIT' }])
  })

  it('is broken off where it turns out too long, and answered with 413', () => {
    const { send, dispatches, answers } = setUp({ maxBodyBytes: 4 })
    const body = new ScriptedBody()
    const client = send({ method: 'POST', body })
    const [dispatch] = dispatches
    const errors: TransportError[] = []
    const given = dispatch?.request.body as BodySource // the test sends one
    given.attach({ write: () => true, end: () => undefined, fail: error => errors.push(error) })
    body.sink?.write(Buffer.from('abcd'))
    expect(errors).toEqual([])
    body.sink?.write(Buffer.from('e'))
    body.sink?.write(Buffer.from('f'))
    body.sink?.end([])
    expect(errors.map(({ code }) => code)).toEqual(['MM_REQUEST_BODY_LIMIT'])
    expect(body.log).toEqual(['cancel'])
    expect(given.isReplayable()).toBe(false)
    for (const error of errors) dispatch?.handler.onResponseError(dispatch, error)
    expect(client.log[0]).toBe('start 413')
    expect(answers).toMatchObject([{ status: 413 }])
  })

  it('passes on what the origin asks for', () => {
    const { send, dispatches } = setUp({ maxBodyBytes: 4 })
    const body = new ScriptedBody()
    send({ method: 'POST', body })
    const given = dispatches[0]?.request.body as BodySource // the test sends one
    given.resume()
    given.cancel()
    given.cancel()
    given.resume()
    expect(body.log).toEqual(['resume', 'cancel'])
  })
})

it('sends a request as its route has it', () => {
  const { send, dispatches } = setUp({
    timeouts: { headers: '2s', body: 100, request: '1m' },
    retry: { maxRetries: 1, statuses: [503], perTryTimeout: 50 },
    protocols: ['http/1.1'],
    earlyData: 'off',
  })
  send()
  expect(dispatches[0]?.request).toMatchObject({
    headersTimeoutMs: 2_000,
    bodyTimeoutMs: 100,
    requestTimeoutMs: 60_000,
    retry: { maxRetries: 1, statuses: [503], perTryTimeoutMs: 50 },
    protocols: ['http/1.1'],
    earlyData: false,
  })
})
