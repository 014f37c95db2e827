import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { type BodySink, type BodySource, NO_HEADERS } from '../../entry/dispatch.ts'
import type { RequestKind } from '../load/load-job.ts'

/** What uploads are cut from: nothing on the path can compress it. */
const BLOCK = randomBytes(65_536)

/** How many bytes a request's body has; undefined: it has none. */
export function bodyBytes({ body, uploadBytes = 0 }: RequestKind): number | undefined {
  if (body !== undefined) return body.byteLength
  return uploadBytes > 0 ? uploadBytes : undefined
}

/** The request's own header fields, and the length of its body. */
export function headersOf(request: RequestKind): readonly string[] {
  const bytes = bodyBytes(request)
  const headers = request.headers ?? NO_HEADERS
  return bytes === undefined ? headers : [...headers, 'content-length', String(bytes)]
}

/** A body as Node's libraries take it. */
export function bodyStream(request: RequestKind): Buffer | Readable | undefined {
  if (request.body !== undefined) return Buffer.from(request.body)
  if (bodyBytes(request) === undefined) return undefined
  return Readable.from(blocks(request.uploadBytes ?? 0), { objectMode: false })
}

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= BLOCK.length) yield BLOCK.subarray(0, Math.min(left, BLOCK.length))
}

/** The same for our own transport. It is sent once: a body that goes twice would count as one. */
export class MadeBody implements BodySource {
  readonly length: number
  #left: number
  #sink: BodySink | undefined
  #wasAttached = false

  constructor(bytes: number) {
    this.length = bytes
    this.#left = bytes
  }

  isReplayable(): boolean {
    return !this.#wasAttached
  }

  attach(sink: BodySink): void {
    this.#wasAttached = true
    this.#sink = sink
    this.resume()
  }

  resume(): void {
    while (this.#sink !== undefined && this.#left > 0) {
      const chunk = BLOCK.subarray(0, Math.min(this.#left, BLOCK.length))
      this.#left -= chunk.length
      if (!this.#sink.write(chunk) && this.#left > 0) return
    }
    const sink = this.#sink
    this.#sink = undefined
    sink?.end([])
  }

  cancel(): void {
    this.#sink = undefined
  }
}
