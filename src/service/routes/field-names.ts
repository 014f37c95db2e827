/**
 * Fields that belong to one connection or frame a message (RFC 9110 7.6.1, RFC 9112 6): each protocol writes
 * its own, so that routes neither see nor set them.
 */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Fields that can be read, as they go on with the message; names in lower case. */
const READABLE: ReadonlySet<string> = new Set(['content-length', 'expect', 'trailer'])

/** Whether a route may write a field of that name. */
export function isWritable(name: string): boolean {
  return !OF_CONNECTION.has(name)
}

/** Whether a field of that name is among those that go on. */
export function isPassedOn(name: string): boolean {
  return !OF_CONNECTION.has(name) || READABLE.has(name)
}
