import { TransportError } from '../base/errors.ts'
import { guardedPromise } from '../base/guard.ts'
import type { TlsOptions } from '../base/options/options.ts'
import { createTransport, type Transport } from '../index.ts'
import { quicEngine } from '../quic/load-engine.ts'
import { type PackageClientOptions, windowsOf } from './package-contract.ts'

/** Transports whose sessions are over are kept for the next ones, so many. */
const MAX_IDLE = 16

/** A transport, for as long as a session needs it. */
export interface TransportLease {
  readonly transport: Transport
  /** Once. */
  release(): void
}

interface Shared {
  readonly key: string
  readonly transport: Transport
  leases: number
}

/**
 * Sessions that may be pooled (`allowPooling`) and trust the same share one transport, and with it the QUIC
 * connections of their origins. Any other session has a transport of its own, and so a connection of its own,
 * as in browsers.
 */
export class ClientTransports {
  /** In the order of their last use. */
  readonly #shared = new Map<string, Shared>()

  /** Throws MM_INVALID_ARGUMENT. */
  lease(options: PackageClientOptions): TransportLease {
    if (options.allowPooling !== true) {
      const transport = transportFor(options)
      return { transport, release: () => end(transport) }
    }
    const key = JSON.stringify([tlsOf(options), quicOf(options)])
    const shared = this.#shared.get(key) ?? { key, transport: transportFor(options), leases: 0 }
    shared.leases += 1
    this.#touch(shared)
    return { transport: shared.transport, release: () => this.#release(shared) }
  }

  #release(shared: Shared): void {
    shared.leases -= 1
    this.#touch(shared)
    const idle = [...this.#shared.values()].filter(({ leases }) => leases === 0)
    for (const { key, transport } of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) {
      this.#shared.delete(key)
      end(transport)
    }
  }

  #touch(shared: Shared): void {
    this.#shared.delete(shared.key)
    this.#shared.set(shared.key, shared)
  }
}

function transportFor(options: PackageClientOptions): Transport {
  const quic = quicOf(options)
  return createTransport({ defaults: { protocols: ['h3'], webTransport: true, tls: tlsOf(options), quic } })
}

/** What its last session has said on closing still leaves. */
function end(transport: Transport): void {
  guardedPromise('the end of a transport', transport.drain())
}

function tlsOf({ serverCertificateHashes: hashes = [], ca }: PackageClientOptions): TlsOptions {
  const trusted = ca === undefined ? {} : { ca }
  if (hashes.length === 0) return trusted
  // Of other algorithms nobody knows anything (W3C 6.9): where no other hash is left, nobody is trusted.
  const known = hashes.filter(({ algorithm }) => /^sha-?256$/i.test(algorithm))
  return {
    ...trusted,
    certificateHashes: known.map(({ value }) => Buffer.from(bytesOfHash(value)).toString('hex')),
  }
}

function bytesOfHash(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new TransportError('MM_INVALID_ARGUMENT', 'the value of serverCertificateHashes must be bytes')
}

function quicOf(options: PackageClientOptions): ReturnType<typeof windowsOf> {
  const { initialBidirectionalReceiveStreams, initialUnidirectionalReceiveStreams } = options
  return windowsOf({
    ...options,
    initialBidirectionalStreams: options.initialBidirectionalStreams ?? initialBidirectionalReceiveStreams,
    initialUnidirectionalStreams: options.initialUnidirectionalStreams ?? initialUnidirectionalReceiveStreams,
  })
}

/**
 * Loads the engine. Throws MM_PROTOCOL_UNAVAILABLE where there is none: `@matrixai/quic` is not installed, or
 * there is no build of it for this machine.
 *
 * @example
 * ```ts
 * checkQuicheInit()
 * ```
 */
export function checkQuicheInit(_options?: unknown): void {
  const loaded = quicEngine()
  if ('unavailable' in loaded)
    throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `there is no HTTP/3 here: ${loaded.unavailable}`)
}
