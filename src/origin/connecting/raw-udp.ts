import { abortError, TransportError } from '../../base/errors.ts'
import { guardedMicrotask } from '../../base/guard.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import { orderAddresses } from '../../connect/tcp/dial-race.ts'
import type { AddressResolver } from '../../dns/address-resolver.ts'
import { socketFailure } from '../../quic/dial-error.ts'
import { connectUdp } from '../../quic/udp/open-udp.ts'
import type { UdpSocket } from '../../quic/udp/udp-port.ts'
import type { OriginSettings } from '../origin-settings.ts'

/**
 * A socket of UDP that is connected to one host and port: nothing comes from anybody else.
 *
 * @example
 * ```ts
 * const dns: RawUdp = await transport.connectUdp({ host: 'resolver.example', port: 53 })
 * dns.onDatagram = answer => console.log(dns.remoteAddress, answer.length)
 * dns.send(Buffer.from('question'))
 * dns.close()
 * ```
 */
export interface RawUdp {
  /** The address and port that it is connected to. */
  readonly remoteAddress: string
  /** Gets what comes, borrowed until it returns. Undefined: it is dropped. */
  onDatagram: ((datagram: Buffer) => void) | undefined
  /** The system reports an error: that nobody listens there (ICMP), say. The socket goes on. */
  onError: ((error: TransportError) => void) | undefined
  /** Never waits. False: it is lost, since the system has no room, or as empty. */
  send(datagram: Uint8Array): boolean
  /** Nothing is reported after it. Nobody else closes it: neither drain() nor close() do. */
  close(): void
}

/** The first of its addresses that the system has a route to. */
export async function connectRawUdp(
  { resolver }: { readonly resolver: AddressResolver },
  origin: Origin,
  settings: OriginSettings,
  signal: AbortSignal,
): Promise<RawUdp> {
  const { timeouts, endpoints, resolve: overrides } = settings
  if (settings.egress !== undefined)
    throw new TransportError('MM_INVALID_ARGUMENT', 'connectUdp() goes directly: it takes no egress')
  const { dnsMs } = timeouts
  const { addresses } = await resolver
    .forOrigin(origin, { endpoints, overrides, dnsMs })
    .resolve(origin.host, signal)
  let last = new TransportError('MM_CONNECT_FAILED', `${origin.host} has no address`)
  for (const { address, family, port = origin.port } of orderAddresses(addresses)) {
    if (signal.aborted) throw abortError(signal, 'the connect')
    const at = formatEndpoint({ address, family, port, transport: 'udp' })
    try {
      return await ConnectedUdp.open(address, port, at)
    } catch (error) {
      last = socketFailure(error, at)
    }
  }
  throw last
}

class ConnectedUdp implements RawUdp {
  readonly remoteAddress: string
  onDatagram: ((datagram: Buffer) => void) | undefined
  onError: ((error: TransportError) => void) | undefined
  #socket: UdpSocket | undefined
  #isFlushing = false
  readonly #flush = (): void => {
    this.#isFlushing = false
    this.#socket?.flush()
  }

  private constructor(at: string) {
    this.remoteAddress = at
  }

  static async open(host: string, port: number, at: string): Promise<RawUdp> {
    const udp = new ConnectedUdp(at)
    const socket = await connectUdp(
      { host, port },
      {
        onDatagram: datagram => udp.onDatagram?.(datagram),
        onError: error => udp.onError?.(socketFailure(error, at)),
      },
    )
    socket.ref()
    udp.#socket = socket
    return udp
  }

  send(datagram: Uint8Array): boolean {
    const socket = this.#socket
    if (socket === undefined || datagram.length === 0 || socket.isFull()) return false
    socket.send(Buffer.from(datagram))
    // What is sent in one run of JavaScript leaves together.
    if (!this.#isFlushing) {
      this.#isFlushing = true
      guardedMicrotask('sending datagrams', this.#flush)
    }
    return true
  }

  close(): void {
    this.#socket?.close()
    this.#socket = undefined
  }
}
