import { createHmac, timingSafeEqual } from 'node:crypto'
import type { UdpAddress } from './engine.ts'

/** RFC 9000 8.1.3: as short as the round trip of a slow client. */
const LIFETIME_MS = 10_000
const MAC_BYTES = 16
const TIME_BYTES = 8
const MAX_ID_BYTES = 20

export interface RetryTokenSubject {
  readonly address: UdpAddress
  /** What the client's first Initial was sent to. */
  readonly originalId: Buffer
  /** The id that the Retry gave: the client's next Initial is sent to it. */
  readonly retryId: Buffer
}

/**
 * A token that proves the address of a client: time(8) originalId(…) mac(16). The rest is known when it comes
 * back.
 */
export function sealRetryToken(key: Buffer, subject: RetryTokenSubject, now: number): Buffer {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeDoubleBE(now)
  return Buffer.concat([time, subject.originalId, macOf(key, subject, time)])
}

/** The original id, if the token is ours, from this address, for this id, and young enough. */
export function openRetryToken(
  key: Buffer,
  token: Buffer,
  address: UdpAddress,
  retryId: Buffer,
  now: number,
): Buffer | undefined {
  const idBytes = token.length - TIME_BYTES - MAC_BYTES
  if (idBytes < 1 || idBytes > MAX_ID_BYTES) return undefined
  const time = token.subarray(0, TIME_BYTES)
  const originalId = token.subarray(TIME_BYTES, TIME_BYTES + idBytes)
  const mac = macOf(key, { address, originalId, retryId }, time)
  if (!timingSafeEqual(mac, token.subarray(TIME_BYTES + idBytes))) return undefined
  const age = now - time.readDoubleBE()
  return age >= 0 && age <= LIFETIME_MS ? Buffer.from(originalId) : undefined
}

function macOf(key: Buffer, { address, originalId, retryId }: RetryTokenSubject, time: Buffer): Buffer {
  const text = JSON.stringify([
    address.host,
    address.port,
    originalId.toString('hex'),
    retryId.toString('hex'),
    time.toString('hex'),
  ])
  return createHmac('sha256', key).update(text).digest().subarray(0, MAC_BYTES)
}
