import type { HeaderList } from '../../../base/http/headers.ts'
import { readRegularFields } from './regular-fields.ts'

/**
 * Reads the fields of trailers. Throws a MessageFault for malformed ones: a pseudo-field (RFC 9113 8.1), a
 * field of the connection, illegal characters. A field that must not be a trailer (RFC 9110 6.5.1) is left
 * out.
 */
export function readTrailers(fields: HeaderList): HeaderList {
  return readRegularFields(fields, 0, 'trailers').headers
}
