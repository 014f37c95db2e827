import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions as ServerTlsOptions, TLSSocket } from 'node:tls'
import type { TlsOptions } from '../../src/base/options/options.ts'
import { createTransport, TransportError, type TransportOptions } from '../../src/index.ts'
import { TestDialer } from './dial-to.ts'

/** An https origin that says how it saw each connection: `full` or `resumed`, and who the client was. */
export interface TicketOrigin extends AsyncDisposable {
  readonly port: number
  readonly seen: readonly string[]
}

export async function startTicketOrigin(tls: ServerTlsOptions): Promise<TicketOrigin> {
  const seen: string[] = []
  const server = createServer(tls, (_request, response) => void response.end('ok'))
  server.on('secureConnection', (socket: TLSSocket) => {
    const client = socket.getPeerCertificate().subject?.CN
    const kind = socket.isSessionReused() ? 'resumed' : 'full'
    seen.push(client === undefined ? kind : `${kind} ${String(client)}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // a server on a port has an AddressInfo
    seen,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Connects to an origin on loopback: `full` or `resumed`, as the client saw it, or the code of the error. */
export type Visit = (host: string, port: number, tls: TlsOptions) => Promise<string>

/** Every visit by the same dialer: tickets lie in its memory. */
export function visitsOfOneDialer(): Visit {
  const dialer = new TestDialer()
  return async (host, port, tls) => {
    try {
      const { socket, handshake } = await dialer.dial(`https://${host}:${port}`, { tls })
      const closed = once(socket, 'close')
      socket.end() // the server's tickets come before its end
      await closed
      return handshake.kind
    } catch (error) {
      return codeOf(error)
    }
  }
}

/**
 * Every visit by a transport of its own, as if by a process of its own: tickets lie in the state directory.
 */
export function visitsOfTransports(
  state: NonNullable<TransportOptions['state']>,
  onFault: (message: string) => void = () => {},
): Visit {
  return async (host, port, tls) => {
    await using transport = createTransport({
      defaults: { protocols: ['http/1.1'], tls },
      resolve: { [`${host}:${port}`]: '127.0.0.1' },
      state,
      observer: event => {
        if (event.type === 'state-fault') onFault(event.message)
      },
    })
    try {
      const response = await transport.request(`https://${host}:${port}/`)
      await response.dump()
      return response.info.resumed ? 'resumed' : 'full'
    } catch (error) {
      return codeOf(error)
    }
  }
}

function codeOf(error: unknown): string {
  if (error instanceof TransportError) return error.code
  throw error
}
