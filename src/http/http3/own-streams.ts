import { ConnectionFault } from './frames/error-codes.ts'
import { GOAWAY, PRIORITY_UPDATE_REQUEST, SETTINGS } from './frames/frame-table.ts'
import { encodeSettings, type Settings } from './frames/settings.ts'
import { encodeVarint, varintBytes } from './frames/varint.ts'
import { OwnStream } from './own-stream.ts'
import type { SessionCore } from './session-core.ts'
import { CONTROL, QPACK_DECODER, QPACK_ENCODER } from './unidirectional-streams.ts'

/** What waits of ours to be said about sections, when the peer does not let us say it. */
const MAX_WAITING_BYTES = 65_536

const NO_LIMIT_YET = Buffer.from('fffffffffffffffc', 'hex') // 2^62 - 4, the last id of a request stream

/** Our control stream and QPACK streams (RFC 9114 6.2.1, RFC 9204 4.2). */
export class OwnStreams {
  readonly #core: SessionCore
  readonly #control: OwnStream
  readonly #encoder: OwnStream
  readonly #decoder: OwnStream

  constructor(core: SessionCore) {
    this.#core = core
    this.#control = new OwnStream(core.quic, CONTROL)
    this.#encoder = new OwnStream(core.quic, QPACK_ENCODER)
    this.#decoder = new OwnStream(core.quic, QPACK_DECODER)
  }

  /**
   * Says SETTINGS, with a reserved one, and a reserved frame behind them, so that peers keep their ability to
   * read over what they do not know (RFC 9114 7.2.4.1, 7.2.8). `n` makes the reserved numbers vary.
   */
  start(settings: Settings, n: number): void {
    this.#control.put(frame(SETTINGS, encodeSettings(settings, [n, n])))
    this.#control.put(frame(0x1f * n + 0x21, Buffer.alloc(n % 8)))
    this.openMissing()
  }

  /** A peer should let us open three at once, but need not (RFC 9114 6.2). */
  openMissing(): void {
    this.#control.open()
    this.#encoder.open()
    this.#decoder.open()
  }

  get isOpen(): boolean {
    return this.#decoder.id !== undefined
  }

  has(id: number): boolean {
    return id === this.#control.id || id === this.#encoder.id || id === this.#decoder.id
  }

  /** What our encoder has to say, as far as QUIC takes it. To be called before the section that needs it. */
  sendInsertions(): void {
    const { encoder } = this.#core.sections
    if (this.#encoder.isClear) {
      const instructions = encoder.takeEncoderStream()
      if (instructions !== undefined) this.#encoder.put(instructions)
    }
    encoder.mayInsert = this.#encoder.isClear
  }

  /**
   * What QPACK has to say in both roles. Throws ConnectionFault. To be called once per turn: acknowledgements
   * of one section each would cost a crossing each.
   */
  sendQpack(): void {
    this.sendInsertions()
    if (this.#decoder.isClear) {
      const instructions = this.#core.reader.takeDecoderStream()
      if (instructions !== undefined) this.#decoder.put(instructions)
    } else if (this.#core.reader.decoder.waitingBytes > MAX_WAITING_BYTES) {
      throw new ConnectionFault('H3_EXCESSIVE_LOAD', 'the peer takes nothing on our QPACK decoder stream')
    }
  }

  /** Goes on with what waits. */
  pump(): void {
    this.#control.pump()
    this.#encoder.pump()
    this.#decoder.pump()
  }

  /** `id` undefined: the graceful "not yet" (RFC 9114 5.2). */
  sendGoaway(id: number | undefined): void {
    if (id === undefined) {
      this.#control.put(frame(GOAWAY, NO_LIMIT_YET))
      return
    }
    const payload = Buffer.alloc(varintBytes(id))
    encodeVarint(payload, 0, id)
    this.#control.put(frame(GOAWAY, payload))
  }

  /** RFC 9218 7.2. */
  sendPriorityUpdate(streamId: number, value: string): void {
    const idBytes = varintBytes(streamId)
    const payload = Buffer.alloc(idBytes + value.length)
    encodeVarint(payload, 0, streamId)
    payload.write(value, idBytes, 'latin1')
    this.#control.put(frame(PRIORITY_UPDATE_REQUEST, payload))
  }
}

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(varintBytes(type) + varintBytes(payload.length))
  encodeVarint(header, encodeVarint(header, 0, type), payload.length)
  return Buffer.concat([header, payload])
}
