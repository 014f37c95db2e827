/**
 * What the suites of HPACK and QPACK both encode: a response of ten fields (a file) and a request as a proxy
 * sends it, without pseudo fields.
 */
export const RESPONSE_FIELDS: readonly string[] = [
  ['server', 'nginx/1.26.2'],
  ['date', 'Tue, 04 Mar 2025 10:12:13 GMT'],
  ['content-type', 'application/javascript'],
  ['content-length', '1024'],
  ['last-modified', 'Mon, 03 Mar 2025 08:00:00 GMT'],
  ['etag', '"66f1a2b3-400"'],
  ['cache-control', 'public, max-age=31536000, immutable'],
  ['vary', 'Accept-Encoding'],
  ['accept-ranges', 'bytes'],
].flat()
export const REQUEST_FIELDS: readonly string[] = [
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
  ['accept', '*/*'],
  ['accept-language', 'en-US,en;q=0.5'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['via', '1.1 middlemile'],
  ['x-forwarded-proto', 'https'],
].flat()

/** More than the memo of an encoder holds. */
const COPIES = 64

/** The same values in strings and lists of their own, as a parser makes them. */
export function copiesOf(list: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: COPIES }, () =>
    list.map((text, i) => (i % 2 === 0 ? text : Buffer.from(text, 'latin1').toString('latin1'))),
  )
}

/** One after the other, over and over. */
export function takeTurns<T>(list: readonly T[]): () => T {
  let turn = 0
  return () => list[turn++ % list.length]!
}
