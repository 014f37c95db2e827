import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type OfferedTicket, offeredTicket } from './offered-ticket.ts'

/** Where a connection leads: to a port on 127.0.0.1, or whatever the test does with it. */
export type Switching = number | ((client: Socket) => void)

/**
 * A TCP port on 127.0.0.1 whose connections lead elsewhere when the test says so, as if the origin had become
 * another one.
 */
export interface SwitchedPort extends AsyncDisposable {
  readonly port: number
  /** Of connections from now on. */
  leadsTo: Switching
  /** What goes through to a server takes this much longer, in each direction. */
  delayMs: number
  /** Connections so far. */
  readonly accepted: number
  /** Connections that are open now. */
  readonly open: number
  /** What the ClientHello of each connection said of tickets, in order; undefined where it offered none. */
  readonly offered: readonly (OfferedTicket | undefined)[]
}

export async function startSwitchedPort(leadsTo: Switching): Promise<SwitchedPort> {
  const clients = new Set<Socket>()
  const upstreams = new Set<Socket>()
  const offered: (OfferedTicket | undefined)[] = []
  const port = { leadsTo, delayMs: 0 }
  const keep = (socket: Socket, set: Set<Socket>): void => {
    set.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {}) // clients and servers may do as they like
    socket.on('close', () => set.delete(socket))
  }
  let accepted = 0
  const server = createServer({ allowHalfOpen: true }, client => {
    accepted++
    keep(client, clients)
    client.once('data', (chunk: Buffer) => offered.push(offeredTicket(chunk)))
    client.once('end', () => client.end()) // of a connection that leads nowhere; one that leads on has ended by then
    const { leadsTo, delayMs } = port
    if (typeof leadsTo === 'function') {
      leadsTo(client)
      return
    }
    client.removeAllListeners('end')
    const upstream = connect({ port: leadsTo, host: '127.0.0.1', allowHalfOpen: true })
    keep(upstream, upstreams)
    pass(client, upstream, delayMs)
    pass(upstream, client, delayMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: number } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return Object.defineProperties(port, {
    port: { value: number },
    accepted: { get: () => accepted },
    open: { get: () => clients.size },
    offered: { value: offered },
    [Symbol.asyncDispose]: {
      value: async () => {
        for (const socket of [...clients, ...upstreams]) socket.destroy()
        server.close()
        await once(server, 'close')
      },
    },
  }) as unknown as SwitchedPort // defined above
}

/** Timers of one length fire in order, so that nothing overtakes. A reset goes on as one, too. */
function pass(from: Socket, to: Socket, delayMs: number): void {
  const later = (action: () => void): void => {
    if (delayMs === 0) action()
    else void sleep(delayMs).then(action)
  }
  from.on('data', (chunk: Buffer) => later(() => to.write(chunk)))
  from.once('end', () => later(() => to.end()))
  from.once('close', failed => later(() => (failed ? to.resetAndDestroy() : to.destroySoon())))
}
