import type { HeaderList } from '../../../base/http/headers.ts'
import { StacklessError } from '../fault.ts'

/** The head of a request, its pseudo-fields taken out and every rule of RFC 9113 8 checked. */
export interface RequestHead {
  readonly method: string
  /** '' only for CONNECT without :protocol. */
  readonly scheme: string
  /** :authority, or Host where there is none; '' when neither was sent. */
  readonly authority: string
  /** '' only for CONNECT without :protocol. */
  readonly path: string
  /** Extended CONNECT (RFC 8441). */
  readonly protocol: string | undefined
  /** End-to-end fields only, no pseudo-fields; crumbs of Cookie joined (RFC 9113 8.2.3). */
  readonly headers: HeaderList
  /** A name in `headers` has an underscore. */
  readonly hasUnderscore: boolean
  readonly contentLength: number | undefined
}

/** The head of a response, informational or final. */
export interface ResponseHead {
  readonly status: number
  /** End-to-end fields only, no pseudo-fields. */
  readonly headers: HeaderList
  readonly contentLength: number | undefined
}

/**
 * A message broke a rule that HTTP/2 and HTTP/3 share. Thrown by the rules of this folder; each session turns
 * it into the end of the stream.
 */
export class MessageFault extends StacklessError {
  constructor(message: string) {
    super(message)
    this.name = 'MessageFault'
  }
}
