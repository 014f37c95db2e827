import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

/** A piece of what the CRYPTO frames of a client's Initial packets carry (RFC 9000 19.6). */
export interface CryptoPiece {
  readonly offset: number
  readonly bytes: Buffer
}

/** RFC 9001 5.2. The keys keep nobody out: they are made of what stands in the packet. */
const SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const VERSION_1 = 1
const LONG_INITIAL = 0xc0
/** Form, fixed bit and type of a long header (RFC 9000 17.2). */
const TYPE_BITS = 0xf0
const IDS_AT = 5
const TAG_BYTES = 16
const SAMPLE_BYTES = 16
const SAMPLE_AT = 4
/** More than clients put into one datagram, and each costs a decryption. */
const MAX_PACKETS = 4

/**
 * What the Initial packets of a client's datagram carry of its ClientHello, as they come, decrypted without
 * the engine (RFC 9001 5): who is asked for has to be known before a connection is made. `connectionId` is
 * what the client calls us in its first packet. Undefined: it is no Initial of version 1, or cannot be read.
 */
export function cryptoOf(datagram: Buffer, connectionId: Buffer): CryptoPiece[] | undefined {
  if (datagram.length === 0) return undefined
  const keys = initialKeys(connectionId, 'client in')
  const pieces: CryptoPiece[] = []
  let at = 0
  for (let packets = 0; packets < MAX_PACKETS && at < datagram.length; packets++) {
    const packet = initialAt(datagram, at)
    const payload = packet && open(datagram, packet, keys)
    // Behind Initials there may be packets of other types, which are the engine's to read.
    if (packet === undefined || payload === undefined) return packets === 0 ? undefined : pieces
    if (!readFrames(payload, pieces)) return undefined
    at = packet.end
  }
  return pieces
}

/** CRYPTO_ERROR (RFC 9001 4.8) with the alert `unrecognized_name`. */
const UNRECOGNIZED_NAME = 0x0100 + 112
const CONNECTION_CLOSE = 0x1c
/** Of our own side, which nobody will write to. */
const CLOSING_ID = Buffer.alloc(8)

/**
 * An Initial of ours that ends a connection before there is one: nobody here is called as the client asks.
 * `connectionId`: what the client called us; `clientId`: what it calls itself.
 */
export function unknownNameClose(connectionId: Buffer, clientId: Buffer): Buffer {
  const { key, iv, headerKey } = initialKeys(connectionId, 'server in')
  const code = Buffer.alloc(2)
  code.writeUInt16BE(0x4000 | UNRECOGNIZED_NAME)
  const payload = Buffer.concat([Buffer.of(CONNECTION_CLOSE), code, Buffer.of(CRYPTO, 0)])
  const numberBytes = 1
  const length = numberBytes + payload.length + TAG_BYTES
  const header = Buffer.concat([
    Buffer.of(LONG_INITIAL, 0, 0, 0, VERSION_1, clientId.length),
    clientId,
    Buffer.of(CLOSING_ID.length),
    CLOSING_ID,
    Buffer.of(0, length, 0), // no token; the length; packet number 0
  ])
  const cipher = createCipheriv('aes-128-gcm', key, iv)
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  const packet = Buffer.concat([header, sealed])
  const numberAt = header.length - numberBytes
  const mask = headerMask(packet, numberAt, headerKey)
  packet[0] = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f)
  packet[numberAt] = (packet[numberAt] ?? 0) ^ (mask[1] ?? 0)
  return packet
}

/** RFC 9001 5.4.3. */
function headerMask(packet: Buffer, numberAt: number, headerKey: Buffer): Buffer {
  const sampleAt = numberAt + SAMPLE_AT
  const sample = packet.subarray(sampleAt, sampleAt + SAMPLE_BYTES)
  return createCipheriv('aes-128-ecb', headerKey, null).update(sample)
}

interface Keys {
  readonly key: Buffer
  readonly iv: Buffer
  readonly headerKey: Buffer
}

function initialKeys(connectionId: Buffer, side: 'client in' | 'server in'): Keys {
  const initial = createHmac('sha256', SALT).update(connectionId).digest()
  const secret = expandLabel(initial, side, 32)
  return {
    key: expandLabel(secret, 'quic key', 16),
    iv: expandLabel(secret, 'quic iv', 12),
    headerKey: expandLabel(secret, 'quic hp', 16),
  }
}

/** HKDF-Expand-Label (RFC 8446 7.1), of one block. */
function expandLabel(secret: Buffer, label: string, bytes: number): Buffer {
  const name = `tls13 ${label}`
  const info = Buffer.from(`\0${String.fromCharCode(bytes, name.length)}${name}\0\x01`, 'latin1')
  return createHmac('sha256', secret).update(info).digest().subarray(0, bytes)
}

interface Packet {
  readonly start: number
  readonly numberAt: number
  readonly end: number
}

function initialAt(datagram: Buffer, start: number): Packet | undefined {
  if (((datagram[start] ?? 0) & TYPE_BITS) !== LONG_INITIAL || datagram.length < start + IDS_AT)
    return undefined
  if (datagram.readUInt32BE(start + 1) !== VERSION_1) return undefined
  let at = start + IDS_AT
  at += 1 + (datagram[at] ?? 0)
  at += 1 + (datagram[at] ?? 0)
  const token = readVarint(datagram, at)
  const length = token && readVarint(datagram, token.next + token.value)
  if (length === undefined) return undefined
  const end = length.next + length.value
  const isWhole = end <= datagram.length && length.value >= SAMPLE_AT + SAMPLE_BYTES
  return isWhole ? { start, numberAt: length.next, end } : undefined
}

/** Takes the protection off (RFC 9001 5.4), and decrypts. Undefined: it is not protected by these keys. */
function open(datagram: Buffer, { start, numberAt, end }: Packet, keys: Keys): Buffer | undefined {
  const mask = headerMask(datagram, numberAt, keys.headerKey)
  const first = (datagram[start] ?? 0) ^ ((mask[0] ?? 0) & 0x0f)
  const numberBytes = (first & 0x03) + 1
  const header = Buffer.from(datagram.subarray(start, numberAt + numberBytes))
  header[0] = first
  const nonce = Buffer.from(keys.iv)
  for (let i = 0; i < numberBytes; i++) {
    const at = header.length - numberBytes + i
    const byte = (header[at] ?? 0) ^ (mask[1 + i] ?? 0)
    header[at] = byte
    // A first packet number is small, and stands there whole.
    const nonceAt = nonce.length - numberBytes + i
    nonce[nonceAt] = (nonce[nonceAt] ?? 0) ^ byte
  }
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce)
  decipher.setAAD(header).setAuthTag(datagram.subarray(end - TAG_BYTES, end))
  try {
    const payload = decipher.update(datagram.subarray(numberAt + numberBytes, end - TAG_BYTES))
    decipher.final()
    return payload
  } catch {
    return undefined
  }
}

const PADDING = 0
const PING = 1
const ACK = 2
const ACK_WITH_ECN = 3
const CRYPTO = 6

/** False: there is something that is not to be there, or is cut off. */
function readFrames(payload: Buffer, pieces: CryptoPiece[]): boolean {
  let at = 0
  const number = (): number | undefined => {
    const read = readVarint(payload, at)
    if (read !== undefined) at = read.next
    return read?.value
  }
  while (at < payload.length) {
    const type = payload[at]
    at += 1
    if (type === PADDING || type === PING) continue
    if (type === CRYPTO) {
      const offset = number()
      const length = number()
      if (offset === undefined || length === undefined || at + length > payload.length) return false
      pieces.push({ offset, bytes: payload.subarray(at, at + length) })
      at += length
    } else if (type === ACK || type === ACK_WITH_ECN) {
      // Largest, delay, how many ranges, the first one; two for each other one; three counts.
      const [largest, delay, ranges] = [number(), number(), number()]
      if (largest === undefined || delay === undefined || ranges === undefined) return false
      const left = 1 + 2 * ranges + (type === ACK_WITH_ECN ? 3 : 0)
      for (let i = 0; i < left; i++) if (number() === undefined) return false
    } else return false
  }
  return true
}

/** RFC 9000 16. Undefined: it is cut off, or larger than anything here may be. */
function readVarint(
  bytes: Buffer,
  at: number,
): { readonly value: number; readonly next: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  const length = 1 << (first >> 6)
  if (length > 4 || at + length > bytes.length) return undefined
  let value = first & 0x3f
  for (let i = 1; i < length; i++) value = value * 256 + (bytes[at + i] ?? 0)
  return { value, next: at + length }
}
