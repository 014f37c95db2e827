import { isForbiddenTrailer } from '../../../base/http/forbidden-trailer.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { NO_HEADERS } from '../../../base/http/headers.ts'
import type { CodecRole } from './codec-failure.ts'
import { codecFailure } from './codec-failure.ts'
import type { FieldSection } from './field-section.ts'

/**
 * The trailers of a scanned section: fields of the connection are left out as in a head, forbidden ones are
 * left out, and a field that would frame or route the message (host, content-length, transfer-encoding) is
 * refused: it has no honest use there.
 */
export function collectTrailers(
  section: FieldSection,
  text: string,
  base: number,
  role: CodecRole,
): HeaderList {
  const fields = section.collect(text, base)
  if (
    section.host !== undefined ||
    section.contentLength !== undefined ||
    section.transferEncoding !== undefined
  ) {
    throw codecFailure(role, 'broken', 'host, content-length or transfer-encoding in the trailers', text)
  }
  const trailers: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    if (!isForbiddenTrailer(name)) trailers.push(name, fields[i + 1] as string) // odd indexes are values
  }
  return trailers.length === 0 ? NO_HEADERS : trailers
}
