/** What the two sessions of a suite have, of HTTP/2 and of HTTP/3. */

export const RESPONSE_HEADERS = [
  ['server', 'nginx/1.26.2'],
  ['date', 'Tue, 04 Mar 2025 10:12:13 GMT'],
  ['content-type', 'application/javascript'],
  ['last-modified', 'Mon, 03 Mar 2025 08:00:00 GMT'],
  ['etag', '"66f1a2b3-1f40"'],
  ['cache-control', 'public, max-age=31536000, immutable'],
].flat()

/** What one write of a body is. */
export const CHUNK = Buffer.alloc(16_384, 'x')

export function copy(chunk: Buffer): Buffer {
  return Buffer.from(chunk)
}

export function fail(message: string): never {
  throw new Error(message)
}
