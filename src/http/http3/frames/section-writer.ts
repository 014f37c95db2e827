import type { HeaderList } from '../../../base/http/headers.ts'
import type { OutgoingRequest } from '../../multiplex/client-session.ts'
import { HeadFields } from '../../multiplex/messages/head-fields.ts'
import { QpackEncoder } from '../../qpack/qpack-encoder.ts'

/**
 * Encodes heads and trailers. What cannot be put on the wire throws TransportError MM_INVALID_ARGUMENT, and
 * then nothing has happened. Each returns the length of the section, which is at the beginning of `bytes`
 * until the next one. What the encoder stream has to say goes out before it.
 */
export class SectionWriter {
  readonly encoder: QpackEncoder
  readonly #fields = new HeadFields()

  constructor(maxTableBytes: number) {
    this.encoder = new QpackEncoder({ maxTableBytes })
  }

  get bytes(): Buffer {
    return this.encoder.bytes
  }

  check(request: OutgoingRequest): void {
    this.#fields.check(request)
  }

  request(streamId: number, request: OutgoingRequest): number {
    this.encoder.begin(streamId)
    this.#fields.addRequest(this.encoder, request)
    return this.encoder.end()
  }

  response(streamId: number, status: number, headers: HeaderList): number {
    this.encoder.begin(streamId)
    this.#fields.addResponse(this.encoder, status, headers)
    return this.encoder.end()
  }

  trailers(streamId: number, trailers: HeaderList): number {
    this.encoder.begin(streamId)
    this.encoder.addAll(trailers)
    return this.encoder.end()
  }
}
