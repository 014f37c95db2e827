import { createHash } from 'node:crypto'
import type {
  PacketHeader,
  QuicAcceptOptions,
  QuicConnectOptions,
  QuicEngine,
} from '../../../src/quic/engine.ts'
import { DEFAULT_ENGINE_TRAITS, type EngineTraits } from './engine-traits.ts'
import { decodeTicket } from './handshake-messages.ts'
import { encodePacket, readHead, SIMULATED_VERSION } from './packet-codec.ts'
import { SimulatedConnection } from './simulated-connection.ts'

/**
 * A second engine behind the port of src/quic/engine.ts, for tests on a virtual clock: quiche looks at the
 * clock of the operating system, so that nothing above it could run on another. It has no clock, no
 * randomness and no sockets: the same calls give the same bytes.
 */
export class SimulatedEngine implements QuicEngine {
  readonly #traits: EngineTraits

  constructor(traits: Partial<EngineTraits> = {}) {
    this.#traits = { ...DEFAULT_ENGINE_TRAITS, ...traits }
  }

  get name(): string {
    return this.#traits.name
  }

  connect(options: QuicConnectOptions): SimulatedConnection {
    const { serverName, earlyData = false } = options
    const ticket = decodeTicket(options.ticket, this.name)
    const side = { role: 'client', serverName, ticket, earlyData } as const
    return new SimulatedConnection({ ...options, traits: this.#traits, side })
  }

  accept(options: QuicAcceptOptions): SimulatedConnection {
    const side = { role: 'server', tls: options.tls } as const
    return new SimulatedConnection({ ...options, traits: this.#traits, side })
  }

  readHeader(datagram: Buffer, connectionIdBytes: number): PacketHeader | undefined {
    const head = readHead(datagram, connectionIdBytes)
    if (head === undefined) return undefined
    const { kind, version, destinationId, sourceId, token } = head
    return {
      isInitial: kind === 'initial',
      isLong: kind !== 'one-rtt',
      version,
      isVersionSupported: version === SIMULATED_VERSION,
      destinationId,
      sourceId,
      token: token.length > 0 ? token : undefined,
    }
  }

  negotiateVersion(header: PacketHeader): Buffer {
    return this.#answer('version-negotiation', header, header.destinationId, Buffer.alloc(0))
  }

  retry(header: PacketHeader, newConnectionId: Buffer, token: Buffer): Buffer {
    return this.#answer('retry', header, newConnectionId, token)
  }

  #answer(
    kind: 'retry' | 'version-negotiation',
    header: PacketHeader,
    sourceId: Buffer,
    token: Buffer,
  ): Buffer {
    const head = {
      kind,
      version: SIMULATED_VERSION,
      destinationId: header.sourceId,
      sourceId,
      token,
      number: 0,
    }
    return encodePacket(head, [], Buffer.alloc(256 + token.length))
  }
}

export const CONNECTION_ID_BYTES = 16

/** A connection id that is the same for the same text. */
export function connectionIdOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, CONNECTION_ID_BYTES)
}
