/** Extension types of a ClientHello (RFC 8446 4.1.2, 4.2), read from the first bytes of a connection. */
export function clientHelloExtensions(bytes: Buffer): number[] {
  // Record header 5, handshake header 4, legacy_version 2, random 32.
  let at = 5 + 4 + 2 + 32
  at += 1 + bytes.readUInt8(at) // legacy_session_id
  at += 2 + bytes.readUInt16BE(at) // cipher_suites
  at += 1 + bytes.readUInt8(at) // legacy_compression_methods
  const end = at + 2 + bytes.readUInt16BE(at)
  const extensions: number[] = []
  for (at += 2; at < end; at += 4 + bytes.readUInt16BE(at + 2)) extensions.push(bytes.readUInt16BE(at))
  return extensions
}

/** The extension that carries a ticket in TLS 1.3. */
export const PRE_SHARED_KEY = 41
