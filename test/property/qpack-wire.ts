import type { QpackDecoder } from '../../src/http/qpack/qpack-decoder.ts'
import type { QpackEncoder } from '../../src/http/qpack/qpack-encoder.ts'
import { encode } from '../unit/http/field-compression/sections.ts'

interface Sent {
  readonly bytes: Buffer
  readonly fields: readonly string[]
}

/**
 * An encoder and the decoder of its peer, with all that is on its way between them: it arrives when the test
 * says so.
 */
export class QpackWire {
  readonly encoder: QpackEncoder
  readonly decoder: QpackDecoder
  /** Sections on their way, by stream; the first one of a stream may have been seen and be blocked. */
  readonly #sections = new Map<number, Sent[]>()
  readonly #blocked = new Set<number>()
  #toDecoder: Buffer = Buffer.alloc(0)
  #toEncoder: Buffer = Buffer.alloc(0)
  #nextStream = 0
  /** What took place. */
  readonly seen = { sections: 0, blocked: 0, references: 0, cancelled: 0, mostBlocked: 0 }

  constructor(encoder: QpackEncoder, decoder: QpackDecoder) {
    this.encoder = encoder
    this.decoder = decoder
  }

  get streamsUnderWay(): number[] {
    return [...this.#sections.keys()]
  }

  /** Encodes a list for a new stream, or for one that has sections on their way. */
  send(fields: readonly string[], streamId: number = this.#newStream()): void {
    const bytes = encode(this.encoder, streamId, fields)
    this.#collect()
    if (bytes[0] !== 0) this.seen.references++
    const sections = this.#sections.get(streamId)
    if (sections === undefined) this.#sections.set(streamId, [{ bytes, fields }])
    else sections.push({ bytes, fields })
  }

  /**
   * Lets the next section of a stream arrive, unless it is blocked. Throws when it does not say what was
   * sent.
   */
  deliver(streamId: number): void {
    const sections = this.#sections.get(streamId)
    const next = sections?.[0]
    if (sections === undefined || next === undefined || this.#blocked.has(streamId)) return
    const padded = Buffer.concat([Buffer.alloc(3, 0xff), next.bytes, Buffer.alloc(2, 0xff)])
    const decoded = this.decoder.decode(streamId, padded, 3, padded.length - 2)
    if (decoded === 'too-large') throw new Error('a list is above the limits')
    if (decoded === 'blocked') {
      this.seen.blocked++
      this.#blocked.add(streamId)
      this.seen.mostBlocked = Math.max(this.seen.mostBlocked, this.#blocked.size)
      return
    }
    if (decoded.fields.join('\n') !== next.fields.join('\n')) {
      throw new Error(`sent ${JSON.stringify(next.fields)}, decoded ${JSON.stringify(decoded.fields)}`)
    }
    this.seen.sections++
    sections.shift()
    if (sections.length === 0) this.#sections.delete(streamId)
    this.#collect()
  }

  /** Lets that many bytes of the encoder stream arrive, and what they unblock. */
  deliverInsertions(bytes: number): void {
    const piece = this.#toDecoder.subarray(0, bytes)
    this.#toDecoder = this.#toDecoder.subarray(piece.length)
    for (const streamId of this.decoder.receiveEncoderStream(piece, 0, piece.length)) {
      if (!this.#blocked.delete(streamId)) throw new Error(`stream ${streamId} was not blocked`)
      this.deliver(streamId)
    }
    this.#collect()
  }

  /** Lets that many bytes of the decoder stream arrive. */
  deliverAcknowledgments(bytes: number): void {
    const piece = this.#toEncoder.subarray(0, bytes)
    this.#toEncoder = this.#toEncoder.subarray(piece.length)
    this.encoder.receiveDecoderStream(piece, 0, piece.length)
  }

  /** The reader of a stream gives up. */
  cancel(streamId: number): void {
    if (!this.#sections.delete(streamId)) return
    this.#blocked.delete(streamId)
    this.decoder.cancel(streamId)
    this.seen.cancelled++
    this.#collect()
  }

  /** Lets all arrive that is on its way. */
  deliverAll(): void {
    this.#collect()
    this.deliverInsertions(Infinity)
    for (const [streamId, sections] of this.#sections) {
      for (let left = sections.length; left > 0; left--) this.deliver(streamId)
    }
    this.deliverAcknowledgments(Infinity)
  }

  /** Takes what either side has to say. */
  #collect(): void {
    const instructions = this.encoder.takeEncoderStream()
    if (instructions !== undefined) this.#toDecoder = Buffer.concat([this.#toDecoder, instructions])
    const acknowledgments = this.decoder.takeDecoderStream()
    if (acknowledgments !== undefined) this.#toEncoder = Buffer.concat([this.#toEncoder, acknowledgments])
  }

  #newStream(): number {
    const streamId = this.#nextStream
    this.#nextStream += 4
    return streamId
  }
}
