/**
 * The messages of the gRPC health checking protocol (grpc.health.v1, `Health/Check`), as far as a client
 * needs them: HealthCheckRequest has one string (field 1, the service), HealthCheckResponse one enum (field
 * 1).
 */

/** Where it is asked. */
export const GRPC_HEALTH_PATH = '/grpc.health.v1.Health/Check'

/** `HealthCheckResponse.ServingStatus`. */
export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'

const STATUSES: readonly ServingStatus[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

/** The prefix of a gRPC message: a flag for compression and four bytes of length. */
const PREFIX_BYTES = 5
/** Field 1, length-delimited. */
const SERVICE_TAG = 0x0a
/** Field 1, varint. */
const STATUS_TAG = 0x08
/** A response has two bytes; what is much longer is none, and is not looked through. */
const MAX_MESSAGE_BYTES = 256

/** The request for `service` with its prefix; empty: the server as a whole. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const field = name.length === 0 ? [] : [SERVICE_TAG, ...varint(name.length)]
  const bytes = PREFIX_BYTES + field.length + name.length
  const message = Buffer.alloc(bytes)
  message.writeUInt32BE(bytes - PREFIX_BYTES, 1)
  message.set(field, PREFIX_BYTES)
  message.set(name, PREFIX_BYTES + field.length)
  return message
}

/**
 * What a response says; undefined: it is no HealthCheckResponse. A status that is left out is UNKNOWN (0).
 */
export function decodeHealthResponse(bytes: Uint8Array): ServingStatus | undefined {
  if (bytes.length < PREFIX_BYTES || bytes[0] !== 0) return undefined // nobody has asked for compression
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  if (length > MAX_MESSAGE_BYTES || bytes.length !== PREFIX_BYTES + length) return undefined
  const message = bytes.subarray(PREFIX_BYTES)
  let status: number | undefined = 0
  let at = 0
  while (at < message.length) {
    const tag = readVarint(message, at)
    if (tag === undefined) return undefined
    at = tag.end
    if (tag.value === STATUS_TAG) {
      const read = readVarint(message, at)
      if (read === undefined) return undefined
      status = read.value
      at = read.end
    } else {
      const end = skipField(message, at, tag.value & 7)
      if (end === undefined || end > message.length) return undefined
      at = end
    }
  }
  return STATUSES[status]
}

/** Behind a field that a later version may have added. */
function skipField(message: Uint8Array, at: number, wireType: number): number | undefined {
  if (wireType === 0) return readVarint(message, at)?.end
  if (wireType === 1) return at + 8
  if (wireType === 5) return at + 4
  if (wireType !== 2) return undefined
  const length = readVarint(message, at)
  return length === undefined ? undefined : length.end + length.value
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  return [...bytes, rest]
}

/** Of up to four bytes: no field of a response needs more. */
function readVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value |= (byte & 0x7f) << (7 * index)
    if (byte < 0x80) return { value, end: at + index + 1 }
  }
  return undefined
}
