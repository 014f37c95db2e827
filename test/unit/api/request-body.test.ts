import { PassThrough, Readable } from 'node:stream'
import { FormData as UndiciFormData } from 'undici'
import { describe, expect, it } from 'vitest'
import { type BodyInput, prepareBody } from '../../../src/api/request-body.ts'
import type { TransportError } from '../../../src/base/errors.ts'
import type { BodySink, BodySource, RequestBody } from '../../../src/base/http/exchange.ts'

/** Takes what a source writes; says stop after each chunk when told to. */
class FakeSink implements BodySink {
  readonly written: string[] = []
  outcome: 'open' | 'ended' | TransportError = 'open'
  takesMore = true
  readonly done: Promise<void>
  #resolve: () => void = () => {}

  constructor() {
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
  }
  write(chunk: Uint8Array): boolean {
    if (this.outcome !== 'open') throw new Error('a write after the end')
    this.written.push(Buffer.from(chunk).toString())
    return this.takesMore
  }
  end(): void {
    if (this.outcome !== 'open') throw new Error('a second end')
    this.outcome = 'ended'
    this.#resolve()
  }
  fail(error: TransportError): void {
    if (this.outcome !== 'open') throw new Error('a second end')
    this.outcome = error
    this.#resolve()
  }
}

function source(body: RequestBody): BodySource {
  if (body === null || body instanceof Uint8Array) throw new Error('expected a source')
  return body
}

const bodyOf = (input: BodyInput): BodySource => source(prepareBody(input, undefined).body)

/** Lets streams do what they deferred. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function read(body: BodySource): Promise<FakeSink> {
  const sink = new FakeSink()
  body.attach(sink)
  await sink.done
  return sink
}

describe('prepareBody', () => {
  it.each<[string, BodyInput, string]>([
    ['a string', 'hä', 'hä'],
    ['bytes', Buffer.from('bytes'), 'bytes'],
    ['an ArrayBuffer', new Uint8Array([65, 66]).buffer, 'AB'],
    ['a view', new DataView(new Uint8Array([64, 65, 66]).buffer, 1), 'AB'],
    ['URLSearchParams', new URLSearchParams({ a: 'ü' }), 'a=%C3%BC'],
  ])('takes %s as bytes in memory', (_what, input, text) => {
    const { body } = prepareBody(input, undefined)
    expect(body).toBeInstanceOf(Uint8Array)
    expect(Buffer.from(body as Uint8Array).toString()).toBe(text) // see above
  })

  it.each<[string, BodyInput]>([
    ['null', null],
    ['undefined', undefined],
    ["''", ''],
    ['no bytes', new Uint8Array()],
    ['an empty ArrayBuffer', new ArrayBuffer(0)],
  ])('takes %s as no body', (_what, input) => {
    expect(prepareBody(input, undefined).body).toBeNull()
  })

  it.each([
    ['a Readable', () => Readable.from(['a', 'b'])],
    ['an iterable', () => ['a', 'b'][Symbol.iterator]()],
    ['an array of bytes', () => [Buffer.from('a'), Buffer.from('b')]],
    [
      'a web stream',
      () => Readable.toWeb(Readable.from([Buffer.from('a'), Buffer.from('b')])) as ReadableStream,
    ], // two types for one thing
    [
      'an async generator',
      async function* () {
        yield 'a'
        await turn()
        yield 'b'
      },
    ],
  ])('reads %s once only', async (_what, make) => {
    const body = bodyOf(make())
    expect([body.length, body.isReplayable()]).toEqual([undefined, true])
    const sink = await read(body)
    expect([sink.written.join(''), sink.outcome, body.isReplayable()]).toEqual(['ab', 'ended', false])
  })

  it('reads a Blob as often as need be, and knows its length', async () => {
    const body = bodyOf(new Blob(['blob']))
    expect(body.length).toBe(4)
    for (let i = 0; i < 3; i++) {
      expect((await read(body)).written.join('')).toBe('blob')
      expect(body.isReplayable()).toBe(true)
    }
  })

  it('begins a Blob anew after an attempt that broke off in its middle', async () => {
    const body = bodyOf(new Blob(['x'.repeat(300_000)]))
    const first = new FakeSink()
    first.takesMore = false
    body.attach(first)
    while (first.written.length === 0) await turn()
    body.cancel()
    const second = await read(body)
    expect([second.written.join('').length, second.outcome]).toEqual([300_000, 'ended'])
    expect([first.outcome, first.written.length]).toEqual(['open', 1])
  })

  it.each([
    ['the global FormData', FormData],
    ["undici's FormData", UndiciFormData as unknown as typeof FormData], // two classes for one thing
  ])('reads %s with its boundary', async (_what, Form) => {
    const form = new Form()
    form.append('name', 'value')
    form.append('file', new Blob(['content'], { type: 'text/plain' }), 'a.txt')
    const { body, contentType } = prepareBody(form, undefined)
    const text = (await read(source(body))).written.join('')
    const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(contentType ?? '')?.[1] ?? 'none'
    expect(text.split(boundary)).toHaveLength(4)
    expect(text).toContain('name="file"; filename="a.txt"')
    expect([source(body).length, source(body).isReplayable()]).toEqual([Buffer.byteLength(text), true])
    expect((await read(source(body))).written.join(''), 'again').toBe(text)
    const parsed = await new Response(text, { headers: { 'content-type': contentType ?? '' } }).formData()
    expect(parsed.get('name')).toBe('value')
    expect(await (parsed.get('file') as File).text()).toBe('content') // appended as one
  })

  it('writes a form as undici does, names and line ends among it', async () => {
    const form = new FormData()
    form.append('a "b"\nc', 'one\ntwo\rthree\r\nfour é')
    form.append('empty', new Blob([]), 'quo"te\n.bin')
    const withoutBoundary = (text: string, type: string): string =>
      text.replaceAll(type.replace('multipart/form-data; boundary=', ''), 'BOUNDARY')
    const { body, contentType } = prepareBody(form, undefined)
    const ours = withoutBoundary((await read(source(body))).written.join(''), contentType ?? '')
    const theirs = new Response(form)
    const text = await theirs.clone().text()
    expect(ours).toBe(withoutBoundary(text, theirs.headers.get('content-type') ?? ''))
  })

  it('knows no length of a form with a file of unknown size', async () => {
    const file = {
      [Symbol.toStringTag]: 'File',
      name: 'f',
      type: '',
      stream: () => new Blob(['abc']).stream(),
    }
    const entries: [string, unknown][] = [['f', file]]
    const form = Object.assign(entries, { [Symbol.toStringTag]: 'FormData' })
    const { body } = prepareBody(form as unknown as BodyInput, undefined) // what some libraries hand over
    expect(source(body).length).toBeUndefined()
    expect((await read(source(body))).written.join('')).toContain(
      'filename="f"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n--',
    )
  })

  it.each([42, true, {}, () => {}])('refuses %s', input => {
    expect(() => prepareBody(input as unknown as BodyInput, undefined)).toThrow('the body must be') // callers without types
  })
})

describe('a stream as a request body', () => {
  it('waits when the sink is full, and goes on when it is notified', async () => {
    const body = bodyOf(Readable.from(['a', 'b', 'c']))
    const sink = new FakeSink()
    sink.takesMore = false
    body.attach(sink)
    await turn()
    await turn()
    expect(sink.written).toEqual(['a'])
    body.resume()
    await turn()
    expect(sink.written).toEqual(['a', 'b'])
    sink.takesMore = true
    body.resume()
    await sink.done
    expect(sink.written).toEqual(['a', 'b', 'c'])
  })

  it('flows even when its maker had paused it', async () => {
    const stream = Readable.from(['a'])
    stream.pause()
    expect((await read(bodyOf(stream))).written).toEqual(['a'])
  })

  it('fails with the error of the stream as cause', async () => {
    const stream = new PassThrough()
    const body = bodyOf(stream)
    const sink = new FakeSink()
    body.attach(sink)
    stream.write('a')
    await turn()
    stream.destroy(new Error('the disk is gone'))
    await sink.done
    expect(sink.outcome).toMatchObject({ code: 'MM_BODY_FAILED', cause: { message: 'the disk is gone' } })
  })

  it('that failed before anybody attached fails then, and crashes nothing', async () => {
    const stream = new PassThrough()
    const body = bodyOf(stream)
    stream.destroy(new Error('early'))
    await turn()
    expect((await read(body)).outcome).toMatchObject({ code: 'MM_BODY_FAILED', cause: { message: 'early' } })
  })

  it('that was read or destroyed before fails, since half a body is none', async () => {
    const destroyed = new PassThrough()
    const body = bodyOf(destroyed)
    destroyed.destroy()
    await turn()
    expect((await read(body)).outcome).toMatchObject({ code: 'MM_BODY_FAILED' })

    const consumed = Readable.from(['a'])
    await consumed.toArray()
    expect((await read(bodyOf(consumed))).outcome).toMatchObject({ code: 'MM_BODY_FAILED' })
  })

  it('that closes before its end fails', async () => {
    const stream = new PassThrough()
    const sink = new FakeSink()
    bodyOf(stream).attach(sink)
    stream.write('a')
    await turn()
    stream.destroy()
    await sink.done
    expect(sink.outcome).toMatchObject({
      code: 'MM_BODY_FAILED',
      message: 'the request body stream closed before its end',
    })
  })

  it('that yields what is neither bytes nor text fails', async () => {
    const sink = await read(bodyOf([{ no: 'bytes' }] as unknown as string[])) // callers without types
    expect(sink.outcome).toMatchObject({ code: 'MM_BODY_FAILED' })
  })

  it('is destroyed by cancel(), whether somebody attached or not, and reports nothing more', async () => {
    for (const isAttached of [false, true]) {
      const stream = new PassThrough()
      const body = bodyOf(stream)
      const sink = new FakeSink()
      if (isAttached) body.attach(sink)
      body.cancel()
      expect(stream.destroyed).toBe(true)
      stream.emit('error', new Error('late'))
      await turn()
      expect([sink.outcome, sink.written]).toEqual(['open', []])
      body.cancel()
    }
  })
})
