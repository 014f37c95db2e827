import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { SocketOutput } from '../../../../src/ingress/http1/socket-output.ts'

/** A socket whose client takes nothing until it is told to, and which shows what memory it was given. */
class StalledSocket extends Duplex {
  readonly written: Buffer[] = []
  #callback: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 16_384 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written.push(chunk)
    this.#callback = callback
  }

  /** Everything that waits, until nothing does. */
  takeAll(): void {
    while (this.#callback !== undefined) {
      const callback = this.#callback
      this.#callback = undefined
      callback()
    }
  }
}

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)

function make(isDeferred = false) {
  const socket = new StalledSocket()
  return { socket, output: new SocketOutput(socket, isDeferred, () => {}) }
}

describe('output that waits for a client that stalls', () => {
  it('has its own memory, and not a block that others share', () => {
    const { socket, output } = make()
    output.addText('head')
    output.flush()
    for (const length of [1, 5_000, 16_000]) {
      output.addChunk(Buffer.alloc(length, 1), keep)
      output.addFramedChunk(Buffer.alloc(length, 2), keep)
    }
    output.addText('tail')
    socket.takeAll()
    const [head, ...rest] = socket.written
    expect(head?.toString()).toBe('head')
    for (const chunk of rest) expect(chunk.buffer.byteLength).toBeLessThanOrEqual(16_384)
    const framed = (length: number) => `${length.toString(16)}\r\n${'\u0002'.repeat(length)}\r\n`
    const expected = [1, 5_000, 16_000].map(length => '\u0001'.repeat(length) + framed(length)).join('')
    expect(Buffer.concat(rest).toString('latin1')).toBe(`${expected}tail`)
  })

  it.each([false, true])(
    'has its own memory from the first byte on when the client is known to be slow (TLS: %s)',
    isDeferred => {
      const { socket, output } = make(isDeferred)
      output.isSlow = true
      output.addText('head')
      output.addChunk(Buffer.alloc(100, 1), keep)
      socket.takeAll()
      expect(Buffer.concat(socket.written).toString('latin1')).toBe(`head${'\u0001'.repeat(100)}`)
      for (const chunk of socket.written) expect(chunk.buffer.byteLength).toBeLessThanOrEqual(16_384)
    },
  )
})

it('a client that reads at once gets pieces that were gathered in one write', () => {
  const { socket, output } = make()
  output.addText('head')
  output.addChunk(Buffer.from('body'), keep)
  output.flush()
  expect(socket.written.map(String)).toEqual(['headbody'])
})
