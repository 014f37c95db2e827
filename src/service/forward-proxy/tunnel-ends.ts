import type { Duplex } from 'node:stream'
import { guardedListener } from '../../base/guard.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import type { Clock } from '../../entry/events.ts'
import type { RawUdp, TransportError } from '../../index.ts'
import { UdpTunnel } from '../../masque/udp-tunnel.ts'
import { joinTunnel } from '../forwarding/join-tunnel.ts'

/** The client's side of a tunnel. */
export type ClientStream = Duplex & Pick<StreamSocket, 'datagrams'>

export interface TunnelReports {
  /** Bytes went, so many of them. */
  readonly onCarried: (fromClient: number, fromTarget: number) => void
  /** The side of the target is closed, for the reason given, if there is one. */
  readonly onClosed: (error?: TransportError) => void
}

/** What a tunnel leads to, when it can be reached. */
export interface TunnelEnd {
  /** Of the answer that accepts the tunnel. */
  readonly headers: HeaderList
  /** Carries both ways until a side ends. Once. */
  join(client: ClientStream, reports: TunnelReports): void
  /** Ends it, joined or not. */
  destroy(): void
}

/** A connection of TCP: bytes both ways. */
export class TcpEnd implements TunnelEnd {
  readonly headers = NO_HEADERS
  readonly #stream: Duplex

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  join(client: ClientStream, { onCarried, onClosed }: TunnelReports): void {
    joinTunnel(client, this.#stream, onCarried)
    this.#stream.once(
      'close',
      guardedListener('the end of a tunnel', () => onClosed(), ignoreFault),
    )
  }

  destroy(): void {
    this.#stream.destroy()
  }
}

/** Datagrams of all UDP tunnels of a proxy. */
export interface UdpCounts {
  fromClient: number
  fromTarget: number
  /** There was no room for them on the way out, or they were none that we know. */
  dropped: number
}

/** A connected UDP socket: datagrams both ways, those of the target only (RFC 9298 3.1). */
export class UdpEnd implements TunnelEnd {
  readonly headers = ['capsule-protocol', '?1']
  readonly #target: RawUdp
  readonly #options: { readonly clock: Clock; readonly maxQueuedBytes: number; readonly counts: UdpCounts }
  #tunnel: UdpTunnel | undefined
  #onClosed: TunnelReports['onClosed'] | undefined

  constructor(target: RawUdp, options: { clock: Clock; maxQueuedBytes: number; counts: UdpCounts }) {
    this.#target = target
    this.#options = options
  }

  join(client: ClientStream, { onCarried, onClosed }: TunnelReports): void {
    const { counts, ...options } = this.#options
    const target = this.#target
    const tunnel = new UdpTunnel(client, options)
    this.#tunnel = tunnel
    this.#onClosed = onClosed
    tunnel.owner = {
      onDatagram: payload => {
        counts.fromClient += 1
        if (target.send(payload)) onCarried(payload.length, 0)
        else counts.dropped += 1
      },
      onClosed: () => this.destroy(),
    }
    target.onDatagram = payload => {
      counts.fromTarget += 1
      if (tunnel.send(payload)) onCarried(0, payload.length)
      else counts.dropped += 1
    }
    // RFC 9298 3.1: what ICMP says of the target ends the tunnel.
    target.onError = error => this.#end(error)
  }

  destroy(): void {
    this.#end(undefined)
  }

  #end(error: TransportError | undefined): void {
    const onClosed = this.#onClosed
    this.#onClosed = undefined
    this.#tunnel?.close()
    this.#target.close()
    onClosed?.(error)
  }
}

/** The fault is counted, and the tunnel ends by what its sides do. */
function ignoreFault(): void {}
