/**
 * One record of a JSON text sequence (RFC 7464 2.2): a record separator, the JSON text, a line feed. A reader
 * that finds a torn record goes on at the next separator, which never stands inside of one: JSON escapes it
 * in strings.
 */
export function jsonTextRecord(value: object): string {
  return `\u001e${JSON.stringify(value)}\n`
}
