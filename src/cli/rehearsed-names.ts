import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

/** Known to nobody but the name server of the rehearsal. */
export const REHEARSED_NAME = 'origin.rehearsal'

const HEADER_BYTES = 12
/** Type and class, behind the name. */
const QUESTION_TAIL_BYTES = 4
const TYPE_A = 1

/**
 * The answer to a query (RFC 1035 4.1), whatever name it asks for: 127.0.0.1 for an address of IPv4, and that
 * there is nothing else. Undefined: that is no query.
 */
export function rehearsedAnswer(query: Uint8Array): Buffer | undefined {
  let at = HEADER_BYTES
  for (let label = query[at]; label !== 0; label = query[at]) {
    if (label === undefined) return undefined
    at += label + 1
  }
  const end = at + 1 + QUESTION_TAIL_BYTES
  if (query.length < end) return undefined
  const question = query.subarray(HEADER_BYTES, end)
  const isAddress = (query[at + 1] ?? 0) * 256 + (query[at + 2] ?? 0) === TYPE_A
  const header = Buffer.alloc(HEADER_BYTES)
  header.set(query.subarray(0, 2))
  header.writeUInt16BE(0x81_80, 2) // a response, recursion desired and available, no error
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(isAddress ? 1 : 0, 6)
  // The name of the question (a pointer), type, class, a minute, four bytes of address.
  const record = [0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]
  return Buffer.concat([header, question, Buffer.from(isAddress ? record : [])])
}

/** A name server in this process: name look-up is rehearsed as well, and no other one is asked. */
export async function startRehearsedNames(): Promise<{
  readonly address: string
  close(): Promise<void>
}> {
  const socket = createSocket('udp4')
  socket.on('error', () => {}) // a rehearsal that fails is no fault
  const onQuery = (query: Buffer, { port, address }: RemoteInfo): void => {
    try {
      const answer = rehearsedAnswer(query)
      if (answer !== undefined) socket.send(answer, port, address, () => {})
    } catch {
      // As above.
    }
  }
  socket.on('message', onQuery)
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
}
