import { Duplex } from 'node:stream'
import type { EarlyGate, EarlyPhase } from '../../src/base/http/early-gate.ts'
import type { StreamSocket } from '../../src/base/socket/stream-socket.ts'

/** A handshake that is where the test wants it. */
export class FakeEarlyGate implements EarlyGate {
  phase: EarlyPhase = 'collecting'
  readonly #callbacks: (() => void)[] = []

  onOpen(callback: () => void): void {
    this.#callbacks.push(callback)
  }

  get asked(): number {
    return this.#callbacks.length
  }

  open(): void {
    this.phase = 'open'
    for (const callback of this.#callbacks.splice(0)) callback()
  }
}

/** A socket whose peer is the test. */
export class FakeStreamSocket extends Duplex implements StreamSocket {
  /** What was written, in its pieces. */
  readonly written: Buffer[] = []

  constructor() {
    super({ allowHalfOpen: false })
  }

  get text(): string {
    return Buffer.concat(this.written).toString('latin1')
  }

  /** What the peer says. */
  receive(bytes: string | Buffer): void {
    this.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  ref(): void {}
  unref(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written.push(Buffer.from(chunk)) // its memory is used again
    callback()
  }
}

/** What was begun in this turn of the event loop is done. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
