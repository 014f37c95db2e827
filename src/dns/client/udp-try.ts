import { createSocket } from 'node:dgram'
import { guardedListener } from '../../base/guard.ts'
import { readReply } from '../records/dns-message.ts'
import { lookUpLiteral } from './literal-lookup.ts'
import { type DnsTry, type DnsTryOutcome, runTry, settleFault, unreachable } from './one-try.ts'

/**
 * Datagrams that are no answer to the query, after which TCP is asked instead: somebody is guessing ids
 * (PowerDNS stops after one, `spoof-nearmiss-max`; a late answer to another query cannot come, since each has
 * a port of its own).
 */
const MAX_FOREIGN = 8

/**
 * One query over UDP. The socket is connected: the kernel chooses its port at random, drops what others send,
 * and says when nobody listens (ICMP). It never keeps the process alive.
 */
export function askOverUdp(dnsTry: DnsTry): Promise<DnsTryOutcome> {
  const { server, query } = dnsTry
  return runTry(dnsTry, settle => {
    const socket = createSocket({ type: server.family === 6 ? 'udp6' : 'udp4', lookup: lookUpLiteral })
    socket.unref()
    let isOpen = true
    let foreign = 0
    const guard = <Args extends readonly unknown[]>(listener: (...args: Args) => void) =>
      guardedListener('an answer of a DNS server', listener, settleFault(settle))
    socket.on(
      'error',
      guard((error: Error) => settle(unreachable(error))),
    )
    const onDatagram = (datagram: Buffer): void => {
      const read = readReply(datagram, query)
      if (read.kind !== 'foreign') settle(read)
      else if (++foreign === MAX_FOREIGN) settle({ kind: 'truncated' })
    }
    socket.on('message', guard(onDatagram))
    const onConnected = (error?: Error): void => {
      if (error !== undefined && error !== null) return settle(unreachable(error))
      // Told a tick later: the try may have been given up by then.
      if (!isOpen) return
      socket.send(query.bytes, failure => {
        if (failure !== null) settle(unreachable(failure))
      })
    }
    socket.connect(server.port, server.address, guard(onConnected))
    return () => {
      isOpen = false
      socket.close()
    }
  })
}
