import { randomInt } from 'node:crypto'
import { Readable } from 'node:stream'
import type { RequestBody } from '../base/http/exchange.ts'
import { StreamBody } from './stream-body.ts'

/**
 * A body as the exchange takes it, and the content-type that its form implies (FormData, URLSearchParams,
 * typed Blobs).
 */
export interface PreparedBody {
  readonly body: RequestBody
  readonly contentType: string | undefined
}

/** What a form may hold: a text, or a file, which need not be a Blob of this realm. */
export type FormEntry = readonly [name: string, value: string | Blob]

/**
 * A form as multipart/form-data (RFC 7578, and HTML 4.10.21.8 for what is escaped). Its length is the sum of
 * its parts, so that the request has a content-length, and it can be sent again: nothing of a file is read
 * before. Only where a file does not tell its size is the length unknown.
 */
export function formBody(form: Iterable<FormEntry>): PreparedBody {
  const boundary = `----middlemile-${randomInt(2 ** 47).toString(36)}${randomInt(2 ** 47).toString(36)}`
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lineFeeds(name))}"`
    if (typeof value === 'string') {
      parts.push(`${disposition}\r\n\r\n${lineFeeds(value)}\r\n`)
      continue
    }
    const file = 'name' in value ? `; filename="${escaped(String(value.name))}"` : ''
    const type = value.type === '' ? 'application/octet-stream' : value.type
    parts.push(`${disposition}${file}\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
  }
  parts.push(`--${boundary}--\r\n`)
  const contentType = `multipart/form-data; boundary=${boundary}`
  if (parts.every(isKnown)) {
    const whole = new Blob(parts)
    return { body: new StreamBody(() => Readable.from(whole.stream()), true, whole.size), contentType }
  }
  return { body: new StreamBody(() => Readable.from(bytesOf(parts)), false, undefined), contentType }
}

/** A file of another library need not be a Blob to Node, nor tell its size. */
function isKnown(part: string | Blob): boolean {
  return typeof part === 'string' || part instanceof Blob
}

async function* bytesOf(parts: readonly (string | Blob)[]): AsyncGenerator<Uint8Array | string> {
  for (const part of parts) {
    if (typeof part === 'string') yield part
    else yield* part.stream()
  }
}

function lineFeeds(text: string): string {
  return text.replace(/\r?\n|\r/g, '\r\n')
}

function escaped(name: string): string {
  return name.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}
