import { TransportError } from '../../src/base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  Connector,
  HandshakeInfo,
  KeepAliveHint,
} from '../../src/base/events/connection.ts'

const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}

/**
 * A connection without a network. The test ends its exchanges and its life; it checks that it is not
 * overfilled or used when dead.
 */
export class FakeConnection implements Connection {
  readonly id: number
  readonly protocol = 'h2'
  readonly endpoint = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
  readonly handshake: HandshakeInfo
  readonly listener: ConnectionListener
  capacity: number
  keepAlive: KeepAliveHint | undefined
  pausedSince: number | undefined
  streams = 0
  isClosed = false
  isDraining = false
  closedFor: CloseReason | undefined
  /** close() reports its end at once; else endClose() does. */
  closesAtOnce = true
  /** Its socket outlives its end, until endSocket(). */
  lingers = false
  #endOfSocket: (() => void) | undefined
  readonly pings: { answer: () => void; fail: () => void }[] = []

  constructor(
    id: number,
    listener: ConnectionListener,
    capacity: number,
    kind: HandshakeInfo['kind'] = 'full',
  ) {
    this.id = id
    this.listener = listener
    this.capacity = capacity
    this.keepAlive = undefined
    this.pausedSince = undefined
    this.closedFor = undefined
    this.#endOfSocket = undefined
    this.handshake = { ...HANDSHAKE, kind }
  }

  /** Exchanges are the test's matter: it opens one here and ends it with finish(). */
  open(): void {
    if (this.isClosed) throw new Error(`an exchange on ${this.toString()}, which is closed`)
    if (this.isDraining) throw new Error(`an exchange on ${this.toString()}, which drains`)
    if (this.streams >= this.capacity) throw new Error(`an exchange too many on ${this.toString()}`)
    this.streams += 1
  }

  finish(failed = false): void {
    this.streams -= 1
    this.listener.onStreamClosed(this, failed)
  }

  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pings.push({
        answer: resolve,
        fail: () => reject(new TransportError('MM_PING_FAILED', 'no pong')),
      })
    })
  }

  drain(reason: CloseReason): void {
    this.announceDraining(reason)
  }

  announceDraining(reason: CloseReason = 'peer-closed'): void {
    this.isDraining = true
    this.listener.onDraining(this, reason)
  }

  changeCapacity(capacity: number): void {
    this.capacity = capacity
    this.listener.onCapacityChanged(this)
  }

  close(reason: CloseReason): void {
    if (this.closedFor !== undefined) return
    this.closedFor = reason
    if (this.closesAtOnce) this.endClose()
  }

  /** The end of a close, or of the connection by the peer's hand. */
  endClose(reason: CloseReason = this.closedFor ?? 'peer-closed', error?: TransportError): void {
    if (this.isClosed) return
    this.isClosed = true
    this.closedFor ??= reason
    this.streams = 0
    this.listener.onClosed(this, reason, error)
  }

  whenGone(): Promise<void> | undefined {
    if (!this.lingers) return undefined
    return new Promise(resolve => (this.#endOfSocket = resolve))
  }

  endSocket(): void {
    this.lingers = false
    this.#endOfSocket?.()
  }

  toString(): string {
    return `fake#${this.id}`
  }
}

interface FakeDial {
  readonly listener: ConnectionListener
  readonly signal: AbortSignal
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: unknown) => void
}

let lastId = 0

/** Dials that end when the test says so. */
export class FakeConnector implements Connector {
  /** Those under way, in order. */
  readonly dials: FakeDial[] = []
  /** Ever started. */
  started = 0
  /** Ever opened. */
  readonly connections: FakeConnection[] = []

  connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    this.started += 1
    return new Promise((resolve, reject) => {
      const dial: FakeDial = { listener, signal, resolve, reject }
      this.dials.push(dial)
      signal.addEventListener('abort', () => {
        const at = this.dials.indexOf(dial)
        if (at < 0) return
        this.dials.splice(at, 1)
        reject(new TransportError('MM_ABORTED', 'the dial was stopped'))
      })
    })
  }

  /** The oldest dial under way succeeds. */
  async succeed(capacity = 1, kind: HandshakeInfo['kind'] = 'full'): Promise<FakeConnection> {
    const connection = this.bear(capacity, kind)
    await settled()
    return connection
  }

  /** The same, before the pool was notified of it. */
  bear(capacity = 1, kind: HandshakeInfo['kind'] = 'full'): FakeConnection {
    const dial = this.dials.shift()
    if (dial === undefined) throw new Error('no dial is under way')
    lastId += 1
    const connection = new FakeConnection(lastId, dial.listener, capacity, kind)
    this.connections.push(connection)
    dial.resolve(connection)
    return connection
  }

  /** The oldest dial under way fails. */
  async fail(error: unknown = new TransportError('MM_CONNECT_REFUSED', 'refused')): Promise<void> {
    const dial = this.dials.shift()
    if (dial === undefined) throw new Error('no dial is under way')
    dial.reject(error)
    await settled()
  }
}

/** Everything that promises have under way has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}
