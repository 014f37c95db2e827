/**
 * What the first bytes of a client say:
 * - `incomplete`: more have to come, `needsBytes` in all at least
 * - `hello`: whom it asks for (SNI, RFC 6066 3); undefined: nobody
 * - `other`: it is no ClientHello, or none that can be read. TLS will say so
 */
export type HelloRead =
  | { readonly kind: 'incomplete'; readonly needsBytes: number }
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  | { readonly kind: 'other' }

/** What a ClientHello may have; with key shares of today one has 2,000. OpenSSL takes eight times that. */
export const MAX_HELLO_BYTES = 16_384

const RECORD_HEAD_BYTES = 5
const HANDSHAKE_RECORD = 22
const MESSAGE_HEAD_BYTES = 4
const CLIENT_HELLO = 1
/** Version and random (RFC 8446 4.1.2). */
const FIXED_BYTES = 2 + 32
const SERVER_NAME = 0
const HOST_NAME = 0

const OTHER: HelloRead = { kind: 'other' }

/**
 * Reads a ClientHello out of the records of TLS (RFC 8446 5.1), over which it may be spread. A record may
 * have one byte: what is missing is asked for in one piece, and fragments are joined when all are there.
 */
export function readClientHelloRecords(bytes: Buffer): HelloRead {
  const fragments: Buffer[] = []
  let length = 0
  let at = 0
  let messageBytes = MESSAGE_HEAD_BYTES
  for (;;) {
    while (length < messageBytes) {
      if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return OTHER
      const isHeadThere = bytes.length >= at + RECORD_HEAD_BYTES
      const fragmentBytes = isHeadThere ? bytes.readUInt16BE(at + 3) : 1
      const end = at + RECORD_HEAD_BYTES + fragmentBytes
      if (fragmentBytes === 0 || end > MAX_HELLO_BYTES) return OTHER
      if (bytes.length < end)
        return {
          kind: 'incomplete',
          needsBytes: Math.max(end, at + RECORD_HEAD_BYTES + messageBytes - length),
        }
      fragments.push(bytes.subarray(at + RECORD_HEAD_BYTES, end))
      length += fragmentBytes
      at = end
    }
    const read = readClientHello(Buffer.concat(fragments, length))
    if (read.kind !== 'incomplete') return read
    messageBytes = read.needsBytes
  }
}

/** Reads a ClientHello, a handshake message by itself. */
export function readClientHello(message: Buffer): HelloRead {
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return OTHER
  if (message.length < MESSAGE_HEAD_BYTES) return { kind: 'incomplete', needsBytes: MESSAGE_HEAD_BYTES }
  const end = MESSAGE_HEAD_BYTES + message.readUIntBE(1, 3)
  if (end > MAX_HELLO_BYTES) return OTHER
  if (message.length < end) return { kind: 'incomplete', needsBytes: end }
  const reader = new Reader(message.subarray(MESSAGE_HEAD_BYTES, end))
  reader.skip(FIXED_BYTES)
  reader.vector(1) // session id
  reader.vector(2) // cipher suites
  reader.vector(1) // compression
  // TLS 1.2 may end here.
  const extensions = new Reader(reader.isAtEnd ? NOTHING : reader.vector(2))
  let serverName: string | undefined
  while (!extensions.isAtEnd) {
    const type = extensions.number(2)
    const body = extensions.vector(2)
    if (type === SERVER_NAME) serverName = hostNameIn(new Reader(body))
  }
  return reader.isBroken || extensions.isBroken ? OTHER : { kind: 'hello', serverName }
}

function hostNameIn(extension: Reader): string | undefined {
  const names = new Reader(extension.vector(2))
  while (!names.isAtEnd && !names.isBroken) {
    const type = names.number(1)
    const name = names.vector(2)
    if (type === HOST_NAME && name.length > 0 && !names.isBroken) return name.toString('latin1')
  }
  return undefined
}

const NOTHING = Buffer.alloc(0)

/** Reads numbers and vectors (RFC 8446 3.4), and notes when there are not enough bytes. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  isBroken = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.isBroken || this.#at === this.#bytes.length
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  number(bytes: number): number {
    const taken = this.#take(bytes)
    return taken.length === 0 ? 0 : taken.readUIntBE(0, bytes)
  }

  /** With its length in front, in so many bytes. */
  vector(lengthBytes: number): Buffer {
    return this.#take(this.number(lengthBytes))
  }

  #take(bytes: number): Buffer {
    const start = this.#at
    if (this.isBroken || start + bytes > this.#bytes.length) {
      this.isBroken = true
      return NOTHING
    }
    this.#at = start + bytes
    return this.#bytes.subarray(start, this.#at)
  }
}
