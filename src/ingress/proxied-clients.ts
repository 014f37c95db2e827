import type { Socket } from 'node:net'
import { type Clock, DeadlineTimer } from '../base/clock.ts'
import { guardedListener } from '../base/guard.ts'
import { MAX_PROXY_HEADER_BYTES, type ProxiedEnd, readProxyHeader } from './proxy-header.ts'

/** Who may speak for clients: see ListenOptions. */
export interface ProxyProtocolOptions {
  readonly isTrusted: (address: string) => boolean
}

interface ProxiedClientsParts extends ProxyProtocolOptions {
  readonly clock: Clock
  /** For a whole header; 0: no bound. */
  readonly timeoutMs: number
  /** Its first bytes are those of the client now; `rest` of them came with the header. */
  readonly onClient: (socket: Socket, rest: Buffer) => void
  readonly onRefused: (socket: Socket, because: string) => void
}

const DURING = 'a PROXY header'

/**
 * The connections of a listener behind a proxy that sends the PROXY protocol: each begins with a header that
 * names the client. There is no guessing: what does not begin so is ended.
 */
export class ProxiedClients {
  readonly #parts: ProxiedClientsParts
  /** Connections whose header has not come. */
  readonly #waiting = new Set<Socket>()
  /** By the proxy's end, which the TLS socket on top of a connection shows as well. */
  readonly #clients = new Map<string, ProxiedEnd>()

  constructor(parts: ProxiedClientsParts) {
    this.#parts = parts
  }

  /** A connection was accepted. */
  receive(socket: Socket): void {
    const { clock, timeoutMs, isTrusted, onClient, onRefused } = this.#parts
    const { remoteAddress = '' } = socket
    if (!isTrusted(remoteAddress)) {
      onRefused(socket, `PROXY protocol: ${remoteAddress} may not speak for clients`)
      socket.destroy()
      return
    }
    let bytes: Buffer = Buffer.alloc(0)
    const timer = new DeadlineTimer(
      clock,
      guardedListener(DURING, () => refuse('PROXY protocol: no header came in time'), end),
    )
    const letGo = (): void => {
      timer.cancel()
      this.#waiting.delete(socket)
      socket.off('data', onData).off('end', onEnd).off('error', ignoreError).off('close', onClose)
    }
    const onClose = guardedListener(DURING, letGo, end)
    const refuse = (because: string): void => {
      onRefused(socket, because)
      socket.destroy()
    }
    function end(): void {
      socket.destroy()
    }
    const onData = guardedListener(
      DURING,
      (chunk: Buffer) => {
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
        // Of more than a header nothing is looked at.
        const verdict = readProxyHeader(bytes.subarray(0, MAX_PROXY_HEADER_BYTES))
        if (verdict.kind === 'undecided') return
        if (verdict.kind === 'refused') {
          refuse(verdict.because)
          return
        }
        letGo()
        if (verdict.client !== undefined) this.#remember(socket, verdict.client)
        onClient(socket, bytes.subarray(verdict.length))
      },
      end,
    )
    const onEnd = guardedListener(
      DURING,
      () => refuse('PROXY protocol: the connection ended within the header'),
      end,
    )
    this.#waiting.add(socket)
    socket.on('data', onData).on('end', onEnd).on('error', ignoreError).on('close', onClose)
    if (timeoutMs > 0) timer.cover(clock.now() + timeoutMs)
  }

  /** From now on `socket`, or the TLS on top of it, shows the client's address as its peer's. */
  reveal(socket: Socket): void {
    const client = this.#clients.get(endOf(socket))
    if (client === undefined) return
    Object.defineProperties(socket, {
      remoteAddress: { value: client.address },
      remotePort: { value: client.port },
    })
  }

  /** Those that have sent nothing yet, or half a header, end. */
  drain(): void {
    for (const socket of this.#waiting) socket.destroy()
  }

  #remember(socket: Socket, client: ProxiedEnd): void {
    const end = endOf(socket)
    this.#clients.set(end, client)
    const forget = (): void => {
      // The proxy may have come again from the same port by now.
      if (this.#clients.get(end) === client) this.#clients.delete(end)
    }
    socket.once(
      'close',
      guardedListener(DURING, forget, () => {}),
    )
  }
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** 'close' follows. */
function ignoreError(): void {}
