import { connect } from 'node:net'
import { guardedListener } from '../../base/guard.ts'
import { readReply } from '../records/dns-message.ts'
import { type DnsTry, type DnsTryOutcome, runTry, settleFault, unreachable } from './one-try.ts'

/** In front of each message (RFC 1035 4.2.2); with it, no message is longer than 64 KiB. */
const LENGTH_BYTES = 2

/** One query over TCP, on a connection of its own that never keeps the process alive. */
export function askOverTcp(dnsTry: DnsTry): Promise<DnsTryOutcome> {
  const { server, query } = dnsTry
  return runTry(dnsTry, settle => {
    const socket = connect({ host: server.address, port: server.port, family: server.family })
    socket.unref()
    const chunks: Buffer[] = []
    let received = 0
    // Length and query in one segment: some servers read only once (RFC 7766 section 8).
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(query.bytes.length)
    socket.write(Buffer.concat([length, query.bytes]))
    const guard = <Args extends readonly unknown[]>(listener: (...args: Args) => void) =>
      guardedListener('an answer of a DNS server', listener, settleFault(settle))
    socket.on(
      'error',
      guard((error: Error) => settle(unreachable(error))),
    )
    socket.on(
      'close',
      guard(() => settle(cutShort)),
    )
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      received += chunk.length
      const wanted = wantedBytes(chunks)
      if (wanted === undefined || received < wanted) return
      const message = Buffer.concat(chunks, wanted).subarray(LENGTH_BYTES)
      const read = readReply(message, query)
      if (read.kind === 'foreign') settle({ kind: 'malformed', because: 'it answers another question' })
      else if (read.kind === 'truncated') settle({ kind: 'malformed', because: 'truncated, even over TCP' })
      else settle(read)
    }
    socket.on('data', guard(onData))
    return () => socket.destroy()
  })
}

const cutShort: DnsTryOutcome = { kind: 'malformed', because: 'the connection ended before the answer did' }

/** Length and message together, once the length is there. */
function wantedBytes(chunks: readonly Buffer[]): number | undefined {
  const [first, second] = chunks
  const high = first?.[0]
  // A socket hands out no empty chunk: two of them hold the length.
  const low = first?.[1] ?? second?.[0]
  return high === undefined || low === undefined ? undefined : LENGTH_BYTES + high * 256 + low
}
