import { seededRandom } from '../../src/base/seeded-random.ts'

/** The largest body of the soak, and room for its start to differ. */
const TABLE_BYTES = 1_048_576 + 65_536

/** The same in every process of the soak. */
const TABLE = makeTable()

function makeTable(): Buffer {
  const random = seededRandom(20)
  const words = new Uint32Array(TABLE_BYTES / 4)
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32
  return Buffer.from(words.buffer)
}

/**
 * The body that belongs to a request: a stretch of one table that begins at an offset from the id, so that a
 * piece that is lost, doubled, moved or another request's shows. It is the table's memory: nobody writes into
 * it.
 */
export function payload(id: string, bytes: number): Buffer {
  const start = hash(id) % 65_521
  return TABLE.subarray(start, start + bytes)
}

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/**
 * `/soak/ID?size=BYTES`: the id stands in the path, so that a log that leaves queries out still names the
 * request.
 */
export function requestPath(id: string, bytes: number): string {
  return `/soak/${id}?size=${bytes}`
}

export function parseRequestPath(path: string): { readonly id: string; readonly bytes: number } | undefined {
  const match = /^\/soak\/([\w-]+)\?size=(\d+)$/.exec(path)
  return match === null ? undefined : { id: match[1] ?? '', bytes: Number(match[2]) }
}
