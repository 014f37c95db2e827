import type { UdpAddress } from '../engine.ts'
import type { EcnMark } from './control-messages.ts'

/**
 * Room in the kernel for what comes while the loop is busy: a burst of a full window. The system may grant
 * less.
 */
export const SOCKET_BUFFER_BYTES = 2 * 1024 * 1024

/** Where a socket is to be on this machine; the system chooses what is left out. */
export interface LocalChoice {
  readonly address?: string | undefined
  readonly port?: number | undefined
  /** This machine need not have the address (IP_FREEBIND); only where sockets are made with native calls. */
  readonly isFree?: boolean | undefined
  /** What datagrams are marked with (RFC 2474), likewise. 0: nothing. */
  readonly dscp?: number | undefined
}

export interface UdpSocketListener {
  /**
   * Borrowed: it may be written to, until this returns. `from` as text that equals what the socket was given;
   * `to` is the address that it was sent to, where the socket was bound to all of them and the system says.
   */
  onDatagram(datagram: Buffer, from: UdpAddress, to: UdpAddress, ecn: EcnMark): void
  /** Around what came together; a socket that gets one at a time does not call them. */
  onBatchBegin?(): void
  onBatchEnd?(): void
  /** ICMP errors, and whatever else the system has to say. The socket lives on. */
  onError(error: Error): void
}

/** What a datagram is sent with. */
export interface SendOptions {
  /** Where a socket that is bound to all addresses is to send from. */
  readonly from?: UdpAddress | undefined
  /** RFC 3168. Default: none. Who sets it must see whether it arrives (RFC 9000 13.4.2). */
  readonly ecn?: EcnMark
}

/**
 * The port to the system: a bound UDP socket. Sending never waits. What is sent together leaves with flush();
 * when the kernel has no room, the socket keeps it and is full until it has gone.
 */
export interface UdpSocket {
  readonly local: UdpAddress
  /** For people: how it moves datagrams. */
  readonly description: string
  /** Room for one datagram, to be written into and given to send() before anything else is asked for. */
  room(bytes: number): Buffer
  /** Best with what room() gave. Without `to`: to the address that it is connected to. */
  send(datagram: Buffer, to?: UdpAddress, options?: SendOptions): void
  flush(): void
  /** What was given to it has not left yet, and more would queue up. */
  isFull(): boolean
  ref(): void
  unref(): void
  /** What was sent before leaves first, as far as the kernel takes it. */
  close(): void
}
