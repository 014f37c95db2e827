import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { defaultRoots } from '../../base/default-roots.ts'
import { TransportError } from '../../base/errors.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { pinnedHashes } from '../../base/options/pinned-hashes.ts'
import type { QuicOptions } from '../../base/options/protocol-options.ts'
import type { QuicServerTls } from '../engine.ts'
import type { NativeConfig, QuicheBinding } from './binding.ts'
import { nativeError } from './connection-end.ts'

/** What differs between connections with the same options. */
export interface ConfigVariant {
  readonly protocols: readonly string[]
  readonly earlyData: boolean
  readonly allowsSecondPath: boolean
  readonly keylog: boolean
  /** Client: see QuicConnectOptions. */
  readonly takesServerStreams?: boolean
  /** Likewise. */
  readonly maxUdpPayloadBytes?: number | undefined
}

/**
 * With a second path: how many ids, and so how many paths (quiche counts 4-tuples by them), a connection may
 * have in its life.
 */
export const SECOND_PATH_IDS = 8

/** RFC 9000 14: no QUIC below it. Above the other one quiche does not go. */
const MIN_UDP_PAYLOAD_BYTES = 1200
const MAX_UDP_PAYLOAD_BYTES = 16_383

/** Whatever the interface brings: what a peer may send at once is bounded by windows. */
const MAX_RECEIVED_UDP_PAYLOAD_BYTES = 65_527

const TICKET_KEY_BYTES = 48

export interface ClientConfig {
  readonly config: NativeConfig
  /** Of everything that decides whether a certificate is accepted: tickets are bound to it. */
  readonly trust: string
}

/**
 * Native configurations, one for all connections with the same options objects: with Node's list of
 * authorities one costs 6 ms (144 certificates), with one authority 0.04 ms.
 */
export class QuicheConfigs {
  readonly #binding: QuicheBinding
  readonly #clients = new WeakMap<TlsOptions, WeakMap<QuicOptions, Map<string, NativeConfig>>>()
  readonly #servers = new WeakMap<QuicServerTls, WeakMap<QuicOptions, Map<string, NativeConfig>>>()
  readonly #trusts = new WeakMap<TlsOptions, string>()

  constructor(binding: QuicheBinding) {
    this.#binding = binding
  }

  /** Throws MM_INVALID_ARGUMENT when QUIC cannot use the TLS options. */
  client(tls: TlsOptions, quic: QuicOptions, variant: ConfigVariant): ClientConfig {
    const config = cached(this.#clients, tls, quic, variant, () => this.#makeClient(tls, quic, variant))
    let trust = this.#trusts.get(tls)
    if (trust === undefined) {
      trust = trustOf(tls)
      this.#trusts.set(tls, trust)
    }
    return { config, trust }
  }

  /** Throws MM_INVALID_ARGUMENT when QUIC cannot use the TLS options. */
  server(tls: QuicServerTls, quic: QuicOptions, variant: ConfigVariant): NativeConfig {
    return cached(this.#servers, tls, quic, variant, () => this.#makeServer(tls, quic, variant))
  }

  /**
   * BoringSSL refuses what OpenSSL takes, e.g. the certificate of an authority as that of a server (its key
   * may not sign handshakes).
   */
  #make(
    verify: boolean,
    ca: Buffer | null,
    identity: { readonly cert: Buffer; readonly key: Buffer } | undefined,
  ): NativeConfig {
    const key = identity === undefined ? null : [identity.key]
    const cert = identity === undefined ? null : [identity.cert]
    try {
      return this.#binding.Config.withBoringSslCtx(verify, false, ca, key, cert, null)
    } catch (cause) {
      const message = `the tls options cannot be used for QUIC: ${nativeError(cause).name.slice(0, 100)}`
      throw new TransportError('MM_INVALID_ARGUMENT', message, { cause })
    }
  }

  #makeClient(tls: TlsOptions, quic: QuicOptions, variant: ConfigVariant): NativeConfig {
    refuseWhatQuicCannotDo(tls)
    const ca = tls.ca === undefined ? defaultRoots() : certificatePem(tls.ca, 'ca')
    const identity = clientIdentity(tls)
    const verify = tls.certificateHashes === undefined && (tls.rejectUnauthorized ?? true)
    const config = this.#make(verify, ca, identity)
    this.#apply(config, quic, variant)
    // A server opens no bidirectional streams in HTTP/3 (RFC 9114 6.1) but those of WebTransport.
    config.setInitialMaxStreamsBidi(variant.takesServerStreams === true ? quic.maxConcurrentStreams : 0)
    return config
  }

  #makeServer(tls: QuicServerTls, quic: QuicOptions, variant: ConfigVariant): NativeConfig {
    const identity = identityPem(tls.cert, tls.key, undefined)
    const clientCa = tls.clientCa === undefined ? null : certificatePem(tls.clientCa, 'clientCa')
    const config = this.#make(clientCa !== null, clientCa, identity)
    this.#apply(config, quic, variant)
    config.setInitialMaxStreamsBidi(quic.maxConcurrentStreams)
    if (tls.ticketKey !== undefined) {
      if (tls.ticketKey.length !== TICKET_KEY_BYTES) {
        throw new TransportError('MM_INVALID_ARGUMENT', `a ticket key has ${TICKET_KEY_BYTES} bytes`)
      }
      config.setTicketKey(tls.ticketKey)
    }
    return config
  }

  #apply(config: NativeConfig, quic: QuicOptions, variant: ConfigVariant): void {
    if (variant.protocols.length === 0) {
      throw new TransportError('MM_INVALID_ARGUMENT', 'QUIC needs a protocol to offer (RFC 9001 8.1)')
    }
    config.setApplicationProtos(variant.protocols)
    if (variant.earlyData) config.enableEarlyData()
    if (variant.keylog) config.logKeys()
    config.setMaxIdleTimeout(quic.idleTimeoutMs)
    config.setMaxRecvUdpPayloadSize(variant.maxUdpPayloadBytes ?? MAX_RECEIVED_UDP_PAYLOAD_BYTES)
    config.setMaxSendUdpPayloadSize(udpPayloadBytes(quic, variant.maxUdpPayloadBytes))
    config.setCcAlgorithmName(quic.congestionControl)
    config.setInitialMaxData(quic.connectionWindowBytes)
    config.setInitialMaxStreamDataBidiLocal(quic.streamWindowBytes)
    config.setInitialMaxStreamDataBidiRemote(quic.streamWindowBytes)
    config.setInitialMaxStreamDataUni(quic.streamWindowBytes)
    config.setMaxStreamWindow(Math.max(quic.streamWindowBytes, quic.maxStreamWindowBytes))
    config.setMaxConnectionWindow(quic.connectionWindowBytes)
    config.setInitialMaxStreamsUni(quic.maxUnidirectionalStreams)
    if (quic.maxQueuedDatagrams > 0) {
      config.enableDgram(true, quic.maxQueuedDatagrams, quic.maxQueuedDatagrams)
    }
    config.setDisableActiveMigration(!variant.allowsSecondPath)
    if (variant.allowsSecondPath) config.setActiveConnectionIdLimit(SECOND_PATH_IDS)
  }
}

/** The largest datagram that these options let out, on a path that carries so much. */
export function udpPayloadBytes(quic: QuicOptions, most: number = MAX_UDP_PAYLOAD_BYTES): number {
  const wanted = Math.min(MAX_UDP_PAYLOAD_BYTES, most, quic.maxUdpPayloadBytes)
  return Math.max(MIN_UDP_PAYLOAD_BYTES, wanted)
}

function refuseWhatQuicCannotDo(tls: TlsOptions): void {
  if (tls.maxVersion === 'TLSv1.2') {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'QUIC is TLS 1.3 (RFC 9001 4.2): tls.maxVersion excludes it',
    )
  }
  if (tls.ciphers !== undefined) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'tls.ciphers cannot be set for QUIC: its ciphers are fixed',
    )
  }
}

function clientIdentity(tls: TlsOptions): { cert: Buffer; key: Buffer } | undefined {
  if (tls.cert === undefined && tls.key === undefined) return undefined
  if (tls.cert === undefined || tls.key === undefined) {
    throw new TransportError('MM_INVALID_ARGUMENT', 'tls.cert and tls.key go together')
  }
  return identityPem(tls.cert, tls.key, tls.passphrase)
}

function trustOf(tls: TlsOptions): string {
  const authorities = tls.ca === undefined ? defaultRoots().toString('latin1') : [tls.ca].flat()
  const { cert = null, rejectUnauthorized = true, certificateHashes } = tls
  const pinned = certificateHashes === undefined ? [] : [pinnedHashes(certificateHashes)]
  const text = JSON.stringify([authorities, cert, rejectUnauthorized, ...pinned])
  return createHash('sha256').update(text).digest('base64url')
}

function cached<K extends object>(
  cache: WeakMap<K, WeakMap<QuicOptions, Map<string, NativeConfig>>>,
  tls: K,
  quic: QuicOptions,
  variant: ConfigVariant,
  make: () => NativeConfig,
): NativeConfig {
  let byQuic = cache.get(tls)
  if (byQuic === undefined) cache.set(tls, (byQuic = new WeakMap()))
  let byVariant = byQuic.get(quic)
  if (byVariant === undefined) byQuic.set(quic, (byVariant = new Map()))
  const { earlyData, allowsSecondPath, keylog, protocols, takesServerStreams = false } = variant
  const { maxUdpPayloadBytes = 0 } = variant
  const key = JSON.stringify([
    earlyData,
    allowsSecondPath,
    keylog,
    protocols,
    takesServerStreams,
    maxUdpPayloadBytes,
  ])
  let config = byVariant.get(key)
  if (config === undefined) byVariant.set(key, (config = make()))
  return config
}

/**
 * The binding takes PEM unseen and fails the handshake later without a reason: what is handed to it is looked
 * at here.
 */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/**
 * The certificates of a PEM text, clean and joined. Throws MM_INVALID_ARGUMENT; `what` is the name of the
 * option.
 */
function certificatePem(pem: string | readonly string[], what: string): Buffer {
  const blocks = [pem].flat().flatMap(text => text.match(CERTIFICATE) ?? [])
  if (blocks.length === 0) throw unusable(`${what} has no PEM certificate`)
  for (const block of blocks) readCertificate(block, what)
  return Buffer.from(`${blocks.join('\n')}\n`, 'latin1')
}

/** A certificate chain and its key, the key in the clear. Throws MM_INVALID_ARGUMENT. */
function identityPem(
  cert: string,
  key: string,
  passphrase: string | undefined,
): { cert: Buffer; key: Buffer } {
  const chain = certificatePem(cert, 'cert')
  let privateKey: ReturnType<typeof createPrivateKey>
  try {
    privateKey = createPrivateKey(passphrase === undefined ? { key } : { key, passphrase })
  } catch (cause) {
    throw unusable(`key cannot be read: ${textOf(cause)}`, cause)
  }
  const leaf = readCertificate(chain.toString('latin1'), 'cert')
  if (!leaf.checkPrivateKey(privateKey)) throw unusable('key is not that of the first certificate in cert')
  return { cert: chain, key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
}

function readCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw unusable(`${what} cannot be read: ${textOf(cause)}`, cause)
  }
}

function unusable(reason: string, cause?: unknown): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `the tls options cannot be used for QUIC: ${reason}`, {
    cause,
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
