import { COLON } from '../../../base/http/char-tables.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { malformed } from './field-rules.ts'
import type { ResponseHead } from './message-head.ts'
import { readRegularFields, withoutLength } from './regular-fields.ts'

/**
 * Reads the fields of a response head, informational or final. Throws a MessageFault for a malformed one (RFC
 * 9113 8.1.1):
 *  1. `:status` is the only pseudo-field; it is there, once, and has three digits (8.3.2).
 *  2. 101 does not exist here (8.6).
 *  3. 1xx and 204 have no Content-Length (RFC 9110 8.6). `0` is common on 204 and harmless: it is left out.
 *  4. The rules for all fields: see readRegularFields.
 */
export function readResponseHead(fields: HeaderList): ResponseHead {
  let status = 0
  let pos = 0
  for (; pos < fields.length; pos += 2) {
    const name = fields[pos] as string // even indexes are names
    if (name.charCodeAt(0) !== COLON) break
    if (name !== ':status') throw malformed('a pseudo-field that no response has', name)
    if (status !== 0) throw malformed('given twice', name)
    status = readStatus(fields[pos + 1] as string) // odd indexes are values
  }
  if (status === 0) throw malformed('missing', ':status')
  if (status === 101) throw malformed('101 does not exist here', ':status')
  const regular = readRegularFields(fields, pos, 'response')
  const { headers, contentLength } =
    status < 200 || status === 204 ? withoutLength(regular, 'neither 1xx nor 204 have it') : regular
  return { status, headers, contentLength }
}

/** Three digits, 100 to 999. RFC 9110 15 knows none above 599, but says that a client takes them for 5xx. */
function readStatus(value: string): number {
  if (value.length === 3) {
    const hundreds = value.charCodeAt(0) - 0x30
    const tens = value.charCodeAt(1) - 0x30
    const ones = value.charCodeAt(2) - 0x30
    if (hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9) {
      return hundreds * 100 + tens * 10 + ones
    }
  }
  throw malformed('not three digits', ':status')
}
