import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import type { BodyFraming } from '../../http/http1/codec/message-framing.ts'
import { encodeResponseHead } from '../../http/http1/codec/response-encoder.ts'

interface Head {
  readonly status: number
  readonly headers: HeaderList
  readonly statusText: string | undefined
}

let last: Head = { status: 0, headers: NO_HEADERS, statusText: undefined }
let lastFraming: BodyFraming = 'none'
let lastText = ''

/**
 * encodeResponseHead for HTTP/1.1 with a connection that stays, remembering the last head: an origin that
 * speaks HTTP/2 sends equal heads as one and the same list, which is text already. To ask costs two
 * comparisons. Throws like encodeResponseHead.
 */
export function persistentHeadText(head: Head, framing: BodyFraming): string {
  const isSame =
    head.headers === last.headers &&
    framing === lastFraming &&
    head.status === last.status &&
    head.statusText === last.statusText
  if (isSame) return lastText
  const text = encodeResponseHead(head, framing, PERSISTENT)
  last = head
  lastFraming = framing
  lastText = text
  return text
}

const PERSISTENT = { minorVersion: 1, keepAlive: true } as const
