/**
 * What must hold before dns-packet reads a message. Its decoders of A, AAAA, SOA and many others go by what
 * they expect to find instead of by RDLENGTH, so that one wrong length shifts everything behind it; it
 * follows as many compression pointers as fit into the message, for each name anew; and it makes text of
 * names, in which a label with a dot in it looks like two.
 */

const HEADER_BYTES = 12
/**
 * Records of one message: an HTTPS answer has a handful. Bounds the work that 64 KiB of pointers can make.
 */
const MAX_RECORDS = 256
/** RFC 1035 3.1: 127 labels fill a name. A pointer for each is more than anybody needs. */
const MAX_POINTERS = 127
const MAX_NAME_BYTES = 255

const TYPE_A = 1
const TYPE_CNAME = 5
const TYPE_SOA = 6
const TYPE_AAAA = 28
const TYPE_OPT = 41
const TYPE_HTTPS = 65
/** For private use (RFC 6895 3.1): dns-packet leaves its data alone. */
const TYPE_OPAQUE = 0xff00
/** The five numbers of an SOA record (RFC 1035 3.3.13). */
const SOA_NUMBERS_BYTES = 20

/** The message with every record made opaque that nobody here reads, or what is wrong with it. */
export type FramedMessage =
  | { readonly bytes: Buffer; readonly extendedRcode: number }
  | { readonly fault: string }

/** Checks counts, names and lengths of a message. Never throws. */
export function frameMessage(message: Uint8Array): FramedMessage {
  const bytes = Buffer.from(message)
  if (bytes.length < HEADER_BYTES) return { fault: 'it has no whole header' }
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10)
  if (bytes.readUInt16BE(4) !== 1) return { fault: 'it has not one question' }
  if (records > MAX_RECORDS) return { fault: `it has ${records} records, more than ${MAX_RECORDS}` }
  const questionEnd = nameEnd(bytes, HEADER_BYTES, bytes.length, true)
  if (questionEnd === undefined) return { fault: 'its question has a malformed name' }
  let at = questionEnd + 4
  let extendedRcode = 0
  for (let index = 0; index < records; index++) {
    const record = readRecord(bytes, at)
    if (typeof record === 'string') return { fault: `record ${index + 1}: ${record}` }
    // The upper bits of the response code are where other records have their time to live (RFC 6891 6.1.3).
    if (record.type === TYPE_OPT) extendedRcode = bytes.readUInt8(record.typeAt + 4)
    if (!isRead(record.type)) bytes.writeUInt16BE(TYPE_OPAQUE, record.typeAt)
    at = record.end
  }
  return { bytes, extendedRcode }
}

interface FramedRecord {
  readonly type: number
  readonly typeAt: number
  readonly end: number
}

function readRecord(bytes: Buffer, at: number): FramedRecord | string {
  const lenient = nameEnd(bytes, at, bytes.length, false)
  if (lenient === undefined) return 'its name is malformed'
  const dataAt = lenient + 10
  if (dataAt > bytes.length) return 'the message ends in it'
  const type = bytes.readUInt16BE(lenient)
  const end = dataAt + bytes.readUInt16BE(lenient + 8)
  if (end > bytes.length) return 'its length goes beyond the message'
  if (isRead(type) && type !== TYPE_SOA && nameEnd(bytes, at, bytes.length, true) === undefined) {
    return 'its name is none that a host can have'
  }
  const fault = dataFault(bytes, type, dataAt, end)
  return fault ?? { type, typeAt: lenient, end }
}

function isRead(type: number): boolean {
  return (
    type === TYPE_A || type === TYPE_CNAME || type === TYPE_SOA || type === TYPE_AAAA || type === TYPE_HTTPS
  )
}

function dataFault(bytes: Buffer, type: number, at: number, end: number): string | undefined {
  switch (type) {
    case TYPE_A:
      return end - at === 4 ? undefined : 'an A record has not 4 bytes'
    case TYPE_AAAA:
      return end - at === 16 ? undefined : 'an AAAA record has not 16 bytes'
    case TYPE_CNAME:
      return nameEnd(bytes, at, end, true) === end ? undefined : 'a CNAME record is not just a name'
    case TYPE_SOA: {
      // Its second name is a mailbox, which may have dots in its first label.
      const first = nameEnd(bytes, at, end, false)
      const second = first === undefined ? undefined : nameEnd(bytes, first, end, false)
      return second === end - SOA_NUMBERS_BYTES ? undefined : 'an SOA record has the wrong length'
    }
    default:
      return undefined
  }
}

/**
 * Behind the name at `at`, which must end before `limit` (what pointers lead to lies earlier). Undefined: it
 * is malformed, or, when it is to be a host's, has a byte in it that is none of printable ASCII, or is a dot.
 */
function nameEnd(bytes: Buffer, at: number, limit: number, isHost: boolean): number | undefined {
  let end: number | undefined
  let from = at
  let total = 1
  let pointers = 0
  let stop = limit
  for (;;) {
    const length = from < stop ? bytes[from] : undefined
    if (length === undefined) return undefined
    if (length === 0) return end ?? from + 1
    if (length >= 0xc0) {
      const low = from + 1 < stop ? bytes[from + 1] : undefined
      if (low === undefined || ++pointers > MAX_POINTERS) return undefined
      end ??= from + 2
      const target = (length - 0xc0) * 256 + low
      // Only backwards, as dns-packet demands (RFC 1035 4.1.4: a prior occurrence): no name can go round in
      // circles.
      if (target < HEADER_BYTES || target >= at) return undefined
      at = target
      from = target
      stop = bytes.length
      continue
    }
    total += length + 1
    if (length > 63 || total > MAX_NAME_BYTES || from + 1 + length > stop) return undefined
    if (isHost && !isHostLabel(bytes, from + 1, from + 1 + length)) return undefined
    from += 1 + length
  }
}

function isHostLabel(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === undefined || byte < 0x21 || byte > 0x7e || byte === 0x2e) return false
  }
  return true
}
