import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ReadPort } from '../../../../src/base/socket/read-port.ts'
import { makeTunnel } from '../../../../src/http/http1/connection-tunnel.ts'

/** A socket that ends with its peer, as Node's do. */
class FakeSocket extends Duplex {
  readonly written: string[] = []
  #callback: ((error?: Error) => void) | undefined
  readonly #isBlocked: boolean

  constructor(isBlocked = false) {
    super({ allowHalfOpen: false })
    this.#isBlocked = isBlocked
  }

  ref(): void {}
  unref(): void {}
  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    this.written.push(chunk.toString())
    if (this.#isBlocked) this.#callback = callback
    else callback()
  }

  fail(error: Error): void {
    this.#callback?.(error)
  }
}

function setUp(isBlocked = false, leftOver?: Buffer) {
  const socket = new FakeSocket(isBlocked)
  const tunnel = makeTunnel(socket, ReadPort.over(socket), leftOver)
  const events: string[] = []
  for (const event of ['end', 'finish', 'close']) tunnel.on(event, () => events.push(event))
  tunnel.on('error', error => events.push(error.message))
  let text = ''
  const read = (): void => void tunnel.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { socket, tunnel, events, read, text: () => text }
}

describe('the tunnel over the socket of a connection', () => {
  it('carries both directions, and ends with both', async () => {
    const { socket, tunnel, events, read, text } = setUp(false, Buffer.from('left over, '))
    read()
    socket.push('hello')
    tunnel.end('hi')
    await once(socket, 'finish')
    expect(events).toEqual(['finish'])
    socket.push(null)
    await once(tunnel, 'close')
    expect([text(), socket.written, events]).toEqual(['left over, hello', ['hi'], ['finish', 'end', 'close']])
  })

  it('gives a reader that comes late everything that came before the end', async () => {
    const { socket, tunnel, events, read, text } = setUp()
    socket.push('last bytes')
    socket.push(null)
    await once(socket, 'close')
    expect([tunnel.destroyed, events]).toEqual([false, []])
    await new Promise(resolve => tunnel.write('goes nowhere', resolve))
    expect([tunnel.destroyed, socket.written]).toEqual([false, []])
    read()
    await once(tunnel, 'close')
    expect([text(), events]).toEqual(['last bytes', ['end', 'close']])
  })

  it('gives a reader that comes late everything also where a write fails because the peer has closed', async () => {
    const { socket, tunnel, events, read, text } = setUp(true)
    tunnel.write('half of it')
    socket.push('last bytes')
    socket.push(null)
    await once(socket, 'end')
    socket.fail(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    await new Promise(resolve => socket.once('close', resolve))
    read()
    await once(tunnel, 'close')
    expect([text(), events]).toEqual(['last bytes', ['end', 'close']])
  })

  it('breaks with a socket that breaks, or closes, before the end', async () => {
    for (const error of [new Error('read ECONNRESET'), undefined]) {
      const { socket, tunnel, events } = setUp()
      socket.push('some')
      socket.destroy(error)
      await new Promise(resolve => tunnel.once('close', resolve))
      expect(events).toEqual([...(error === undefined ? [] : [error.message]), 'close'])
    }
  })

  it('can be ended by a program that does not read it', async () => {
    const { socket, tunnel, events } = setUp()
    socket.push('last bytes')
    socket.push(null)
    await once(socket, 'close')
    tunnel.destroy()
    await once(tunnel, 'close')
    expect(events).toEqual(['close'])
  })
})
