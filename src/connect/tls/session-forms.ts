/**
 * A session has two forms. OpenSSL's own is DER (SSL_SESSION_ASN1); so node:tls hands it out, too, and takes
 * it. Newer releases of Node (seen in 22.23 and 24.21) put the name in front that it was made for, and take
 * no other form for a connection that is to be verified: DER alone is ignored without a word, and the
 * handshake is a full one. What node:tls does is not documented, so that it is learned from what comes.
 */
const PREFIX = Buffer.from('\0nodejs:tls:session:1\0', 'latin1')
const LENGTH_BYTES = 2
const MAX_NAME_BYTES = 0xffff

/** OpenSSL's own form of a session, in either form. What is neither is left as it is. */
export function bareSession<T extends Uint8Array>(session: T): T {
  if (!isNamed(session)) return session
  const [high = 0, low = 0] = session.subarray(PREFIX.length)
  const start = PREFIX.length + LENGTH_BYTES + high * 256 + low
  // as: a part of what it was
  return session.length < start ? session : (session.subarray(start) as T)
}

function isNamed(session: Uint8Array): boolean {
  if (session.length < PREFIX.length + LENGTH_BYTES) return false
  return PREFIX.every((byte, at) => session[at] === byte)
}

function withName(der: Buffer, name: string): Buffer {
  const bytes = Buffer.from(name, 'utf8').subarray(0, MAX_NAME_BYTES)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([PREFIX, length, bytes, der])
}

/**
 * Makes sessions of node:tls and of our own TLS client interchangeable: both put theirs into one store. The
 * name in front is no matter of trust to us, since the key that a session lies under covers it (peer-key.ts);
 * it only must be what this Node expects.
 */
export class SessionForms {
  #nodeWantsName = false

  /** A session that node:tls gave. */
  learn(session: Buffer): void {
    if (isNamed(session)) this.#nodeWantsName = true
  }

  /**
   * For tls.connect(). `name`: what node:tls takes the connection to be for, which is its `servername`, else
   * its `host`, else `localhost`. Before node:tls has given any session, one of our own client goes as it is:
   * then the first handshake of a process may be a full one.
   */
  forNode(session: Buffer, name: string): Buffer {
    return this.#nodeWantsName && !isNamed(session) ? withName(session, name) : session
  }
}
