import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { ExchangeRequest } from '../../../../src/base/http/exchange.ts'
import { ReadPort } from '../../../../src/base/socket/read-port.ts'
import { ConnectionInput } from '../../../../src/http/http1/connection-input.ts'

class FakeSocket extends Duplex {
  ref(): void {}
  unref(): void {}
  override _read(): void {}
}

const GET = { method: 'GET', upgrade: undefined } as ExchangeRequest // the fields that are looked at
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n'
const LIMITS = { maxHeaderBytes: 1000, maxHeaderCount: 10, maxInformational: 2 }

/**
 * An owner that forgets the exchange as soon as its response is over, and notes what it receives. `onBytes` is
 * called within onData.
 */
function setUp(onBytes: (input: ConnectionInput) => void = () => {}) {
  const socket = new FakeSocket()
  const events: string[] = []
  const input = new ConnectionInput(socket, ReadPort.over(socket), LIMITS, {
    onHead: head => void events.push(`head ${head.status}`),
    onData: chunk => {
      events.push(`data ${chunk.toString()}`)
      onBytes(input)
    },
    onComplete: (_trailers, hasLeftOver) => {
      events.push(hasLeftOver ? 'complete, with more' : 'complete')
      input.forget()
    },
    onTunnel: (_head, leftOver) => {
      events.push(`tunnel ${leftOver.toString()}`)
      input.forget()
    },
    onBroken: (error, reason) => {
      events.push(`${reason} ${error instanceof Error ? error.message : ''}`)
      input.stop()
      input.forget()
    },
    onSocketClosed: () => void events.push('closed'),
  })
  const receive = (text: string): void => input.receive(Buffer.from(text), 0, Buffer.byteLength(text))
  return { socket, input, events, receive }
}

describe('the input of a connection', () => {
  it('reports a response once it is complete, then the next one', () => {
    const { input, events, receive } = setUp()
    input.expect(GET)
    receive(`${HEAD}abc`)
    receive('def')
    input.expect(GET)
    receive(`${HEAD}abcdef`)
    expect(events).toEqual([
      'head 200',
      'data abc',
      'data def',
      'complete',
      'head 200',
      'data abcdef',
      'complete',
    ])
  })

  it('reports bytes behind a response, and passes them on where the protocol was switched', () => {
    const { input, events, receive } = setUp()
    input.expect(GET)
    receive(`${HEAD}abcdefg`)
    input.expect({ ...GET, upgrade: 'echo' })
    receive('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello')
    expect(events).toEqual(['head 200', 'data abcdef', 'complete, with more', 'head 101', 'tunnel hello'])
  })

  it('holds back the end during a pause, however the connection ended', () => {
    for (const end of ['peer', 'socket'] as const) {
      const { socket, input, events, receive } = setUp(it => it.hold())
      input.expect(GET)
      receive(`${HEAD}abc`)
      receive('de') // what TLS had decrypted already
      expect([events, socket.isPaused()]).toEqual([['head 200', 'data abc'], true])
      if (end === 'peer') input.receiveEnd()
      else expect(input.holdsBackClose()).toBe(true)
      expect([events.length, input.hasEnded]).toEqual([2, true])
      input.release()
      expect(events.slice(2)).toEqual(['data de'])
      input.release()
      expect(events.slice(3)).toEqual([end === 'peer' ? expect.stringMatching(/^peer-closed ./) : 'closed'])
    }
  })

  it('reads on when the handler has paused and resumed within a call', () => {
    const { socket, input, events, receive } = setUp(it => {
      it.hold()
      it.release()
    })
    input.expect(GET)
    receive(`${HEAD}abcdef`)
    expect([events, socket.isPaused()]).toEqual([['head 200', 'data abcdef', 'complete'], false])
  })

  it('reports what broke the response, and nothing of a response that was given up', () => {
    const broken = setUp()
    broken.input.expect(GET)
    broken.receive('HTTP/1.1 two hundred\r\n\r\n')
    expect(broken.events).toEqual([expect.stringMatching(/^protocol-error ./)])
    const aborted = setUp(it => {
      it.stop()
      it.forget()
    })
    aborted.input.expect(GET)
    aborted.receive(`${HEAD}abcdef`)
    expect(aborted.events).toEqual(['head 200', 'data abcdef'])
  })
})
