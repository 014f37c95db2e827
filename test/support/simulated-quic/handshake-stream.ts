import type { Frame } from './frame.ts'
import { encodeMessage, type HandshakeMessage, MessageReader } from './handshake-messages.ts'
import { ReceiveStream } from './receive-stream.ts'
import { SendStream } from './send-stream.ts'

type HandshakeFrame = Extract<Frame, { type: 'handshake' }>

/**
 * The messages of the handshake, in order and sent again when lost: like a stream, but outside of flow
 * control (RFC 9000 7.5).
 */
export class HandshakeStream {
  readonly #send = new SendStream(-1)
  readonly #receive = new ReceiveStream()
  readonly #reader = new MessageReader()

  get hasFrame(): boolean {
    return this.#send.hasFrame(Infinity)
  }

  send(message: HandshakeMessage): void {
    this.#send.write(encodeMessage(message), false)
  }

  nextFrame(room: number): HandshakeFrame {
    const { offset, data } = this.#send.nextFrame(room, Infinity)
    return { type: 'handshake', offset, data }
  }

  /** The messages that are complete with it. */
  receive({ offset, data }: HandshakeFrame, now: number): HandshakeMessage[] {
    this.#receive.receive(offset, data, false, now)
    const messages: HandshakeMessage[] = []
    const piece = Buffer.alloc(4096)
    for (let read = this.#receive.read(piece); read !== undefined; read = this.#receive.read(piece)) {
      messages.push(...this.#reader.push(piece.subarray(0, read[0])))
    }
    return messages
  }

  onAcked({ offset, data }: HandshakeFrame): void {
    this.#send.onAcked(offset, data.length)
  }

  onLost({ offset, data }: HandshakeFrame): void {
    this.#send.onLost(offset, data.length)
  }
}
