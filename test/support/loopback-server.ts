import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { until } from './until.ts'

/** A server on loopback that says nothing by itself, and counts. */
export interface LoopbackServer extends AsyncDisposable {
  readonly port: number
  readonly server: Server
  /** TCP connections so far. */
  accepted(): number
  /** TCP connections that are open now. */
  open(): number
  /** Complete TLS handshakes so far, in order. */
  readonly handshakes: readonly SeenHandshake[]
  /** Waits for them: a server knows a moment after its client. */
  handshakesSeen(count: number): Promise<readonly SeenHandshake[]>
}

/** A complete TLS handshake as the server saw it. */
interface SeenHandshake {
  /** False: the client sent no name. */
  serverName: string | false
  resumed: boolean
  clientName: string | undefined
}

export interface LoopbackOptions {
  address?: string
  port?: number
  /** Undefined: cleartext. */
  tls?: TlsOptions
  onConnection?: (socket: Socket) => void
}

export async function startLoopbackServer(options: LoopbackOptions = {}): Promise<LoopbackServer> {
  const handshakes: SeenHandshake[] = []
  const sockets = new Set<Socket>()
  let accepted = 0
  const onSecure = (socket: TLSSocket): void => {
    const subject = socket.getPeerCertificate().subject
    handshakes.push({
      // What @types/node leaves out: the SNI of the client, false when there was none.
      serverName: (socket as TLSSocket & { servername: string | false }).servername,
      resumed: socket.isSessionReused(),
      clientName: subject === undefined ? undefined : String(subject.CN),
    })
    options.onConnection?.(socket)
    socket.on('error', () => {})
    // Reads, so that it sees the end.
    socket.resume()
  }
  const server: Server =
    options.tls === undefined
      ? createServer(socket => {
          options.onConnection?.(socket)
          socket.resume()
        })
      : createTlsServer(options.tls, onSecure).on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => {
    accepted++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.listen(options.port ?? 0, options.address ?? '127.0.0.1')
  await once(server, 'listening')
  return {
    // Listening on TCP: the address is an object.
    port: (server.address() as AddressInfo).port,
    server,
    accepted: () => accepted,
    open: () => sockets.size,
    handshakes,
    async handshakesSeen(count) {
      await until(() => handshakes.length >= count, `${count} handshakes at the server`)
      return handshakes
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

/**
 * Listens, and lets the event loop sleep for ever: whatever the kernel has no room to queue gets no answer to
 * its SYN.
 */
const UNACCEPTING_SERVER = `
  const server = require('node:net').createServer()
  const [port, address] = process.argv.slice(1)
  server.listen({ port: Number(port), host: address, backlog: 1 }, () => {
    require('node:fs').writeSync(1, server.address().port + '\\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`

/** An address on loopback that answers no SYN: a listener with a full backlog. */
export interface BlackHole extends AsyncDisposable {
  readonly port: number
}

export async function startBlackHole(address: string, port = 0): Promise<BlackHole> {
  const child: ChildProcess = spawn(process.execPath, ['-e', UNACCEPTING_SERVER, String(port), address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.stdout === null) throw new Error('the child has a pipe for its output')
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const bound = Number(line.toString())
  const fillers: Socket[] = []
  // The kernel takes one or two more than the backlog says. Once a connect hangs, the next will too.
  for (let isFull = false; !isFull; ) {
    const filler = connect({ host: address, port: bound }).on('error', () => {})
    fillers.push(filler)
    const connected = once(filler, 'connect').then(() => false)
    isFull = await Promise.race([connected, new Promise<boolean>(resolve => setTimeout(resolve, 150, true))])
  }
  return {
    port: bound,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy()
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}
