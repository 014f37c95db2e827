import { describe, expect, it } from 'vitest'
import { ResponseBody } from '../../../src/api/response-body.ts'
import { TransportError } from '../../../src/base/errors.ts'
import { FakeController } from './fake-controller.ts'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('ResponseBody', () => {
  const make = () => {
    const controller = new FakeController()
    const body = new ResponseBody(controller)
    controller.onAbort = error => body.onError(error)
    return { controller, body }
  }
  const lost = new TransportError('MM_CONNECTION_CLOSED', 'lost', { processed: 'yes' })

  it('holds a bounded beginning for a caller that has not chosen yet how to read it', () => {
    const { controller, body } = make()
    body.onData(Buffer.alloc(65_535))
    expect(controller.log).toEqual([])
    body.onData(Buffer.alloc(1))
    expect(controller.log).toEqual(['pause'])
  })

  it('keeps its own copy of what is only borrowed', async () => {
    const { body } = make()
    const borrowed = Buffer.from('abc')
    body.onData(borrowed)
    borrowed.fill(0)
    body.onEnd()
    expect((await body.bytes(10)).toString()).toBe('abc')
  })

  it('gathers everything, whether it was claimed before the end or after', async () => {
    const early = make()
    early.body.onData(Buffer.from('a'))
    const bytes = early.body.bytes(10)
    expect(early.controller.log).toEqual(['resume'])
    early.body.onData(Buffer.from('b'))
    early.body.onEnd()
    expect((await bytes).toString()).toBe('ab')

    const late = make()
    late.body.onEnd()
    expect(await late.body.bytes(10)).toHaveLength(0)
  })

  it.each([undefined, 0, 5, 40_000])(
    'gathers pieces in their order when content-length says %s',
    async expected => {
      const controller = new FakeController()
      const body = new ResponseBody(controller, expected)
      const pieces = [3, 20_000, 1, 19_996].map((length, index) => Buffer.alloc(length, index + 1))
      body.onData(pieces[0] ?? Buffer.alloc(0))
      const bytes = body.bytes(1_000_000)
      for (const piece of pieces.slice(1)) {
        const borrowed = Buffer.from(piece)
        body.onData(borrowed)
        borrowed.fill(0)
      }
      body.onEnd()
      expect((await bytes).equals(Buffer.concat(pieces))).toBe(true)
    },
  )

  it('aborts what is larger than it may be, at the first byte too many', async () => {
    const growing = make()
    const bytes = growing.body.bytes(3)
    growing.body.onData(Buffer.from('abc'))
    expect(growing.controller.log).toEqual(['resume'])
    growing.body.onData(Buffer.from('d'))
    expect(growing.controller.log).toEqual(['resume', 'abort MM_INVALID_ARGUMENT'])
    await expect(bytes).rejects.toThrow('larger than the 3 bytes')

    const held = make()
    held.body.onData(Buffer.from('abcd'))
    await expect(held.body.bytes(3)).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    expect(held.controller.log).toEqual(['abort MM_INVALID_ARGUMENT'])

    const complete = make()
    complete.body.onData(Buffer.from('abcd'))
    complete.body.onEnd()
    await expect(complete.body.bytes(3)).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
  })

  it('rejects when the exchange fails, before the claim or after', async () => {
    const after = make()
    const bytes = after.body.bytes(10)
    after.body.onError(lost)
    await expect(bytes).rejects.toBe(lost)

    const before = make()
    before.body.onError(lost)
    await expect(before.body.dump()).rejects.toBe(lost)
  })

  it('discards the bytes without keeping them', async () => {
    const { controller, body } = make()
    let kept = 0
    controller.keep = chunk => {
      kept++
      return chunk
    }
    const dumped = body.dump()
    body.onData(Buffer.alloc(1_000_000))
    body.onEnd()
    await dumped
    expect([kept, controller.log]).toEqual([0, ['resume']])
  })

  it('can be claimed once, but asked for its stream any number of times', async () => {
    const { body } = make()
    expect(body.stream()).toBe(body.stream())
    expect(() => body.dump()).toThrow('used already')
    expect(() => body.bytes(1)).toThrow('used already')
    const other = make()
    void other.body.dump()
    expect(() => other.body.stream()).toThrow('used already')
  })

  describe('as a stream', () => {
    it('yields what was held and what comes, and ends', async () => {
      const { body } = make()
      body.onData(Buffer.from('held '))
      const stream = body.stream()
      body.onData(Buffer.from('came'))
      body.onEnd()
      expect(Buffer.concat(await stream.toArray()).toString()).toBe('held came')
    })

    it('pauses the exchange while it has no reader, and resumes it when it has one', async () => {
      const { controller, body } = make()
      const stream = body.stream()
      body.onData(Buffer.alloc(stream.readableHighWaterMark))
      expect(controller.log).toEqual(['pause'])
      stream.resume()
      await turn()
      expect(controller.log.at(-1)).toBe('resume')
      stream.destroy()
    })

    it('gives the exchange up when it is destroyed', async () => {
      const { controller, body } = make()
      const stream = body.stream()
      stream.destroy()
      await turn()
      expect([controller.log, stream.errored]).toEqual([['abort MM_ABORTED'], null])
      body.onData(Buffer.from('late')) // a chunk or two may follow
    })

    it('does not give the exchange up once it is complete', async () => {
      const { controller, body } = make()
      const stream = body.stream()
      body.onEnd()
      stream.destroy()
      await turn()
      expect(controller.log).toEqual([])
    })

    it('is destroyed with the error of the exchange', async () => {
      const { controller, body } = make()
      const stream = body.stream()
      body.onData(Buffer.from('part'))
      body.onError(lost)
      await expect(stream.toArray()).rejects.toBe(lost)
      expect(controller.aborted).toBe(false)
    })
  })
})
