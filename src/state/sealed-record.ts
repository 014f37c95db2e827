import { createCipheriv, createDecipheriv } from 'node:crypto'

/**
 * A record as it lies in a store that others may have had their hands on: AES-256-GCM under our key. The name
 * of the record is authenticated with it, so that a record that was moved to another name (the tickets of one
 * peer to another, which would skip the check of its certificate) does not open.
 *
 * Layout: magic and version (4), nonce (12), ciphertext, tag (16).
 */
const MAGIC = Buffer.from('mms1', 'latin1')
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = MAGIC.length + NONCE_BYTES

/** `nonce`: 12 random bytes, new ones each time. NIST SP 800-38D 8.3 allows 2^32 of them under one key. */
export function seal(key: Buffer, name: string, plain: Buffer, nonce: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(name))
  const sealed = [MAGIC, nonce, cipher.update(plain), cipher.final()]
  return Buffer.concat([...sealed, cipher.getAuthTag()])
}

/** Undefined for whatever is not exactly what seal() made with this key and name. */
export function unseal(key: Buffer, name: string, record: Buffer): Buffer | undefined {
  if (record.length < HEAD_BYTES + TAG_BYTES || !record.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined
  const tagAt = record.length - TAG_BYTES
  const nonce = record.subarray(MAGIC.length, HEAD_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated(name))
  decipher.setAuthTag(record.subarray(tagAt))
  try {
    return Buffer.concat([decipher.update(record.subarray(HEAD_BYTES, tagAt)), decipher.final()])
  } catch {
    return undefined // the tag does not fit: another key or name, or somebody changed it
  }
}

function associated(name: string): Buffer {
  return Buffer.from(`${MAGIC.toString('latin1')} ${name}`, 'utf8')
}
