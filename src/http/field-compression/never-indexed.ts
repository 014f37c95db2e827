import { ValueFilter } from './value-filter.ts'

/**
 * A field is encoded again microseconds after it was decoded: this is room for the fields that are on their
 * way at one time.
 */
const SLOTS = 1024

const fields = new ValueFilter(SLOTS)
let isEmpty = true

/**
 * RFC 7541 7.1.3: an intermediary MUST send a field as never-indexed literal when it came as one. Header
 * lists have no place for such a mark, and are taken apart and put together between a decoder and an encoder;
 * so the fields themselves are remembered, as hashes, one memory for the process. It is only for names that
 * FieldClass does not call secret anyway, which hardly any peer marks.
 *
 * What this does not do: an entry that another message brought into the table before is still referred to.
 */
export function rememberNeverIndexed(name: string, value: string): void {
  isEmpty = false
  fields.add(name, value)
}

/** Whether the field came as never-indexed literal lately. */
export function wasNeverIndexed(name: string, value: string): boolean {
  return !isEmpty && fields.has(name, value)
}
