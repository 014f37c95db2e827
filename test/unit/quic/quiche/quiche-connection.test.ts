import { describe, expect, it } from 'vitest'
import { DEFAULT_QUIC_OPTIONS, type QuicOptions } from '../../../../src/base/options/protocol-options.ts'
import type { QuicEvent } from '../../../../src/quic/engine.ts'
import type { NativeConnection } from '../../../../src/quic/quiche/binding.ts'
import { QuicheConnection } from '../../../../src/quic/quiche/quiche-connection.ts'

/** Against a scripted binding: what quiche does only under attack, or when it is broken. */

const local = { host: '192.0.2.1', port: 1 }
const remote = { host: '192.0.2.2', port: 2 }

class ScriptedNative {
  recvPackets = 0
  recvBytes = 0
  readableStreams: number[] = []
  reads: (readonly [number, boolean])[] = []
  closed: [boolean, number] | undefined
  sendError: Error | undefined
  streamError = 'InvalidStreamState(1)'
  toSend = 0
  localErr: { isApp: boolean; errorCode: number; reason: Uint8Array } | null = null

  recv(data: Uint8Array): number {
    this.recvPackets += 1
    this.recvBytes += data.length
    return data.length
  }

  send(out: Uint8Array): readonly [number, { from: typeof local; to: typeof remote }] | null {
    if (this.sendError !== undefined) throw this.sendError
    if (this.toSend === 0) return null
    this.toSend -= 1
    return [Math.min(1000, out.length), { from: local, to: remote }]
  }

  streamRecv(): readonly [number, boolean] | null {
    return this.reads.shift() ?? null
  }

  streamSend(): number {
    throw new Error(this.streamError)
  }

  isReadable(): boolean {
    return this.readableStreams.length > 0
  }

  readable(): number[] {
    return this.readableStreams
  }

  close(isApplication: boolean, code: number): void {
    this.closed = [isApplication, code]
  }

  stats() {
    return {
      recv: this.recvPackets,
      sent: 0,
      lost: 0,
      recvBytes: this.recvBytes,
      sentBytes: 0,
      peerDisableActiveMigration: false,
    }
  }

  isEstablished = (): boolean => true
  isResumed = (): boolean => false
  isInEarlyData = (): boolean => false
  isDraining = (): boolean => false
  isClosed = (): boolean => false
  isTimedOut = (): boolean => false
  peerError = (): null => null
  localError = () => this.localErr
  applicationProto = (): Buffer => Buffer.from('h3')
  peerCertChain = (): null => null
  session = (): null => null
  timeout = (): number | null => 10
  onTimeout = (): void => undefined
  dgramRecvQueueLen = (): number => 0
  peerStreamsLeftBidi = (): number => 10
}

function connect(options: Partial<QuicOptions> = {}): {
  native: ScriptedNative
  connection: QuicheConnection
} {
  const native = new ScriptedNative()
  const connection = new QuicheConnection({
    native: native as unknown as NativeConnection, // as: only what a test needs is scripted
    shutdown: { Read: 0, Write: 1 },
    role: 'server',
    local,
    remote,
    quic: { ...DEFAULT_QUIC_OPTIONS, ...options },
    allowsSecondPath: false,
    protocols: ['h3'],
    client: undefined,
    keylog: undefined,
  })
  return { native, connection }
}

function turn(connection: QuicheConnection, read = true): QuicEvent[] {
  const events: QuicEvent[] = []
  for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) {
    events.push(event)
    if (read && event.type === 'readable') connection.read(event.stream, Buffer.alloc(2000))
  }
  return events
}

describe('the unread data guard of a connection', () => {
  const limits = {
    maxSurplusBytes: 100_000,
    streamWindowBytes: 200_000,
    maxStreamWindowBytes: 200_000,
  }

  it('closes a connection on which nothing reaches a reader', () => {
    const { native, connection } = connect(limits)
    const events: QuicEvent[] = []
    for (let i = 0; i < 200 && native.closed === undefined; i += 1) {
      connection.receive(Buffer.alloc(1200), remote, local, i)
      events.push(...turn(connection))
    }
    expect(native.closed).toEqual([true, 0x107])
    expect(native.recvBytes).toBeLessThan(110_000 + 65 * 1200)
    expect(events.slice(-2)).toMatchObject([
      { type: 'defence', limit: 'quic.maxSurplusBytes' },
      { type: 'ended', end: { cause: 'local', isApplication: true, code: 0x107 } },
    ])
  })

  it('passes bytes that are read', () => {
    const { native, connection } = connect(limits)
    for (let i = 0; i < 1000; i += 1) {
      connection.receive(Buffer.alloc(1200), remote, local, i)
      native.readableStreams = [0]
      native.reads = [[1150, false]]
      turn(connection)
      native.readableStreams = []
    }
    expect(native.closed).toBeUndefined()
  })

  it('allows a window for stalled readers, and no more', () => {
    const { native, connection } = connect(limits)
    native.readableStreams = [0]
    let received = 0
    for (let i = 0; i < 1000 && native.closed === undefined; i += 1) {
      connection.receive(Buffer.alloc(1200), remote, local, i)
      received += 1200
      turn(connection, false)
    }
    expect(received).toBeGreaterThan(300_000)
    expect(received).toBeLessThan(330_000 + 65 * 1200)
  })

  it('asks for another connection when small packets carry much overhead, and goes on', () => {
    const { native, connection } = connect(limits)
    const events: QuicEvent[] = []
    for (let i = 0; i < 20_000; i += 1) {
      connection.receive(Buffer.alloc(64), remote, local, i)
      events.push(...turn(connection))
    }
    expect(events.filter(({ type }) => type !== 'established')).toEqual([{ type: 'worn-out' }])
    expect(native.closed).toBeUndefined()
  })

  it('does not count packets that quiche could not decrypt, since anybody can send those', () => {
    const { native, connection } = connect(limits)
    native.recv = () => {
      throw new Error('Done')
    }
    for (let i = 0; i < 1000; i += 1) {
      connection.receive(Buffer.alloc(1200), remote, local, i)
      turn(connection)
    }
    expect(native.closed).toBeUndefined()
    expect(connection.receivedBytes).toBe(1_200_000)
  })
})

describe('sending from a connection', () => {
  it('ends when quiche cannot send', () => {
    const { native, connection } = connect()
    native.sendError = new Error('InvalidState')
    expect(connection.nextDatagram(0)).toBeUndefined()
    expect(connection.isClosed).toBe(true)
    expect(turn(connection).at(-1)).toMatchObject({
      type: 'ended',
      end: { cause: 'unusable', reason: 'quiche cannot send: InvalidState' },
    })
    connection.receive(Buffer.alloc(10), remote, local, 0)
    expect(native.recvBytes).toBe(0)
  })

  it('stops after a burst, and asks to be called again at once', () => {
    const { native, connection } = connect({ maxBurstBytes: 5_000 })
    native.toSend = 12
    const burst = (now: number): number => {
      let sent = 0
      while (connection.nextDatagram(now) !== undefined) sent += 1
      return sent
    }
    expect(burst(7)).toBe(5)
    expect(connection.nextTimeoutAt(7)).toBe(7)
    expect(burst(7)).toBe(5)
    expect(burst(7)).toBe(2)
    expect(connection.nextTimeoutAt(7)).toBe(18)
  })
})

describe('a stream that quiche refuses writes for', () => {
  it.each([
    ['StreamStopped(268)', 268],
    ['InvalidStreamState(1)', 0],
    ['what nobody knows', 0],
  ])('is reported as stopped, and the writer goes on: %s', (error, code) => {
    const { native, connection } = connect()
    native.streamError = error
    const stream = connection.openStream('bidirectional') ?? -1
    expect(connection.write(stream, Buffer.alloc(10), false)).toBe(0)
    expect(turn(connection)).toEqual([{ type: 'stopped', stream, code }])
    expect(connection.write(stream, Buffer.alloc(10), true)).toBe(0)
  })
})

describe('the output behind a close', () => {
  it('is bounded, even if quiche makes datagrams forever', () => {
    const { native, connection } = connect()
    native.toSend = 10_000
    connection.close(true, 0x100, 'path-failed')
    let sent = 0
    while (connection.nextDatagram(0) !== undefined) sent += 1
    expect(sent).toBe(8)
    expect(connection.isClosed).toBe(true)
    expect(turn(connection)).toContainEqual({
      type: 'ended',
      end: { cause: 'local', isApplication: true, code: 0x100, reason: 'path-failed' },
    })
  })
})

describe('a datagram from an unknown address', () => {
  it('does not reach quiche', () => {
    const { native, connection } = connect()
    connection.receive(Buffer.alloc(10), { ...remote, port: 3 }, local, 0)
    connection.receive(Buffer.alloc(10), remote, { ...local, port: 3 }, 0)
    expect(native.recvBytes).toBe(0)
    connection.receive(Buffer.alloc(10), { ...remote }, { ...local }, 0)
    expect(native.recvBytes).toBe(10)
  })
})

describe('a fault of the protocol', () => {
  it('ends the connection with the error that quiche has set', () => {
    const { native, connection } = connect()
    native.recv = () => {
      native.localErr = { isApp: false, errorCode: 10, reason: Buffer.from('bad') }
      throw new Error('InvalidFrame')
    }
    connection.receive(Buffer.alloc(10), remote, local, 0)
    expect(turn(connection)).toContainEqual({
      type: 'ended',
      end: { cause: 'local', isApplication: false, code: 10, reason: 'bad' },
    })
  })
})
