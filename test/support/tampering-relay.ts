import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What is done to the bytes of a server, at `offset` of each connection's. */
export interface Tampering {
  readonly kind: 'flip' | 'cut' | 'reset' | 'insert' | 'drop' | 'repeat' | 'none'
  readonly offset: number
  /** For `flip` what is xored, for `insert` and `repeat` how much. */
  readonly value: number
  /** What comes is passed on in pieces of this. 0: as it comes. */
  readonly pieceBytes: number
}

/**
 * A TCP port on 127.0.0.1 before a server that tampers with what the server says. Whoever is silent for
 * `idleMs` is cut off: a length that was changed makes peers wait.
 */
export interface TamperingRelay extends AsyncDisposable {
  readonly port: number
  tampering: Tampering
}

export const UNTOUCHED: Tampering = { kind: 'none', offset: 0, value: 0, pieceBytes: 0 }

export async function startTamperingRelay(serverPort: number, idleMs: number): Promise<TamperingRelay> {
  const sockets = new Set<Socket>()
  const relay = { tampering: UNTOUCHED }
  const server = createServer(client => {
    const { tampering } = relay
    const upstream = connect(serverPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {}) // it is what happens here
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    upstream.setTimeout(idleMs, () => client.end(() => upstream.destroy()))
    client.pipe(upstream)
    let seen = 0
    upstream.on('end', () => client.end())
    upstream.on('data', (data: Buffer) => {
      const at = tampering.offset - seen
      seen += data.length
      if (tampering.kind === 'none' || at < 0 || at >= data.length) {
        send(client, data, tampering.pieceBytes)
        return
      }
      send(client, tamper(data, at, tampering), tampering.pieceBytes)
      if (tampering.kind === 'cut') client.end()
      if (tampering.kind === 'reset') client.resetAndDestroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return Object.assign(relay, {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}

function tamper(data: Buffer, at: number, { kind, value }: Tampering): Buffer {
  const before = data.subarray(0, at)
  const after = data.subarray(at)
  switch (kind) {
    case 'flip': {
      const changed = Buffer.from(data)
      changed[at] = (changed[at] ?? 0) ^ value
      return changed
    }
    case 'insert':
      return Buffer.concat([before, Buffer.alloc(value, value), after])
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, value), after])
    case 'drop':
      return Buffer.concat([before, after.subarray(value)])
    default:
      return before
  }
}

function send(socket: Socket, data: Buffer, pieceBytes: number): void {
  if (socket.destroyed || !socket.writable) return
  if (pieceBytes === 0) {
    socket.write(data)
    return
  }
  for (let at = 0; at < data.length; at += pieceBytes) socket.write(data.subarray(at, at + pieceBytes))
}
