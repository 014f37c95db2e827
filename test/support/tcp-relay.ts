import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A TCP port on 127.0.0.1 before a server: what goes through takes `delayMs` longer, in each direction. */
export interface TcpRelay extends AsyncDisposable {
  readonly port: number
  /** May be changed at any time. */
  delayMs: number
  /**
   * From now on nothing passes on the connections that there are, in either direction: their ends live on and
   * take what is sent, and say nothing. New connections are good.
   */
  silence(): void
}

export async function startTcpRelay(serverPort: number, options: { delayMs?: number; port?: number } = {}) {
  const sockets = new Set<Socket>()
  const relay = { delayMs: options.delayMs ?? 0 }
  /** Counted up by silence(): connections of before are silent. */
  let age = 0
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {}) // clients and servers may do as they like
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer({ allowHalfOpen: true }, client => {
    const upstream = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, upstream]) keep(socket)
    const bornAt = age
    const isSilent = (): boolean => bornAt < age
    void pass(client, upstream, () => relay.delayMs, isSilent)
    void pass(upstream, client, () => relay.delayMs, isSilent)
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  const made: TcpRelay = Object.assign(relay, {
    port,
    silence() {
      age += 1
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
  return made
}

/** Timers of one length fire in order, so that nothing overtakes. */
async function pass(from: Socket, to: Socket, delayMs: () => number, isSilent: () => boolean): Promise<void> {
  from.on('data', (chunk: Buffer) => {
    if (isSilent()) return
    const wait = delayMs()
    if (wait === 0) to.write(chunk)
    else void sleep(wait).then(() => to.write(chunk))
  })
  from.once('end', () => {
    if (!isSilent()) void sleep(delayMs()).then(() => to.end())
  })
  await once(from, 'close').catch(() => {})
  if (isSilent()) return
  to.destroySoon()
}
