import { once } from 'node:events'
import http2, { type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { StreamEvents } from '../../src/http/multiplex/stream.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'
import { driveSession, emptyObserved, type Observed, observe, pour } from './http2-wire-driver.ts'

interface Message {
  readonly fields: readonly string[]
  readonly bytes: number
  readonly trailers: readonly string[]
}

interface Exchange {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly request: Message
  readonly response: Message
  /** Who breaks off once the head of the response is there. */
  readonly breaksOff: 'nobody' | 'client' | 'server'
}

const name = fc.stringMatching(/^x-[a-z0-9_.!#$-]{0,12}$/)
const value = fc.stringMatching(/^([!-~]([ -~]{0,40}[!-~])?)?$/)
const uniqueFields = fc
  .uniqueArray(fc.tuple(name, value), { maxLength: 6, selector: ([name]) => name })
  .map(fields => fields.flat())
const message = fc.record({
  fields: uniqueFields,
  bytes: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(200_000)),
  trailers: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: uniqueFields }),
})
const exchange: fc.Arbitrary<Exchange> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'M-SEARCH'),
    path: fc.stringMatching(/^\/[a-z0-9/._~%?&=-]{0,30}$/),
    status: fc.constantFrom(200, 201, 404, 500, 599),
    request: message,
    response: message,
    breaksOff: fc.constantFrom('nobody', 'nobody', 'nobody', 'client', 'server'),
  })
  // An answer to HEAD is over with its head.
  .map(plan => (plan.method === 'HEAD' ? { ...plan, breaksOff: 'nobody' } : plan))
const batch = fc.array(exchange, { minLength: 1, maxLength: 12 })

const bodyOf = (bytes: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8) * 3 + seed) & 0xff))

/** A list as pairs in a fixed order: node:http2 sends fields in an order of its own. */
function pairs(list: readonly string[]): string[] {
  const found: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const field = list[i] ?? ''
    if (field.startsWith(':') || field === 'date') continue
    found.push(`${field}: ${list[i + 1]}`)
  }
  return found.sort()
}

const flat = (headers: http2.IncomingHttpHeaders): string[] =>
  Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
const record = (list: readonly string[]): Record<string, string> =>
  Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i]!, list[2 * i + 1]!]))

const codeName = (code: number | undefined): string =>
  Object.entries(http2.constants)
    .find(
      ([name, number]) =>
        name.startsWith('NGHTTP2_') &&
        /^NGHTTP2_(NO_ERROR|[A-Z_]+)$/.test(name) &&
        number === code &&
        CODES.has(name.slice(8)),
    )?.[0]
    .slice(8) ?? `code ${code}`
const CODES = new Set([
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'STREAM_CLOSED',
  'CANCEL',
  'REFUSED_STREAM',
  'FLOW_CONTROL_ERROR',
])

/** Content and end of a stream of node:http2. */
function observeNode(stream: ClientHttp2Stream | ServerHttp2Stream, observed: Observed): Promise<void> {
  const chunks: Buffer[] = []
  let hasEnded = false
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('trailers', (headers: http2.IncomingHttpHeaders) => void (observed.trailers = flat(headers)))
  stream.on('end', () => void (hasEnded = true))
  stream.on('error', () => undefined)
  return new Promise(resolve => {
    stream.on('close', () => {
      observed.body = Buffer.concat(chunks).toString('latin1')
      observed.outcome = stream.rstCode === 0 && hasEnded ? 'end' : codeName(stream.rstCode)
      resolve()
    })
  })
}

/** Both sides of an exchange, once it is over, against its plan. */
function check(plan: Exchange, index: number, client: Observed, server: Observed): void {
  const context = `exchange ${index}, ${plan.breaksOff}`
  expect([context, server.start]).toEqual([context, `${plan.method} ${plan.path}`])
  expect(pairs(server.fields)).toEqual(pairs(plan.request.fields))
  expect([context, client.start]).toEqual([context, String(plan.status)])
  expect(pairs(client.fields)).toEqual(pairs(plan.response.fields))
  if (plan.breaksOff !== 'nobody') return
  expect([context, client.outcome, server.outcome]).toEqual([context, 'end', 'end'])
  expect(server.body === bodyOf(plan.request.bytes, index).toString('latin1')).toBe(true)
  expect(pairs(server.trailers)).toEqual(pairs(plan.request.trailers))
  const hasContent = plan.method !== 'HEAD'
  expect(client.body === (hasContent ? bodyOf(plan.response.bytes, index + 1).toString('latin1') : '')).toBe(
    true,
  )
  expect(pairs(client.trailers)).toEqual(hasContent ? pairs(plan.response.trailers) : [])
}

/** The resets, for the exchanges that were broken off: what the other side saw. */
const BROKEN = { client: 'CANCEL', server: 'INTERNAL_ERROR' } as const

async function ourClient(plans: readonly Exchange[]): Promise<void> {
  const client = plans.map(emptyObserved)
  const server = plans.map(emptyObserved)
  const nodeEnds: Promise<void>[] = []
  const node = http2.createServer()
  node.on('stream', (stream, headers) => {
    const index = Number(headers['x-index'])
    const plan = plans[index]!
    const observed = server[index]!
    observed.start = `${headers[':method']} ${headers[':path']}`
    const { 'x-index': _, ...fields } = headers
    observed.fields = flat(fields)
    nodeEnds.push(observeNode(stream, observed))
    const answer = (): void => {
      if (stream.closed) return
      const waitForTrailers = plan.response.trailers.length > 0 && plan.method !== 'HEAD'
      stream.on('wantTrailers', () => stream.sendTrailers(record(plan.response.trailers)))
      stream.respond(
        { ':status': plan.status, ...record(plan.response.fields) },
        { waitForTrailers, endStream: plan.method === 'HEAD' },
      )
      if (plan.method === 'HEAD') return
      if (plan.breaksOff === 'nobody') stream.end(bodyOf(plan.response.bytes, index + 1))
      else stream.write('something')
      // close(code) would end the stream first; and the head has to be out before the reset.
      if (plan.breaksOff === 'server')
        setImmediate(() => setImmediate(() => stream.destroy(new Error('broken off'))))
    }
    if (plan.breaksOff === 'nobody') stream.on('end', answer)
    else answer()
  })
  await new Promise<void>(resolve => void node.listen(0, '127.0.0.1', resolve))
  const socket = connect((node.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  const session = driveSession('client', socket, () => {
    throw new Error('a client takes no requests')
  })
  await Promise.all(
    plans.map(
      (plan, index) =>
        new Promise<void>(resolve => {
          const { bytes, fields, trailers } = plan.request
          const endsStream = bytes === 0 && trailers.length === 0
          const events: StreamEvents = observe(
            client[index]!,
            () => {
              if (plan.breaksOff !== 'client') return
              stream.reset('CANCEL')
              resolve()
            },
            resolve,
          )
          const stream = session.open(
            {
              method: plan.method,
              scheme: 'http',
              authority: 'a.test',
              path: plan.path,
              protocol: undefined,
              headers: [...fields, 'x-index', String(index)],
            },
            endsStream,
            events,
            performance.now(),
          )
          if (!endsStream) pour(stream, events, bodyOf(bytes, index), trailers)
        }),
    ),
  )
  await Promise.all(nodeEnds)
  for (const [index, plan] of plans.entries()) {
    check(plan, index, client[index]!, server[index]!)
    if (plan.breaksOff === 'client') expect(server[index]?.outcome).toBe(BROKEN.client)
    if (plan.breaksOff === 'server') expect(client[index]?.outcome).toBe(BROKEN.server)
  }
  expect(session).toMatchObject({ openStreams: 0, bufferedBytes: 0 })
  session.drain(performance.now())
  await once(socket, 'close')
  await new Promise(resolve => void node.close(resolve))
}

async function ourServer(plans: readonly Exchange[]): Promise<void> {
  const client = plans.map(emptyObserved)
  const server = plans.map(emptyObserved)
  const ends: Promise<void>[] = []
  let accepted: Socket | undefined
  const listener = createServer(socket => {
    accepted = socket
    driveSession('server', socket, (stream, head, endsStream) => {
      const at = head.headers.indexOf('x-index')
      const index = Number(head.headers[at + 1])
      const plan = plans[index]!
      const observed = server[index]!
      observed.start = `${head.method} ${head.path}`
      observed.fields = head.headers.toSpliced(at, 2)
      let finish: () => void = () => undefined
      ends.push(new Promise(resolve => void (finish = resolve)))
      const answer = (): void => {
        const { bytes, fields, trailers } = plan.response
        const isHead = plan.method === 'HEAD'
        const endsAnswer = isHead || (plan.breaksOff === 'nobody' && bytes === 0 && trailers.length === 0)
        stream.respond(plan.status, fields, endsAnswer)
        if (endsAnswer) return
        if (plan.breaksOff === 'nobody') pour(stream, events, bodyOf(bytes, index + 1), trailers)
        else stream.write(Buffer.from('something'), chunk => Buffer.from(chunk))
        // The head has to be there before the reset is, for the client to have seen it.
        if (plan.breaksOff !== 'server') return
        setImmediate(() =>
          setImmediate(() => {
            stream.reset('INTERNAL_ERROR')
            finish()
          }),
        )
      }
      const events: StreamEvents = observe(
        observed,
        () => undefined,
        () => {
          if (plan.breaksOff === 'nobody') answer()
          finish()
        },
      )
      if (endsStream) {
        observed.outcome = 'end'
        if (plan.breaksOff !== 'client') finish()
      }
      if (endsStream || plan.breaksOff !== 'nobody') answer()
      return events
    })
  })
  await new Promise<void>(resolve => void listener.listen(0, '127.0.0.1', resolve))
  const node = http2.connect(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`)
  node.on('error', () => undefined)
  await Promise.all(
    plans.map((plan, index) => {
      const { bytes, fields, trailers } = plan.request
      const hasBody = bytes > 0 || trailers.length > 0
      const stream = node.request(
        { ':method': plan.method, ':path': plan.path, ...record(fields), 'x-index': String(index) },
        { endStream: !hasBody, waitForTrailers: trailers.length > 0 },
      )
      const observed = client[index]!
      stream.on('response', headers => {
        observed.start = String(headers[':status'])
        observed.fields = flat(headers)
        if (plan.breaksOff === 'client') stream.close(http2.constants.NGHTTP2_CANCEL)
      })
      stream.on('wantTrailers', () => stream.sendTrailers(record(trailers)))
      if (hasBody) stream.end(bodyOf(bytes, index))
      return observeNode(stream, observed)
    }),
  )
  node.close()
  await once(node, 'close')
  if (accepted !== undefined && !accepted.destroyed) await once(accepted, 'close')
  await Promise.all(ends)
  for (const [index, plan] of plans.entries()) {
    check(plan, index, client[index]!, server[index]!)
    if (plan.breaksOff === 'server') expect(client[index]?.outcome).toBe(BROKEN.server)
  }
  await new Promise(resolve => void listener.close(resolve))
}

describe('an exchange with node:http2', () => {
  it('is the same for our client and its server', async () => {
    await fc.assert(fc.asyncProperty(batch, ourClient), { numRuns: volume(20, 40), endOnFailure: true })
  })

  it('is the same for our server and its client', async () => {
    await fc.assert(fc.asyncProperty(batch, ourServer), { numRuns: volume(20, 40), endOnFailure: true })
  })
})
