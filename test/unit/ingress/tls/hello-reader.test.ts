import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { HelloReader } from '../../../../src/ingress/tls/hello-reader.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

/** The shortest that says whom it asks for. */
function hello(name: string): Buffer {
  const text = Buffer.from(name)
  const list = Buffer.concat([Buffer.of(0, 0, text.length), text])
  const extension = Buffer.concat([Buffer.of(0, 0, 0, list.length + 2, 0, list.length), list])
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32),
    Buffer.of(0, 0, 2, 0x13, 1, 1, 0, 0, extension.length),
    extension,
  ])
  const message = Buffer.concat([Buffer.of(1, 0, 0, body.length), body])
  return Buffer.concat([Buffer.of(22, 3, 1, 0, message.length), message])
}

function setUp() {
  const clock = new FakeClock()
  const hellos: [string | undefined, Buffer][] = []
  const failures: string[] = []
  const reader = new HelloReader({
    clock,
    timeoutMs: 5_000,
    onHello: (_socket, name, bytes) => hellos.push([name, bytes]),
    onFailed: (_socket, because) => failures.push(because),
  })
  const connect = (firstBytes: Buffer = Buffer.alloc(0)): Socket => {
    const socket = new PassThrough() as unknown as Socket // as far as it is used
    reader.receive(socket, firstBytes)
    return socket
  }
  return { clock, hellos, failures, connect }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a connection before TLS', () => {
  it('is passed on with every byte that came, once the name is known', async () => {
    const { hellos, connect } = setUp()
    const bytes = hello('shop.example')
    const socket = connect(bytes.subarray(0, 3))
    for (const byte of bytes.subarray(3, -1)) socket.write(Buffer.of(byte))
    await turn()
    expect(hellos).toEqual([])
    socket.write(Buffer.concat([bytes.subarray(-1), Buffer.from('more')]))
    await turn()
    expect(hellos).toEqual([['shop.example', Buffer.concat([bytes, Buffer.from('more')])]])
    expect(socket.listenerCount('data')).toBe(0)
  })

  it('is passed on at once when it is no TLS, so that TLS reports that', async () => {
    const { hellos, connect } = setUp()
    connect(Buffer.from('GET / HTTP/1.1\r\n'))
    expect(hellos).toEqual([[undefined, Buffer.from('GET / HTTP/1.1\r\n')]])
  })

  it('is closed when nothing comes in time, or its client closes before', async () => {
    const { clock, failures, connect } = setUp()
    const slow = connect(hello('a').subarray(0, 20))
    clock.advance(5_001)
    expect(slow.destroyed).toBe(true)
    const short = connect()
    short.end()
    await turn()
    expect(short.destroyed).toBe(true)
    expect(failures).toEqual([
      'TLS: no ClientHello came within 5000 ms',
      'TLS: the connection ended within the ClientHello',
    ])
  })
})
