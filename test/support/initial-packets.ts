import { createCipheriv, createHmac } from 'node:crypto'

export interface InitialKeys {
  readonly key: Buffer
  readonly iv: Buffer
  readonly hp: Buffer
}

/** The keys of a client's Initial packets (RFC 9001 5.2), as a client of the tests makes them. */
export function clientInitialKeys(connectionId: Buffer): InitialKeys {
  const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest()
  const label = (secret: Buffer, name: string, bytes: number): Buffer => {
    const full = Buffer.from(`tls13 ${name}`)
    const info = Buffer.concat([Buffer.of(0, bytes, full.length), full, Buffer.of(0, 1)])
    return hmac(secret, info).subarray(0, bytes)
  }
  const salt = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
  const secret = label(hmac(salt, connectionId), 'client in', 32)
  return {
    key: label(secret, 'quic key', 16),
    iv: label(secret, 'quic iv', 12),
    hp: label(secret, 'quic hp', 16),
  }
}

export interface InitialPacket {
  readonly destination: Buffer
  readonly source?: Buffer
  readonly token?: Buffer
  /** Below 256. */
  readonly number?: number
  readonly payload: Buffer
  readonly keys?: InitialKeys
  /** PADDING up to a datagram of so many bytes. */
  readonly padTo?: number
}

/** An Initial packet of version 1, as RFC 9001 5 protects it. */
export function sealInitial(packet: InitialPacket): Buffer {
  const { destination, source = Buffer.alloc(0), token = Buffer.alloc(0), number = 0, padTo = 0 } = packet
  const { key, iv, hp } = packet.keys ?? clientInitialKeys(destination)
  const head = Buffer.concat([
    Buffer.of(0xc1, 0, 0, 0, 1, destination.length),
    destination,
    Buffer.of(source.length),
    source,
    Buffer.of(token.length),
    token,
  ])
  const missing = Math.max(0, padTo - head.length - 4 - packet.payload.length - 16)
  const payload = Buffer.concat([packet.payload, Buffer.alloc(missing)])
  const length = 2 + payload.length + 16
  const header = Buffer.concat([head, Buffer.of(0x40 | (length >> 8), length & 0xff, 0, number)])
  const nonce = Buffer.from(iv)
  nonce[11] = nonce[11]! ^ number
  const cipher = createCipheriv('aes-128-gcm', key, nonce)
  cipher.setAAD(header)
  const sealed = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  const sample = sealed.subarray(header.length + 2, header.length + 18)
  const mask = createCipheriv('aes-128-ecb', hp, null).update(sample)
  sealed[0] = sealed[0]! ^ (mask[0]! & 0x0f)
  sealed[header.length - 2] = sealed[header.length - 2]! ^ mask[1]!
  sealed[header.length - 1] = sealed[header.length - 1]! ^ mask[2]!
  return sealed
}

/** A CRYPTO frame. */
export function cryptoFrame(offset: number, bytes: Buffer): Buffer {
  const number = (value: number): Buffer => Buffer.of(0x40 | (value >> 8), value & 0xff)
  return Buffer.concat([Buffer.of(6), number(offset), number(bytes.length), bytes])
}
