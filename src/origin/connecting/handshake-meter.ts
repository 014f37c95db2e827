import type { HandshakeInfo } from '../../base/events/connection.ts'
import { processCpuMs } from '../../base/process-cpu.ts'
import type { QuicLink } from '../../quic/engine.ts'

/**
 * Measures what a QUIC handshake costs, from when it is made until it is asked. Bytes are those of packets,
 * as the engine counts them: quiche leaves out the padding of datagrams (three packets of a first flight that
 * filled 1200 bytes counted 480). Early data is among them, with what the peer answers to it before the
 * handshake is complete. CPU is that of the process, so that the attempts beside the one that won are in it,
 * too.
 */
export class HandshakeMeter {
  readonly #readCpuMs: () => number
  readonly #cpuMsAtStart: number

  constructor(readCpuMs: () => number = processCpuMs) {
    this.#readCpuMs = readCpuMs
    this.#cpuMsAtStart = readCpuMs()
  }

  /** To be asked when the handshake on that link is complete. */
  read({ connection }: Pick<QuicLink, 'connection'>): Required<Pick<HandshakeInfo, 'bytes' | 'cpuMs'>> {
    const { sentBytes, receivedBytes } = connection.stats()
    return { bytes: sentBytes + receivedBytes, cpuMs: this.#readCpuMs() - this.#cpuMsAtStart }
  }
}
